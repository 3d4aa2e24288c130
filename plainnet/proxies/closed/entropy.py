"""Entropy proxies: half the sum of the logarithms of fan-ins, stage by stage.

Along a chain of random convolutions the variance of the features is the product of the fan-ins, so its logarithm bounds
the entropy of what a network can put out. TinyNAS weighs that entropy at the end of each stage:

    log sigma_i = sum over the convolutions up to the end of stage i of 1/2 log(C_in / groups * k^2)
    madnas  = sum_i a_i * (log sigma_i + log C_i)
    deepmad = sum_i a_i * log(C_i * r_i^2) * log sigma_i         with C_in^alpha1, k^(2 alpha2)
    rho     = max_i exp(log n_i - (sum log w) / n_i)             n_i convolutions of fan-in w: depth over mean width

C_i, r_i: channels and size of stage i's last map. A stage ends before each block that shrinks the map. Convolutions of
shortcuts and gates, and batch norms, are left out. `ratios` (a_i) has one number for each stage; by default the last
stage alone counts.

Sources: Sun et al., MAE-DET, ICML 2022, arXiv:2111.13336; Shen et al., DeepMAD, CVPR 2023, arXiv:2303.02165.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from plainnet.blocks import Shape, Variant
from plainnet.blocks.base import PlainNetBasicBlockClass
from plainnet.blocks.registry import on_change
from plainnet.blocks.rows.block_rows import block_rows
from plainnet.blocks.rows.counts import block_totals
from plainnet.blocks.rows.gates import gate_rows
from plainnet.blocks.rows.layers import Conv
from plainnet.blocks.rows.memo import BoundedMemo
from plainnet.blocks.rows.shapes import as_input_shape
from plainnet.blocks.rows.variants import PLAIN
from plainnet.errors import UnknownScoreError, UsageError
from plainnet.network.network_names import at_its_size

__all__ = ["Stage", "block_sums", "deepmad", "madnas", "main_path", "rho", "stages"]

CHAIN = Variant(no_reslink=True)


class Stage(NamedTuple):
    """The sums from the network's start to the end of a stage, and the map there."""

    convolutions: int
    log_channels: float
    """sum of log(C_in / groups)"""
    log_kernels: float
    """sum of log(k^2)"""
    out_shape: Shape

    @property
    def log_fan_in(self) -> float:
        return self.log_channels + self.log_kernels


def stages(structure: Any, *, resolution: int | tuple[int, int] | None = None) -> list[Stage]:
    """The stages of a network, with the sums over all convolutions up to the end of each.

    structure: whatever `plainnet.resolve` takes. resolution: R or (H, W); by default what is known of the network, 224 otherwise.
    """
    structure, resolution, _ = at_its_size(structure, resolution, otherwise=224)
    shape = as_input_shape(structure.in_channels, resolution)
    if not structure.is_plain:
        raise UnknownScoreError(
            "an entropy proxy is a sum along a chain of blocks, and here blocks take values by name"
        )
    outs = [totals.out_shape for totals in structure.totals(shape)]
    found = _stages(structure.blocks, outs, shape)
    if not found:
        raise UsageError("an entropy proxy needs convolutions; this structure has none before its pooling")
    return found


def main_path(blocks: Sequence[PlainNetBasicBlockClass], shape: Shape) -> tuple[int, float]:
    """The convolutions of the main path of blocks that fit each other, and their `rho` (0 where there is none)."""
    outs, into = [], shape
    for block in blocks:
        into = block_totals(block, into, PLAIN).out_shape
        outs.append(into)
    found = _stages(blocks, outs, shape)
    return (found[-1].convolutions, _rho(found)) if found else (0, 0.0)


