"""The receptive field of a feature map: how much of the image one of its pixels can see, as a fold over rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from plainnet.blocks.layers import Conv, Pool, Scale
from plainnet.blocks.walk import INPUT, Row

__all__ = ["ReceptiveField", "receptive_field"]


class ReceptiveField(NamedTuple):
    """What one pixel of a map sees of the input, the same along both axes; padding included."""

    extent: int
    """side of the square of input pixels that it depends on, away from the edges"""
    stride: int
    """input pixels from one pixel of the map to the next"""


class _Window(NamedTuple):
    """The input pixels first..last that pixel 0 of a map depends on, and the step to those of pixel 1."""

    first: int
    last: int
    stride: int


def receptive_field(rows: Iterable[Row]) -> ReceptiveField:
    """The receptive field of the last row's map; `rows` are expanded (`walk(..., expand=True)`).

    A window of size k, stride s and padding p turns pixels first..last at stride j into first - p j .. last + (k - 1 - p) j
    at stride s j (Araujo et al., Computing Receptive Fields of Convolutional Neural Networks, Distill 2019). Where
    branches meet, the union counts. What sees the whole map at once is left out: gates, adaptive pooling, flatten,
    linear layers.
    """
    windows = {INPUT: _Window(0, 0, 1)}
    last = INPUT
    for last, row in enumerate(rows):
        assert row.times == 1, "receptive fields are read from expanded rows"
        layer = row.layer
        before = windows[row.inputs[0]]
        if isinstance(layer, (Conv, Pool)):
            first = before.first - layer.padding * before.stride
            reach = (layer.kernel_size - 1 - layer.padding) * before.stride
            windows[last] = _Window(first, before.last + reach, before.stride * layer.stride)
        elif len(row.inputs) > 1 and not isinstance(layer, Scale):
            windows[last] = _union([windows[value] for value in row.inputs])
        else:
            windows[last] = before
    found = windows[last]
    return ReceptiveField(found.last - found.first + 1, found.stride)


def _union(windows: list[_Window]) -> _Window:
    return _Window(
        min(window.first for window in windows),
        max(window.last for window in windows),
        max(window.stride for window in windows),
    )
