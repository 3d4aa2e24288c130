"""The proxies that need nothing but the string, under their names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from plainnet.blocks.network_table import NetworkTable
from plainnet.blocks.rows.variants import Variant
from plainnet.blocks.structure import Structure
from plainnet.proxies.closed import baselines, entropy, residual
from plainnet.proxies.closed.composite import VERSION, composite_of_table
from plainnet.proxies.closed.composite_fitted import composite_fitted as composite_fitted_score
from plainnet.proxies.closed.zen import zen_of_table
from plainnet.proxies.contract import proxy

if TYPE_CHECKING:
    from torch import nn

__all__ = [
    "composite",
    "composite_fitted",
    "deepmad",
    "depth",
    "macs",
    "madnas",
    "params",
    "residual_sensitivity",
    "rho",
    "zen",
]

Size = int | tuple[int, int]


@proxy(cost="none")
def zen(table: NetworkTable, batch: int, *, variant: str = "paper", gamma: float = 0.01) -> float:
    """The Zen-score in closed form: what zen_mc has for its mean, from the string alone (`plainnet.proxies.closed.zen`)."""
    return zen_of_table(table, variant=variant, batch_size=batch, gamma=gamma)


@proxy(cost="none", version=VERSION)
def composite(table: NetworkTable, *, version: int = VERSION) -> float:
    """Live entropy, octave by octave, times felt depth, in closed form, nothing fitted (`plainnet.proxies.closed.composite`)."""
    return composite_of_table(table, version).score


@proxy(cost="none")
def composite_fitted(structure: Structure, resolution: Size, network: Variant) -> float:
    """A fit to one half of NAS-Bench-Macro, in closed form (`plainnet.proxies.closed.composite_fitted`)."""
    return composite_fitted_score(structure, resolution, variant=network)


@proxy(cost="none")
def residual_sensitivity(structure: Structure, resolution: Size, network: Variant, *, gamma: float = 0.01) -> float:
    """How far a small change of the input is felt at the end, shortcuts kept, in closed form: log(1 - c)."""
    return residual.residual_sensitivity(structure, resolution=resolution, gamma=gamma, network=network)


@proxy(cost="none")
def madnas(structure: Structure, resolution: Size, *, ratios: Sequence[float] | None = None) -> float:
    """TinyNAS's multi-scale entropy, in closed form; `ratios` weigh the stages, the last one alone by default."""
    return entropy.madnas(structure, ratios=ratios, resolution=resolution)


@proxy(cost="none")
def deepmad(
    structure: Structure,
    resolution: Size,
    *,
    ratios: Sequence[float] | None = None,
    alpha1: float = 1.0,
    alpha2: float = 1.0,
) -> float:
    """DeepMAD's entropy, in closed form; `ratios` weigh the stages, the last one alone by default."""
    return entropy.deepmad(structure, ratios=ratios, resolution=resolution, alpha1=alpha1, alpha2=alpha2)


@proxy(cost="none")
def rho(structure: Structure, resolution: Size) -> float:
    """DeepMAD's effectiveness, depth over geometric mean fan-in: a budget (0.3 to 0.5) more than a score."""
    return entropy.rho(structure, resolution=resolution)


def params_of_module(module: nn.Module) -> int:
    """Learnable scalars of any module, its classifier included."""
    return sum(parameter.numel() for parameter in module.parameters())


@proxy(cost="none", of_module=params_of_module)
def params(structure: Structure, resolution: Size, network: Variant) -> int:
    """Learnable scalars, without classifier."""
    return baselines.params(structure, resolution, variant=network)


def macs_of_module(module: nn.Module, input_shape: tuple[int, int, int]) -> int:
    """Multiply-accumulates of any module for one image, its classifier included, counted by operator."""
    from plainnet.network.counting.module_counts import count_module

    return count_module(module, (1, *input_shape)).macs


@proxy(cost="none", of_module=macs_of_module)
def macs(structure: Structure, resolution: Size, network: Variant) -> int:
    """Multiply-accumulates of convolutions and linear layers for one image, without classifier."""
    return baselines.macs(structure, resolution, variant=network)


@proxy(cost="none")
def depth(structure: Structure, resolution: Size, network: Variant) -> int:
    """The number of activation functions on the longest way through the network, gates left out."""
    return baselines.depth(structure, resolution, variant=network)
