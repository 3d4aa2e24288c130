"""The levels of features of a network: the last block at each stride."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from plainnet.blocks.rows.block_rows import block_rows
from plainnet.blocks.rows.layers import AdaptivePool, Conv, Pool, Scale
from plainnet.blocks.rows.map_layers import ConvTranspose, Resize
from plainnet.blocks.rows.shapes import Shape
from plainnet.blocks.rows.variants import PLAIN, Variant
from plainnet.blocks.rows.walk import INPUT, Row
from plainnet.blocks.structure import Structure

__all__ = ["FeatureInfo", "feature_levels", "strides_of", "total_stride"]


class FeatureInfo(NamedTuple):
    """One level of features: what the last block at a stride puts out."""

    block: int
    """its place in the structure, from 0"""
    channels: int
    reduction: int | None
    """its stride: input pixels from one pixel of the map to the next, at every input size. None for a map of one size
    whatever the image is (adaptive pooling): it has no stride"""


def feature_levels(structure: Structure, shape: Shape, *, variant: Variant = PLAIN) -> tuple[FeatureInfo, ...]:
    """The levels of a structure, the largest map first: read from the layers, not from the sizes of the maps."""
    levels: list[FeatureInfo] = []
    for number, out, reduction in _reductions(structure, shape, variant):
        if out.is_vector:
            break
        if levels and levels[-1].reduction == reduction:
            levels.pop()
        levels.append(FeatureInfo(number, out.channels, reduction))
    return tuple(levels)


def _reductions(structure: Structure, shape: Shape, variant: Variant) -> Iterator[tuple[int, Shape, int | None]]:
    """The number of each block, what it puts out, and its stride; not of blocks that nothing depends on."""
    if structure.is_plain:
        reduction: int | None = 1
        here = shape
        for number, (block, totals) in enumerate(zip(structure, structure.totals(shape, variant=variant), strict=True)):
            if totals.out_shape.is_vector:
                yield number, totals.out_shape, None
                return
            rows, _ = block_rows(block, here, variant)
            reduction, here = total_stride(rows, reduction), totals.out_shape
            yield number, here, reduction
        return
    walked = structure.trace(shape, variant=variant)
    strides = strides_of(walked.rows)
    for number, (value, out) in enumerate(zip(walked.values, walked.shapes, strict=True)):
        if value not in (None, INPUT):
            yield number, out, strides[value]


def total_stride(rows: Iterable[Row], before: int | None = 1) -> int | None:
    """The stride of the last row's map for an input of stride `before`: the product of the strides on its way, the largest
    where branches meet. None behind adaptive pooling; a gate does not count.
    """
    strides = strides_of(rows, before)
    return strides[len(strides) - 2]  # the input's is one of them


def strides_of(rows: Iterable[Row], before: int | None = 1) -> dict[int, int | None]:
    """The stride of every row's map, and of the input."""
    strides = {INPUT: before}
    for number, row in enumerate(rows):
        layer, stride = row.layer, strides[row.inputs[0]] if row.inputs else before
        if isinstance(layer, AdaptivePool):
            stride = None
        elif isinstance(layer, (Conv, Pool)):
            stride = None if stride is None else stride * layer.stride**row.times
        elif isinstance(layer, (ConvTranspose, Resize)):
            scale = (layer.scale if isinstance(layer, Resize) else layer.stride) ** row.times
            stride = stride // scale if stride is not None and stride % scale == 0 else None
        elif len(row.inputs) > 1 and not isinstance(layer, Scale):
            meeting = [strides[value] for value in row.inputs]
            stride = None if None in meeting else max(value for value in meeting if value is not None)
        strides[number] = stride
    return strides
