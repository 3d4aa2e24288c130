"""Widths as nodes: single ones, and intervals of many where it does not matter which.

An interval stands for all its widths: what is good about it is that of its upper end, what is bad that of its lower
end, so that a bound that holds for nodes holds for the widths inside. Intervals that may hold something good are divided.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from plainnet.search.exact.monomials import Floats
from plainnet.search.exact.place_options import Ints

__all__ = ["SINGLE", "Mask", "Nodes", "first_nodes"]

Mask = NDArray[np.bool_]

SINGLE = 40
"""Values that are nodes of their own at first."""
RATIO = 1.5
"""Upper end over lower end of the intervals above them."""


@dataclass(frozen=True, eq=False)
class Nodes:
    """A grid of values, cut into pieces [first, last] of its positions."""

    grid: Ints
    first: Ints
    last: Ints

    @property
    def low(self) -> Floats:
        return self.grid[self.first].astype(np.float64)

    @property
    def high(self) -> Floats:
        return self.grid[self.last].astype(np.float64)

    @property
    def are_single(self) -> bool:
        return bool(np.all(self.first == self.last))

    @property
    def count(self) -> int:
        return len(self.first)

    def kept(self, alive: Mask, *, divide: bool) -> Nodes:
        """The nodes that are alive, intervals among them divided where asked for."""
        first, last = self.first[alive], self.last[alive]
        if not divide or np.all(first == last):
            return Nodes(self.grid, first, last)
        pieces = [_divided(int(a), int(b)) for a, b in zip(first, last, strict=True)]
        firsts, lasts = (np.array([each[at] for piece in pieces for each in piece], dtype=np.int64) for at in (0, 1))
        return Nodes(self.grid, firsts, lasts)

    def overlaps(self, other: Nodes) -> Mask:
        """Which nodes of this one (rows) and another one (columns) may hold the same value."""
        meet: Mask = (self.low[:, None] <= other.high[None, :]) & (other.low[None, :] <= self.high[:, None])
        return meet


def _divided(first: int, last: int, parts: int = 6) -> list[tuple[int, int]]:
    """An interval in at most so many parts."""
    edges = np.linspace(first, last + 1, min(parts, last - first + 1) + 1).round().astype(int)
    return [(int(a), int(b) - 1) for a, b in pairwise(edges)]


def first_nodes(grid: Ints, single: tuple[int, ...] = (), most_single: int = SINGLE) -> Nodes:
    """The nodes to begin with. single: values that are nodes of their own."""
    alone = set(np.searchsorted(grid, [each for each in single if each in grid]).tolist())
    first, at = [], 0
    last = []
    while at < len(grid):
        end = at
        if at >= most_single and at not in alone:
            end = int(np.searchsorted(grid, grid[at] * RATIO, side="right")) - 1
            end = max(at, min([end, *(each - 1 for each in alone if each > at)]))
        first.append(at)
        last.append(end)
        at = end + 1
    return Nodes(grid, np.array(first, dtype=np.int64), np.array(last, dtype=np.int64))
