"""The Monte-Carlo Zen-score as a proxy: of structures, and of any module."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from plainnet.blocks.rows.variants import Variant
from plainnet.blocks.structure import Structure
from plainnet.errors import UsageError
from plainnet.network.initialization import initialize
from plainnet.network.published import NORM_EPS
from plainnet.proxies.contract import proxy
from plainnet.proxies.sampled.random_network import log
from plainnet.proxies.sampled.watching import NORMS, watch
from plainnet.proxies.sampled.zen_mc import check_zen_options, norm_terms, zen_values

__all__ = ["zen_mc", "zen_mc_of_module"]


def zen_mc_of_module(
    module: nn.Module,
    batch: int,
    input_shape: tuple[int, int, int],
    device: torch.device,
    *,
    variant: str = "paper",
    gamma: float = 0.01,
) -> float:
    """The Zen-score of any module by Monte-Carlo: weights from N(0, 1), shortcuts kept, as there is no telling them.

    f is what the module's `forward_features` gives, and what it puts out where it has none.
    """
    check_zen_options(variant, gamma)
    initialize(module, "gaussian")
    features: Any = getattr(module, "forward_features", module)
    passes: list[list[Tensor]] = [[], []]
    outs: list[Tensor] = []
    dtype = next((parameter.dtype for parameter in module.parameters() if parameter.is_floating_point()), torch.float32)
    x = torch.randn(batch, *input_shape, device=device, dtype=dtype)
    with torch.no_grad():
        for seen, image in zip(passes, (x, x + gamma * torch.randn_like(x)), strict=True):

            def see(_: Tensor, source: Tensor, seen: list[Tensor] = seen) -> None:
                seen.append(source.detach().double().transpose(0, 1).flatten(1).var(1)[None])

            outs.append(watch(features, image, NORMS, see))
    if variant == "zennas" and not passes[0]:
        raise UsageError("variant 'zennas' reads running variances, and this network has no batch norm")
    distance = float((outs[0] - outs[1]).abs().sum(dtype=torch.float64)) / batch
    return log(distance) + sum(norm_terms(first, second, variant)[0] for first, second in zip(*passes, strict=True))


@proxy(cost="2 forward", of_module=zen_mc_of_module)
def zen_mc(
    structure: Structure,
    resolution: int | tuple[int, int],
    network: Variant,
    batch: int,
    seeds: Sequence[int],
    device: torch.device,
    *,
    variant: str = "paper",
    keep_residual: bool = False,
    gamma: float = 0.01,
    norm_eps: float = NORM_EPS,
) -> list[float]:
    """The Zen-score by Monte-Carlo, as it is defined: expressivity of the network without shortcuts at random weights.

    Formula and source: `plainnet.proxies.sampled.zen_mc.zen_mc`.
    """
    return zen_values(
        structure, resolution, network, batch, seeds, device,
        variant=variant, keep_residual=keep_residual, gamma=gamma, norm_eps=norm_eps,
    )  # fmt: skip
