"""The feature maps of a network: what is computed where, each independent thing once.

A map is what a convolution puts out. Convolutions whose outputs are added before anything non-linear reads the sum are one
map: linear maps that are added are one linear map. A map has

    elements        those that anything downstream reads; where a pool made neighbours alike only as many as are independent
                    (`plainnet.proxies.calibrated.independence`)
    inputs          how many independent values each element is made of
    pixels          how many pixels of the image it can see, at most all of them
    octave          how often the image was halved before it, to the nearest whole number
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from plainnet.blocks.rows.layers import Add, Conv, Dropout, Norm, Pool, Scale, Sum
from plainnet.blocks.rows.shapes import Shape
from plainnet.blocks.rows.walk import INPUT, Row
from plainnet.proxies.calibrated.independence import independent_parts
from plainnet.proxies.closed.live_positions import Positions

__all__ = ["FeatureMap", "feature_maps"]


class FeatureMap(NamedTuple):
    """One map."""

    elements: float
    inputs: float
    pixels: float
    octave: int


class _Source(NamedTuple):
    """Independent inputs that a convolution takes from a value."""

    value: int
    inputs: float


def feature_maps(
    rows: Sequence[Row], shape: Shape, live: Sequence[Positions | None], gates: set[int]
) -> list[FeatureMap]:
    """The maps of an expanded table of rows for an image of `shape`."""
    readers = _readers(rows, live)
    kept = independent_parts(rows)
    sides = _extents(rows)
    groups: dict[int, list[int]] = {}
    for number, row in enumerate(rows):
        if isinstance(row.layer, Conv) and live[number] is not None and number not in gates:
            end = _added_at(rows, readers, number)
            groups.setdefault(end, []).append(number)
    image = shape.height * shape.width
    found = []
    for end, members in groups.items():
        positions = live[end] or live[members[0]]
        assert positions is not None
        out = rows[end].out_shape
        sources: dict[int, float] = {}
        for member in members:
            source = _source(rows, kept, member)
            sources[source.value] = max(sources.get(source.value, 0.0), source.inputs)
        extent = max(sides[member] for member in members)
        found.append(
            FeatureMap(
                max(1.0, out.channels * positions.size * kept[end]),
                max(1.0, sum(sources.values())),
                min(image, extent * extent),
                _octave(shape, out),
            )
        )
    return found


def _octave(shape: Shape, out: Shape) -> int:
    return round(math.log2(shape.height * shape.width / (out.height * out.width)) / 2)


def _readers(rows: Sequence[Row], live: Sequence[Positions | None]) -> list[list[int]]:
    """The live rows that read each row's value."""
    found: list[list[int]] = [[] for _ in rows]
    for number, row in enumerate(rows):
        if live[number] is None:
            continue
        for source in row.inputs:
            if source != INPUT:
                found[source].append(number)
    return found


def _added_at(rows: Sequence[Row], readers: Sequence[list[int]], number: int) -> int:
    """The row behind a convolution up to which everything is linear and read by the next row alone."""
    while len(readers[number]) == 1 and isinstance(rows[readers[number][0]].layer, (Norm, Add, Sum, Dropout)):
        number = readers[number][0]
    return number


def _source(rows: Sequence[Row], kept: Sequence[float], number: int) -> _Source:
    """What an element of a convolution is made of."""
    row = rows[number]
    layer = row.layer
    assert isinstance(layer, Conv)
    source = row.inputs[0]
    share = kept[source] if source != INPUT else 1.0
    window = max(1.0, layer.kernel_size**2 * share)
    return _Source(source, row.in_shape.channels / layer.groups * window)


def _extents(rows: Sequence[Row]) -> list[int]:
    """The side of the square of pixels that one position of each value sees."""
    found: dict[int, tuple[int, int]] = {INPUT: (1, 1)}
    for number, row in enumerate(rows):
        layer = row.layer
        seen = [found[source] for source in (row.inputs[:1] if isinstance(layer, Scale) else row.inputs)]
        extent, step = max(each[0] for each in seen or [(1, 1)]), max(each[1] for each in seen or [(1, 1)])
        if isinstance(layer, (Conv, Pool)):
            extent, step = extent + (layer.kernel_size - 1) * step, step * layer.stride
        found[number] = extent, step
    return [found[number][0] for number in range(len(rows))]
