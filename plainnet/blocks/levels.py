"""The levels of features of a network: the last block at each stride."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from plainnet.blocks.rows.block_rows import block_rows
from plainnet.blocks.rows.layers import AdaptivePool, Conv, Pool, Scale
from plainnet.blocks.rows.shapes import Shape
from plainnet.blocks.rows.variants import PLAIN, Variant
from plainnet.blocks.rows.walk import INPUT, Row
from plainnet.blocks.structure import Structure

__all__ = ["FeatureInfo", "feature_levels", "total_stride"]


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
    reduction: int | None = 1
    here = shape
    for number, (block, totals) in enumerate(zip(structure, structure.totals(shape, variant=variant), strict=True)):
        if totals.out_shape.is_vector:
            break
        rows, _ = block_rows(block, here, variant)
        reduction, here = total_stride(rows, reduction), totals.out_shape
        if levels and levels[-1].reduction == reduction:
            levels.pop()
        levels.append(FeatureInfo(number, here.channels, reduction))
    return tuple(levels)


def total_stride(rows: Iterable[Row], before: int | None = 1) -> int | None:
    """The stride of the last row's map for an input of stride `before`: the product of the strides on its way, the largest
    where branches meet. None behind adaptive pooling; a gate does not count.
    """
    strides, last = {INPUT: before}, INPUT
    for last, row in enumerate(rows):
        layer, stride = row.layer, strides[row.inputs[0]]
        if isinstance(layer, AdaptivePool):
            stride = None
        elif isinstance(layer, (Conv, Pool)):
            stride = None if stride is None else stride * layer.stride**row.times
        elif len(row.inputs) > 1 and not isinstance(layer, Scale):
            meeting = [strides[value] for value in row.inputs]
            stride = None if None in meeting else max(value for value in meeting if value is not None)
        strides[last] = stride
    return strides[last]
