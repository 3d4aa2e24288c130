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
from plainnet.blocks.rows.map_layers import ConvTranspose, Resize
from plainnet.blocks.rows.shapes import Shape
from plainnet.blocks.rows.walk import INPUT, Row
from plainnet.proxies.calibrated.independence import independent_parts
from plainnet.proxies.closed.live_positions import Positions

__all__ = ["FeatureMap", "feature_maps", "taps_of"]


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
    extents = _extents(rows)
    groups: dict[int, list[int]] = {}
    for number, row in enumerate(rows):
        if isinstance(row.layer, (Conv, ConvTranspose)) and live[number] is not None and number not in gates:
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
        found.append(
            FeatureMap(
                max(1.0, out.channels * positions.size * kept[end]),
                max(1.0, sum(sources.values())),
                min(image, max(extents[member].pixels for member in members)),
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
    assert isinstance(layer, (Conv, ConvTranspose))
    source = row.inputs[0]
    share = kept[source] if source != INPUT else 1.0
    groups = 1 if isinstance(layer, ConvTranspose) else layer.groups
    return _Source(source, row.in_shape.channels / groups * max(1.0, taps_of(layer) * share))


def taps_of(layer: Conv | ConvTranspose) -> float:
    """The weights of a filter that an output place meets for each channel: of a transposed convolution on average."""
    return (layer.kernel_size / layer.stride) ** 2 if isinstance(layer, ConvTranspose) else float(layer.taps)


class _Extent(NamedTuple):
    """The rectangle of pixels that one position of a value sees, and how far the next position's is from it."""

    high: float
    wide: float
    step: float

    @property
    def pixels(self) -> float:
        return self.high * self.wide


def _extents(rows: Sequence[Row]) -> list[_Extent]:
    found: dict[int, _Extent] = {INPUT: _Extent(1, 1, 1)}
    for number, row in enumerate(rows):
        sources = row.inputs[:1] if isinstance(row.layer, Scale) else row.inputs
        seen = [found[source] for source in sources] or [found[INPUT]]
        found[number] = _seen_by(row, _Extent(*map(max, zip(*seen, strict=True))))
    return [found[number] for number in range(len(rows))]


def _seen_by(row: Row, seen: _Extent) -> _Extent:
    """What one position behind a layer sees. Taps that stand apart count as those of a dense window, as in `inputs`."""
    layer, step = row.layer, seen.step
    if isinstance(layer, (Conv, Pool)):
        high, wide = layer.axes()
        reach = [(axis.kernel_size - 1) * step for axis in (high, wide)]
        return _Extent(seen.high + reach[0], seen.wide + reach[1], step * layer.stride)
    if isinstance(layer, (ConvTranspose, Resize)):
        if isinstance(layer, Resize):
            times, more = layer.scale, int(layer.mode == "bilinear")
        else:
            times, more = layer.stride, -(-layer.kernel_size // layer.stride) - 1
        return _Extent(seen.high + more * step, seen.wide + more * step, step / times)
    return seen
