"""Widths taken together, and the best of many inner widths: parts of the checker, which shares no code with the solver."""

from __future__ import annotations

import bisect
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Floats", "Lines", "Node", "first_parts", "parts_of", "turn"]

Floats = NDArray[np.float64]
Node = tuple[int, int]
"""The least and the greatest of the widths that are taken together."""
NEAR, RATIO = 320, 1.3
"""Widths up to which each is looked at by itself, and upper over lower end of those above that are taken together."""


class Lines(NamedTuple):
    """Upper envelope over inner widths of height + slope * u, and from which u on each line is on it."""

    turns: Floats
    heights: Floats
    slopes: Floats

    def at(self, u: Floats) -> Floats:
        line = np.searchsorted(self.turns, u)
        found: Floats = self.heights[line] + self.slopes[line] * u
        return found


def turn(one: tuple[int, float], two: tuple[int, float]) -> float:
    """From where on the second line is above the first."""
    return (one[1] - two[1]) / (two[0] - one[0])


def first_parts(grid: list[int]) -> list[Node]:
    """Widths by themselves, and those far out together."""
    found: list[Node] = []
    at = 0
    while at < len(grid):
        end = at if grid[at] <= NEAR else max(at, bisect.bisect_right(grid, grid[at] * RATIO) - 1)
        found.append((grid[at], grid[end]))
        at = end + 1
    return found


def parts_of(node: Node, grid: list[int]) -> list[Node]:
    """A node in up to six parts."""
    first, last = bisect.bisect_left(grid, node[0]), bisect.bisect_left(grid, node[1])
    size = -(-(last - first + 1) // 6)
    return [(grid[at], grid[min(at + size - 1, last)]) for at in range(first, last + 1, size)]
