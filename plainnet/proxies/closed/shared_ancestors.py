"""What values are made of, where several of them are made of the same.

Behind a convolution everything is new: its weights are nobody else's. Whatever else is done to a value keeps what it was made
of: an activation f of a sum of independent parts keeps each part by a factor, and adds what is not linear as a part of its own
(the same part wherever the same activation takes the same value). So every value is a sum of independent parts, a sum of values
adds their amplitudes part by part, and x + x has four times the variance of x.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from plainnet.blocks.rows.channel_layers import PatchConv
from plainnet.blocks.rows.layers import Act, Add, Concat, Conv, Linear, Norm, Scale, Sum
from plainnet.blocks.rows.map_layers import ConvTranspose, WindowConv, Zero
from plainnet.blocks.rows.walk import INPUT, Row
from plainnet.proxies.closed.meanfield.likeness import WHITE, Likeness

__all__ = ["MadeOf", "Signal"]


class Signal(NamedTuple):
    """What is known of a value at initialisation, over inputs and weights."""

    mean: float
    variance: float
    loss: float
    """-log of the share of the variance that is linear in the network's input, in nats"""
    non_negative: bool = False
    likeness: Likeness | None = WHITE
    """how alike the elements of its map are; None where it is no map: behind a global mean, or a flattening"""


Parts = Mapping[int, float]
"""The amplitude (the root of the variance) of each independent part, by the number of the row that made it."""


_MIXING = frozenset((Conv, WindowConv, PatchConv, ConvTranspose, Linear, Scale, Zero))
"""What makes everything new."""
_BENDING = frozenset((Act, Norm, Concat))
_ADDING = frozenset((Add, Sum))


class MadeOf:
    """The parts of the values of a table of rows, row by row."""

    def __init__(self, signal: Signal) -> None:
        self.parts: dict[int, Parts] = {INPUT: {INPUT: math.sqrt(signal.variance)}}
        self.losses: dict[int, float] = {INPUT: signal.loss}
        """of each part: -log of the share of its variance that is linear in the network's input"""
        self.same = {INPUT: INPUT}
        """for each value the first one that is the same"""
        self.first: dict[tuple[object, tuple[int, ...]], int] = {}
        self.number = 0

    def enter(self, row: Row, before: Sequence[Signal], after: Signal) -> Signal:
        """The signal behind the next row: `after`, which takes branches for independent, or what it is where they are not."""
        number, self.number = self.number, self.number + 1
        kind = type(row.layer)
        if kind in _MIXING:
            self.same[number] = number
            self.parts[number] = self._new(number, after)
        elif kind in _BENDING:
            inputs = tuple([self.same[value] for value in row.inputs])
            first = self.first.setdefault((kind if kind is Concat else row.layer, inputs), number)
            self.same[number] = first
            self.parts[number] = self.parts[first] if first != number else self._made(number, row, before, after)
        elif kind in _ADDING:
            self.same[number] = number
            self.parts[number], after = self._sum([self.parts[value] for value in row.inputs], after)
        else:
            self.same[number], self.parts[number] = self.same[row.inputs[0]], self.parts[row.inputs[0]]
        return after

    def _new(self, number: int, after: Signal) -> Parts:
        self.losses[number] = after.loss
        return {number: math.sqrt(after.variance)}

    def _made(self, number: int, row: Row, before: Sequence[Signal], after: Signal) -> Parts:
        if isinstance(row.layer, Act):
            return self._bent(number, self.parts[row.inputs[0]], before[0], after)
        if isinstance(row.layer, Norm) and before[0].variance > 0:
            scale = math.sqrt(after.variance / before[0].variance)
            return {part: scale * size for part, size in self.parts[row.inputs[0]].items()}
        return self._new(number, after)

    def _bent(self, number: int, parts: Parts, before: Signal, after: Signal) -> Parts:
        """What an activation leaves linear of each part, and the rest."""
        kept = math.exp(before.loss - after.loss) if after.loss < math.inf and before.loss < math.inf else 0.0
        scale = math.sqrt(kept * after.variance / before.variance) if before.variance > 0 else 0.0
        self.losses[number] = math.inf
        rest = math.sqrt(max(0.0, 1 - kept) * after.variance)
        return {**{part: scale * size for part, size in parts.items()}, number: rest}

    def _sum(self, taken: Sequence[Parts], after: Signal) -> tuple[Parts, Signal]:
        total: dict[int, float] = {}
        for parts in taken:
            for part, size in parts.items():
                total[part] = total.get(part, 0.0) + size
        if sum(map(len, taken)) == len(total):
            return total, after
        variance = math.fsum([size * size for size in total.values()])
        linear = math.fsum([size * size * math.exp(-self.losses[part]) for part, size in total.items()])
        loss = -math.log(linear / variance) if linear > 0 else math.inf
        return total, after._replace(variance=variance, loss=loss)
