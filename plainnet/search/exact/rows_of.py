"""Blocks as integer formulas of their widths, read off the rows of an ordinary walk: the checker's way to know them.

Blocks are walked at widths that are large multiples of different primes, so that the channels of every row say which width they
are a multiple of. Params are k^2 in/groups out, and so on. Nothing here is used by the solver.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache

from plainnet.blocks.base import PlainNetBasicBlockClass
from plainnet.blocks.rows.layers import Act, Conv, Norm
from plainnet.blocks.rows.shapes import Shape
from plainnet.blocks.rows.variants import Variant
from plainnet.blocks.rows.walk import Row, walk
from plainnet.errors import UsageError

__all__ = ["PRIMES", "UNIT", "BlockRows", "read_rows"]

UNIT = 8 * 127
PRIMES = (7, 11, 13)
"""The widths x, y, z are read off at 7, 11 and 13 units. A channel number is one of them, times less than 7, or less
than 7 units.
"""
NOT_ONE = 3
"""In place of a width: a number of its own."""
MEAN_SQUARE = 1 / (2 * math.pi)
VARIANCE = 0.5 - MEAN_SQUARE


@dataclass
class BlockRows:
    """A block at one depth. products: (width, width) -> cost -> factor; logs: width -> how often its logarithm is
    halved and added.
    """

    out: tuple[int, int]
    before: str
    layers: int
    activations: int = 0
    constant: float = 0.0
    logs: dict[int, int] = field(default_factory=dict)
    products: dict[tuple[int, int], dict[str, int]] = field(default_factory=dict)

    def cost(self, name: str, widths: tuple[int, ...]) -> int:
        """A cost at widths (x, y, z), an integer."""
        known = (*widths, 1)
        return sum(known[a] * known[b] * factors.get(name, 0) for (a, b), factors in self.products.items())

    def _add(self, one: tuple[int, int], two: tuple[int, int], name: str, factor: int) -> None:
        pair = (min(one[0], two[0]), max(one[0], two[0]))
        into = self.products.setdefault(pair, {})
        into[name] = into.get(name, 0) + factor * one[1] * two[1]


def read_rows(
    layers: int, block: PlainNetBasicBlockClass, shape: Shape, before: str, variant: Variant, free: dict[int, int]
) -> BlockRows:
    """A block read off at an input of `shape`. before: "image" or "relu". free: width -> the channels that stand for it."""
    rows, out = walk((block,), shape, variant=variant)
    found = BlockRows((out.height, out.width), before, layers)
    for row in rows:
        _count(found, row, free)
    chain, _ = walk((block,), shape, variant=Variant(no_reslink=True))
    for row in chain:
        _gain(found, row, free)
    return found


def _recognised(channels: int, free: dict[int, int]) -> tuple[int, int]:
    """(width, times): which width a number of channels is a multiple of."""
    for width, value in free.items():
        if channels % value == 0 and channels // value < PRIMES[0]:
            return width, channels // value
    if channels >= PRIMES[0] * UNIT:
        raise UsageError(f"{channels} channels are no multiple of a width, so that this block cannot be checked")
    return NOT_ONE, channels


def _count(found: BlockRows, row: Row, free: dict[int, int]) -> None:
    layer = row.layer
    into, out = _recognised(row.in_shape.channels, free), _recognised(row.out_shape.channels, free)
    one, pixels = (NOT_ONE, 1), row.out_shape.height * row.out_shape.width
    if isinstance(layer, Conv):
        if layer.groups == row.in_shape.channels:
            into = one
        elif layer.groups > 1:
            raise UsageError("a convolution of groups cannot be checked")
        weights = row.times * layer.kernel_size**2
        found._add(into, out, "params", weights)
        found._add(into, out, "macs", weights * pixels)
        found._add(one, out, "activations", row.times * pixels)
        found._add(one, out, "params", row.times * int(layer.bias))
    elif isinstance(layer, Norm):
        found._add(one, into, "params", 2 * row.times)
    elif row.layer.__class__.__name__ in ("Linear", "SqueezeExcite", "LayerNorm", "ChannelScale"):
        raise UsageError(f"{layer} cannot be checked")


def _gain(found: BlockRows, row: Row, free: dict[int, int]) -> None:
    layer = row.layer
    if isinstance(layer, Conv):
        width, times = _recognised(row.in_shape.channels, free)
        if layer.groups == row.in_shape.channels:
            width, times = NOT_ONE, 1
        inside = [_inside(size, layer.kernel_size, layer.stride) for size in (row.in_shape.height, row.in_shape.width)]
        taps = [a * b for a in inside[0] for b in inside[1]]
        square, variance = (0.0, 1.0) if found.before == "image" else (MEAN_SQUARE, VARIANCE)
        if found.before == "norm":
            square, variance = 0.0, 1.0
        spread = variance * sum(taps) + square * sum(tap * (1 - tap) for tap in taps)
        found.constant += row.times * 0.5 * math.log(times * spread)
        if width != NOT_ONE:
            found.logs[width] = found.logs.get(width, 0) + row.times
    elif isinstance(layer, Norm):
        found.before = "norm"
    elif isinstance(layer, Act):
        if layer.kind != "relu":
            raise UsageError(f"the activation {layer.kind} cannot be checked")
        found.before = "relu"
        found.activations += row.times
    elif layer.__class__.__name__ not in ("Pool", "Dropout", "Add"):
        raise UsageError(f"{layer} cannot be checked")


@lru_cache(4096)
def _inside(size: int, kernel: int, stride: int) -> tuple[float, ...]:
    """The share of output positions at which each tap of a window is inside the map, counted one by one."""
    padding = (kernel - 1) // 2
    out = (size + 2 * padding - kernel) // stride + 1
    return tuple(
        sum(0 <= position * stride + tap - padding < size for position in range(out)) / out for tap in range(kernel)
    )
