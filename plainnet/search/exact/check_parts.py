"""Widths taken together, the best of many inner widths, and numbers rounded up: parts of the checker, not of the solver.

All that the checker adds up are whole numbers: what is worth w is kept as w * 2^scale, prices and counts exactly, logarithms
rounded up. So its sums are exact, and what it proves is never below the truth.
"""

from __future__ import annotations

import bisect
import itertools
import math
import sys
from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from typing import NamedTuple

__all__ = ["NEVER", "Lines", "Node", "Scale", "first_parts", "lines_of", "parts_of"]

Node = tuple[int, int]
"""The least and the greatest of the widths that are taken together."""
NEAR, RATIO = 48, 1.6
"""Widths up to which each is looked at by itself, and upper over lower end of those above that are taken together."""
NEVER = -(1 << 300)
"""What cannot be: far below all that is worth anything, however often it is added."""
GUARD = 40
"""A logarithm, and a sum of some of them, is right to this many binary digits behind the point."""


class Scale:
    """Numbers in units of 2^-scale; the scale is such that some floating point numbers are whole ones."""

    def __init__(self, exact: Sequence[float]) -> None:
        self.digits = max([64, *(Fraction(each).denominator.bit_length() - 1 for each in exact)])
        self.half_log = cache(self._half_log)

    def exact(self, number: float) -> int:
        """A number that is a whole one of units."""
        found = Fraction(number) * (1 << self.digits)
        assert found.denominator == 1
        return int(found)

    def above(self, number: float) -> int:
        """A number that was rounded a few times, and a little more."""
        return math.ceil(Fraction(number) * (1 << self.digits)) + (1 << (self.digits - GUARD))

    def _half_log(self, width: int) -> int:
        return self.above(0.5 * math.log(width))

    def number(self, units: int) -> float:
        """The floating point number next to so many units, from above."""
        try:
            return math.nextafter(units / (1 << self.digits), math.inf)
        except OverflowError:  # prices beyond all sense
            return math.inf if units > 0 else -sys.float_info.max


class Lines(NamedTuple):
    """Upper envelope of height - slope * u over u >= 0, in whole numbers; from each turn on, the next line is on it."""

    turns: list[int]
    heights: list[int]
    slopes: list[int]

    def at(self, us: Sequence[int]) -> list[int]:
        """The envelope at some u."""
        turns, heights, slopes, right = self.turns, self.heights, self.slopes, bisect.bisect_right
        return [heights[at] - slopes[at] * u for u, at in ((u, right(turns, u)) for u in us)]


def lines_of(lines: Sequence[tuple[int, int]]) -> Lines:
    """The envelope of (slope, height), slopes ascending and at least 1."""
    kept: list[tuple[int, int]] = []
    for slope, height in reversed(lines):
        while len(kept) > 1 and _turn(kept[-2], kept[-1]) >= _turn(kept[-1], (slope, height)):
            kept.pop()
        kept.append((slope, height))
    turns = [math.ceil(_turn(one, two)) for one, two in itertools.pairwise(kept)]
    return Lines(turns, [height for _, height in kept], [slope for slope, _ in kept])


def _turn(one: tuple[int, int], two: tuple[int, int]) -> Fraction:
    """From where on the second, flatter line is above the first."""
    return Fraction(one[1] - two[1], one[0] - two[0])


def first_parts(grid: Sequence[int], near: int = NEAR, ratio: float = RATIO) -> list[Node]:
    """Widths by themselves, and those far out together."""
    found: list[Node] = []
    at = 0
    while at < len(grid):
        end = at if grid[at] <= near else max(at, bisect.bisect_right(grid, grid[at] * ratio) - 1)
        found.append((grid[at], grid[end]))
        at = end + 1
    return found


def parts_of(node: Node, grid: Sequence[int]) -> list[Node]:
    """A node in up to six parts."""
    first, last = bisect.bisect_left(grid, node[0]), bisect.bisect_left(grid, node[1])
    size = -(-(last - first + 1) // 6)
    return [(grid[at], grid[min(at + size - 1, last)]) for at in range(first, last + 1, size)]
