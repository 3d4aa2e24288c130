"""The receptive field of a feature map: how much of the image one of its pixels can see, as a fold over rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from plainnet.blocks.registry import on_change
from plainnet.blocks.rows.block import Block
from plainnet.blocks.rows.block_rows import block_rows
from plainnet.blocks.rows.layers import Conv, Pool, Scale
from plainnet.blocks.rows.map_layers import ConvTranspose, Resize, Shift, WindowConv
from plainnet.blocks.rows.memo import MemoFamily
from plainnet.blocks.rows.shapes import Shape
from plainnet.blocks.rows.variants import PLAIN, Variant
from plainnet.blocks.rows.walk import INPUT, Row

__all__ = ["ReceptiveField", "receptive_field", "receptive_field_of_blocks"]


class ReceptiveField(NamedTuple):
    """What one pixel of a map sees of the input, padding included; the larger of both axes where kernels are oblong."""

    extent: int
    """side of the square of input pixels that it depends on, away from the edges"""
    stride: int
    """input pixels from one pixel of the map to the next"""


class _Window(NamedTuple):
    """The input pixels first..last that pixel 0 of a map depends on, and the step to those of pixel 1."""

    first: int
    last: int
    stride: int


def receptive_field(rows: Iterable[Row]) -> ReceptiveField | None:
    """The receptive field of the last row's map; `rows` are expanded (`walk(..., expand=True)`).

    A window of size k, stride s and padding p turns pixels first..last at stride j into first - p j .. last + (k - 1 - p) j
    at stride s j (Araujo et al., Computing Receptive Fields of Convolutional Neural Networks, Distill 2019). Where
    branches meet, the union counts. What sees the whole map at once is left out: gates, adaptive pooling, flatten,
    linear layers. None where maps are made larger (then pixels side by side see windows of several sizes), and where zeros
    keep the image from the map.
    """
    windows = _windows(rows)
    return None if windows is None else _larger(windows)


def receptive_field_of_blocks(
    blocks: Sequence[Block], shapes: Sequence[Shape], *, variant: Variant = PLAIN
) -> ReceptiveField | None:
    """The receptive field of the map behind blocks, each of which takes one of `shapes`: the same as that of their rows.

    What a block does to a window follows from what it does to pixel 0 at stride 1, since every window is the input's plus
    multiples of its stride. It does not depend on the size of the map, and is remembered for each block.
    """
    memo = _memos[variant]
    seen = (_Window(0, 0, 1), _Window(0, 0, 1))
    for block, shape in zip(blocks, shapes, strict=False):
        if block.text in memo:
            windows = memo[block.text]
        else:
            rows, _ = block_rows(block, shape, variant, expand=True)
            windows = memo[block.text] = _windows(rows)
        if windows is None:
            return None
        seen = (_through(seen[0], windows[0]), _through(seen[1], windows[1]))
    return _larger(seen)


_Windows = tuple[_Window, _Window]
"""along the height, and along the width"""


def _through(before: _Window, block: _Window) -> _Window:
    """The window behind a block that has one of its own at stride 1."""
    return _Window(
        before.first + block.first * before.stride,
        before.last + block.last * before.stride,
        before.stride * block.stride,
    )


def _larger(windows: _Windows) -> ReceptiveField:
    return ReceptiveField(
        max(window.last - window.first + 1 for window in windows), max(window.stride for window in windows)
    )


_memos: MemoFamily[str, _Windows | None] = MemoFamily(50_000)
on_change(_memos.clear)


def _windows(rows: Iterable[Row]) -> _Windows | None:
    rows = list(rows)
    if any(isinstance(row.layer, (ConvTranspose, Resize)) for row in rows):
        return None
    height = _window(rows, 0)
    width = _window(rows, 1) if any(isinstance(row.layer, WindowConv) for row in rows) else height
    return (height, width) if height and width else None


def _window(rows: Iterable[Row], number: int) -> _Window | None:
    """Along the axis of a number."""
    windows: dict[int, _Window | None] = {INPUT: _Window(0, 0, 1)}
    last = INPUT
    for last, row in enumerate(rows):
        assert row.times == 1, "receptive fields are read from expanded rows"
        layer = row.layer
        seen = [window for value in row.inputs if (window := windows[value]) is not None]
        if not seen:  # zeros see nothing
            windows[last] = None
            continue
        before = seen[0]
        if isinstance(layer, (Conv, Pool)):
            axis = layer.axes()[number]
            first = before.first - axis.padding * before.stride
            reach = (axis.reach - axis.padding) * before.stride
            windows[last] = _Window(first, before.last + reach, before.stride * axis.stride)
        elif isinstance(layer, Shift):
            windows[last] = _Window(before.first + before.stride, before.last + before.stride, before.stride)
        elif len(row.inputs) > 1 and not isinstance(layer, Scale):
            windows[last] = _union(seen)
        else:
            windows[last] = before
    return windows[last]


def _union(windows: list[_Window]) -> _Window:
    return _Window(
        min(window.first for window in windows),
        max(window.last for window in windows),
        max(window.stride for window in windows),
    )