def _stages(blocks: Sequence[PlainNetBasicBlockClass], outs: Sequence[Shape], shape: Shape) -> list[Stage]:
    """The stages of blocks with the shapes that they put out; none without convolutions."""
    found: list[Stage] = []
    convolutions, log_channels, log_kernels = 0, 0.0, 0.0
    for block, out in zip(blocks, outs, strict=True):
        if out.is_vector or out.height == 1 < shape.height:
            break
        if convolutions and (out.height < shape.height or out.width < shape.width):
            found.append(Stage(convolutions, log_channels, log_kernels, shape))
        sums = block_sums(block, shape)
        convolutions += sums[0]
        log_channels += sums[1]
        log_kernels += sums[2]
        shape = out
    return [*found, Stage(convolutions, log_channels, log_kernels, shape)] if convolutions else []


_sums: BoundedMemo[tuple[str, Shape], tuple[int, float, float]] = BoundedMemo(100_000)
on_change(_sums.clear)


def block_sums(block: PlainNetBasicBlockClass, shape: Shape) -> tuple[int, float, float]:
    """The convolutions of a block, and the sums of the logarithms of their channels and kernels."""
    found = _sums.get((block.text, shape))
    if found is None:
        rows, _ = block_rows(block, shape, CHAIN)
        gated = gate_rows(rows)
        convolutions, log_channels, log_kernels = 0, 0.0, 0.0
        for number, row in enumerate(rows):
            layer = row.layer
            if isinstance(layer, Conv) and number not in gated:
                convolutions += row.times
                log_channels += row.times * math.log(row.in_shape.channels / layer.groups)
                log_kernels += row.times * math.log(layer.taps)
        found = _sums[block.text, shape] = (convolutions, log_channels, log_kernels)
    return found


def _weights(ratios: Sequence[float] | None, count: int) -> Sequence[float]:
    if ratios is None:
        return (*[0.0] * (count - 1), 1.0)
    if len(ratios) != count:
        raise UsageError(
            f"{len(ratios)} stage ratios are given and the structure has {count} stages; accepted: one for each"
        )
    return ratios


def madnas(
    structure: Any,
    *,
    ratios: Sequence[float] | None = None,
    resolution: int | tuple[int, int] | None = None,
) -> float:
    """TinyNAS's multi-scale entropy: sum_i a_i * (log sigma_i + log C_i).

    >>> round(madnas("ConvKXBNRELU(3,32,3,2)SuperResK1KXK1(32,48,3,2,32,2)", ratios=(0, 1)), 2)
    19.64
    """
    found = stages(structure, resolution=resolution)
    weights = _weights(ratios, len(found))
    return sum(
        weight * (stage.log_fan_in / 2 + math.log(stage.out_shape.channels))
        for weight, stage in zip(weights, found, strict=True)
    )


def deepmad(
    structure: Any,
    *,
    ratios: Sequence[float] | None = None,
    resolution: int | tuple[int, int] | None = None,
    alpha1: float = 1.0,
    alpha2: float = 1.0,
) -> float:
    """DeepMAD's entropy: sum_i a_i * log(C_i * r_i^2) * log sigma_i, channels to the power alpha1, kernels to alpha2.

    The search of its authors also takes away a penalty on uneven depths, which is a matter of the search's objective.
    """
    found = stages(structure, resolution=resolution)
    weights = _weights(ratios, len(found))
    return sum(
        weight * math.log(stage.out_shape.elements) * (alpha1 * stage.log_channels + alpha2 * stage.log_kernels) / 2
        for weight, stage in zip(weights, found, strict=True)
    )


def rho(structure: Any, *, resolution: int | tuple[int, int] | None = None) -> float:
    """DeepMAD's effectiveness, an upper bound for a budget (about 0.3 for ResNets, 0.5 for mobile networks): the
    largest, over stages, of depth over geometric mean fan-in.
    """
    return _rho(stages(structure, resolution=resolution))


def _rho(found: Sequence[Stage]) -> float:
    return max(math.exp(math.log(stage.convolutions) - stage.log_fan_in / stage.convolutions) for stage in found)
