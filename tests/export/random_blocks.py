"""Random block classes: layers of every kind within each other, with numbers computed from the arguments in many ways."""

from __future__ import annotations

import functools
from collections.abc import Callable
from random import Random
from typing import Any

import plainnet
from plainnet.blocks import Channels, Depth, Stride
from plainnet.blocks.rows.layers import (
    Act,
    AdaptivePool,
    Add,
    Concat,
    Conv,
    Dropout,
    Layer,
    Layers,
    Norm,
    Pool,
    Repeat,
    Scale,
    SqueezeExciteSlot,
    Sum,
    depthwise,
)

__all__ = ["random_block", "random_text"]

Block = plainnet.PlainNetBasicBlockClass


@functools.cache
def remembered(number: int) -> int:
    return number + 1


WIDTHS: tuple[Callable[[Any], int], ...] = (
    lambda block: block.out_channels,
    lambda block: block.in_channels,
    lambda block: 2 * block.in_channels,
    lambda block: block.out_channels // 2 + 1,
    lambda block: max(2, round(0.25 * block.out_channels)),
    lambda block: block.out_channels + block.in_channels,
    lambda block: int(str(block.out_channels)) + len(f"{block.sub_layers}"),
    lambda block: remembered(block.in_channels),
    lambda block: {1: 3, 2: 5, 3: 7}[block.sub_layers],
    lambda _: 7,
    lambda block: block.sub_layers * 2 - 1,
    lambda block: sum([block.in_channels, block.sub_layers]),
    lambda block: block.in_channels + block.stride,
    lambda block: 4 if type(block.stride) is int else 6,
    lambda block: 9 - block.sub_layers,
)
TIMES: tuple[Callable[[Any], int], ...] = (
    lambda block: block.sub_layers,
    lambda block: block.sub_layers - 1,
    lambda _: 2,
    lambda _: 0,
    lambda block: 2 * block.sub_layers - 1,
    lambda block: 3 - block.sub_layers,
    lambda block: int(block.sub_layers > 1),
)


class _Draw:
    """Draws the layers of one block; the same for the same seed, whatever the arguments are."""

    def __init__(self, block: Any, seed: int) -> None:
        self.block, self.rng = block, Random(seed)

    def chain(self, channels: int, depth: int) -> tuple[Layers, int]:
        """Layers, and the channels that come out."""
        layers: list[Any] = []
        for _ in range(self.rng.randint(0, 3)):
            layer, channels = self.layer(channels, depth)
            layers.append(layer)
        return tuple(layers), channels

    def same(self, channels: int, depth: int) -> Layers:
        """Layers that put out as many channels as come in."""
        layers, out = self.chain(channels, depth)
        return layers if out is channels else (*layers, Conv(channels))

    def layer(self, channels: int, depth: int) -> tuple[Layer, int]:
        kind = self.rng.randrange(6 if depth == 0 else 12)
        if kind == 0:
            width = self.rng.choice(WIDTHS)(self.block)
            return Conv(width, self.rng.choice((1, 3, 5)), bias=self.rng.random() < 0.3), width
        plain: tuple[Layer, ...] = (
            *(Norm(), Act(self.rng.choice(("relu", "silu", "gelu"))), depthwise(channels, 3), SqueezeExciteSlot()),
            self.rng.choice((Dropout(0.3), Pool("avg", 3, 1), Pool("max", 3, 1))),
        )
        if kind < 6:
            return plain[kind - 1], channels
        if kind == 6:
            return Add(
                self.same(channels, depth - 1), self.same(channels, 0) if self.rng.random() < 0.3 else ()
            ), channels
        if kind == 7:
            return Sum((self.same(channels, depth - 1), self.same(channels, depth - 1))), channels
        if kind == 8:
            first, out = self.chain(channels, depth - 1)
            second, other = self.chain(channels, depth - 1)
            return Concat((first, second)), out + other
        if kind == 9:
            pool = (AdaptivePool(1),) if self.rng.random() < 0.7 else ()
            return Scale((*pool, *self.same(channels, depth - 1), Act("sigmoid"))), channels
        return Repeat(self.rng.choice(TIMES)(self.block), self.same(channels, depth - 1)), channels


def random_block(seed: int, name: str) -> type[Block]:
    """A block class of that name, the same for the same seed."""

    def layers(self: Any) -> Layers:
        draw = _Draw(self, seed)
        inner, out = draw.chain(self.in_channels, 3)
        more, _ = draw.chain(out, 3)
        return (*inner, *more, Conv(self.out_channels, 3, self.stride))

    fields = {"in_channels": Channels, "out_channels": Channels, "stride": Stride, "sub_layers": Depth}
    members = {"__annotations__": fields, "__module__": __name__, "__doc__": "Random layers.", "layers": layers}
    return type(Block)(name, (Block,), members)


def random_text(name: str, rng: Random) -> str:
    """A few blocks of the class, one after the other, with different arguments."""
    text, channels = "", 3
    for _ in range(rng.randint(1, 4)):
        out = rng.choice((2, 4, 5, 8))
        text += f"{name}({channels},{out},{rng.choice((1, 1, 2))},{rng.randint(1, 3)})"
        channels = out
    return text
