"""Which positions of a map anything downstream reads.

A 1x1 convolution of stride 2 looks at one position in four; what the layers before it work out at the other three goes
nowhere. Positions are a product of rows and columns, each a bit mask (bit i: row i is read), exact at every size, with
padding. Where several consumers read a map, the union of their rows and of their columns is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from plainnet.blocks.rows.layers import Act, AdaptivePool, Add, Concat, Conv, Flatten, Linear, Norm, Pool, Scale, Sum
from plainnet.blocks.rows.map_layers import ConvTranspose, Resize, Shift, Zero
from plainnet.blocks.rows.shapes import Shape
from plainnet.blocks.rows.walk import INPUT, Row

__all__ = ["Positions", "all_positions", "live_positions", "read_by_window"]


_PLACE_BY_PLACE = frozenset((Act, Norm, Add, Sum, Concat))
"""The layers that put out a position from that position alone, and are most of the rows."""


class Positions(NamedTuple):
    """Rows and columns of a map, as bit masks; (1, 1) for a vector."""

    rows: int
    columns: int

    @property
    def size(self) -> int:
        return self.rows.bit_count() * self.columns.bit_count()


def all_positions(shape: Shape) -> Positions:
    """Every position of a map."""
    return Positions(1, 1) if shape.is_vector else Positions((1 << shape.height) - 1, (1 << shape.width) - 1)


def live_positions(rows: Sequence[Row], shape: Shape, out: Positions) -> tuple[list[Positions | None], Positions]:
    """Which positions of each row's output are read (None: the row is dead), and which of the input of `shape`, where
    `out` is what is read of the last row. `rows` is an expanded table.
    """
    read: list[Positions | None] = [None] * len(rows)
    if not rows:
        return read, out
    read[-1] = out
    of_input: Positions | None = None
    for index in range(len(rows) - 1, -1, -1):
        row, here = rows[index], read[index]
        if here is None:
            continue
        for number, source in enumerate(row.inputs):
            source_shape = shape if source == INPUT else rows[source].out_shape
            wanted = _reads(row, number, source_shape, here)
            if source == INPUT:
                of_input = _union(of_input, wanted)
            else:
                read[source] = _union(read[source], wanted)
    return read, of_input if of_input is not None else Positions(0, 0)


def _union(known: Positions | None, more: Positions) -> Positions:
    return more if known is None else Positions(known.rows | more.rows, known.columns | more.columns)


def _reads(row: Row, number: int, shape: Shape, here: Positions) -> Positions:
    """What a row reads of its input `number`, of a shape, to put out the positions `here`."""
    layer = row.layer
    if type(layer) in _PLACE_BY_PLACE:
        return here
    if isinstance(layer, (Conv, Pool)):
        high, wide = layer.axes()
        return Positions(
            read_by_window(here.rows, shape.height, *high), read_by_window(here.columns, shape.width, *wide)
        )
    if isinstance(layer, ConvTranspose):
        kernel, stride, padding = layer.kernel_size, layer.stride, layer.padding
        return Positions(
            _read_by_transposed(here.rows, shape.height, kernel, stride, padding),
            _read_by_transposed(here.columns, shape.width, kernel, stride, padding),
        )
    if isinstance(layer, Resize):
        return Positions(
            _read_by_resize(here.rows, shape.height, layer), _read_by_resize(here.columns, shape.width, layer)
        )
    if isinstance(layer, Shift):
        return Positions(here.rows << 1, here.columns << 1)
    if isinstance(layer, Zero):
        return Positions(0, 0)
    if isinstance(layer, (AdaptivePool, Flatten, Linear)):
        return all_positions(shape)
    if isinstance(layer, Scale) and number == 1 and (shape.height, shape.width) != row.out_shape[1:]:
        return all_positions(shape)  # one number for each channel
    return here


@lru_cache(maxsize=65536)
def read_by_window(out: int, size: int, kernel: int, stride: int, padding: int, dilation: int = 1) -> int:
    """The positions of an axis of `size` that windows at the output positions `out` look at."""
    window, read, position = sum(1 << (dilation * tap) for tap in range(kernel)), 0, 0
    while out:
        if out & 1:
            first = position * stride - padding
            read |= window << first if first >= 0 else window >> -first
        out >>= 1
        position += 1
    return read & ((1 << size) - 1)


@lru_cache(maxsize=65536)
def _read_by_transposed(out: int, size: int, kernel: int, stride: int, padding: int) -> int:
    """The positions of an axis of `size` whose windows in the output of a transposed convolution hold a position of `out`."""
    window, read = (1 << kernel) - 1, 0
    for position in range(size):
        first = position * stride - padding
        if out & (window << first if first >= 0 else window >> -first):
            read |= 1 << position
    return read


@lru_cache(maxsize=65536)
def _read_by_resize(out: int, size: int, layer: Resize) -> int:
    """The positions of an axis of `size` that the positions `out` of a resized map are taken from."""
    read, scale = 0, layer.scale
    for position in range(size * scale):
        if not out >> position & 1:
            continue
        if layer.mode == "nearest":
            read |= 1 << position // scale
        else:  # half-pixel centres: (position + 1/2) / scale - 1/2, between two places of the map
            numerator = max(0, 2 * position + 1 - scale)
            low = numerator // (2 * scale)
            read |= 1 << low
            if numerator % (2 * scale) and low + 1 < size:
                read |= 1 << low + 1
    return read
