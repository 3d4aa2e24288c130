"""What blocks are worth at a certificate's prices, over all widths at once: part of the checker, which shares no code with the
solver.
"""

from __future__ import annotations

import itertools
import math
from typing import Any, NamedTuple

import numpy as np

from plainnet.search.exact.check_parts import Floats, Lines, Node, first_parts, turn
from plainnet.search.exact.rows_of import NOT_ONE, BlockRows
from plainnet.search.exact.slots import Option

__all__ = ["Sides", "Worth", "has_inner"]

NEVER = -math.inf


class Sides(NamedTuple):
    """The nodes in front of a block and behind it, [node, (least, greatest)]."""

    x: Floats
    y: Floats


class Worth:
    """The worth of blocks at prices on the costs; an activation is worth `count_worth`."""

    def __init__(self, prices: dict[str, float], count_worth: float, num_classes: int) -> None:
        self.prices, self.count_worth, self.num_classes = prices, count_worth, num_classes
        self.lines: dict[Any, Lines] = {}
        self._nodes: dict[int, tuple[Any, list[Node]]] = {}

    def of(self, name: Any, option: Option, form: BlockRows, sides: Sides, pattern: str) -> Floats:
        """The most that a block between nodes is worth, [x, y]; `NEVER` where no such widths are equal."""
        low: dict[int, Floats] = {0: sides.x[:, 0, None], 1: sides.y[None, :, 0], NOT_ONE: np.ones((1, 1))}
        high: dict[int, Floats] = {0: sides.x[:, 1, None], 1: sides.y[None, :, 1], NOT_ONE: np.ones((1, 1))}
        meet = (low[0] <= high[1]) & (low[1] <= high[0])
        allowed = np.ones((len(sides.x), len(sides.y)), dtype=bool)
        if option.puts is None:
            allowed = (low[0] == low[1]) & (high[0] == high[1])
        elif pattern in ("xy", "xyz"):
            allowed = meet
            low[0], high[0] = low[1], high[1]  # the formula is in one of them
        inner: Floats | None = None
        if option.ratio is not None:
            low[2], high[2] = (np.array([[option.inner_of(int(each)) for each in sides.y[:, end]]]) for end in (0, 1))
            if pattern in ("xz", "yz", "xyz"):
                side = 1 if pattern == "yz" else 0
                allowed = allowed & (low[2] <= high[side]) & (low[side] <= high[2])
        elif pattern in ("xz", "yz", "xyz"):
            side = 0 if pattern == "xz" else 1
            low[2], high[2] = low[side], high[side]
        elif has_inner(option):
            u = -sum((self._price(form, (at, 2)) * low[at] for at in (0, 1)), np.zeros(allowed.shape))
            if name not in self.lines:
                assert option.inner_values is not None
                self.lines[name] = self._lines_of(form, self._nodes_of(option.inner_values))
            inner = self.lines[name].at(u)
        worth = self._at(form, low, high) + np.zeros(allowed.shape)
        return np.where(allowed, worth if inner is None else worth + inner, NEVER)

    def _price(self, form: BlockRows, pair: tuple[int, int]) -> float:
        """What a product of two widths costs at the prices."""
        return sum(
            self.prices[cost] * factor for cost, factor in form.products.get(pair, {}).items() if cost in self.prices
        )

    def _at(self, form: BlockRows, low: dict[int, Floats], high: dict[int, Floats]) -> Any:
        """What does not depend on widths that are left out: gains of the widest, costs of the narrowest."""
        worth: Any = form.constant + self.count_worth * form.activations
        for at, times in form.logs.items():
            worth = worth + (0.5 * times * np.log(high[at]) if at in high else 0)
        for one, two in form.products:
            if one in low and two in low:
                worth = worth - self._price(form, (one, two)) * low[one] * low[two]
        return worth

    def _nodes_of(self, grid: Any) -> list[Node]:
        """The nodes of a grid of inner widths, which many blocks share."""
        if id(grid) not in self._nodes:
            self._nodes[id(grid)] = (grid, first_parts(grid.tolist()))
        return self._nodes[id(grid)][1]

    def _lines_of(self, form: BlockRows, nodes: list[Node]) -> Lines:
        """The lines of all inner widths, steepest last."""
        kept: list[tuple[int, float]] = []
        for low, high in nodes:
            height = 0.5 * form.logs.get(2, 0) * math.log(high)
            height -= self._price(form, (2, 2)) * low * low + self._price(form, (2, NOT_ONE)) * low
            while len(kept) > 1 and turn(kept[-2], kept[-1]) >= turn(kept[-1], (low, height)):
                kept.pop()
            kept.append((low, height))
        turns = [turn(one, two) for one, two in itertools.pairwise(kept)]
        return Lines(
            np.array(turns), np.array([height for _, height in kept]), np.array([float(each) for each, _ in kept])
        )

    def of_end(self, height: int, width: int, last: list[Node]) -> Floats:
        """What the end is worth: the logarithm of the last map's elements, and the classifier."""
        classes = self.num_classes
        found = []
        for low, high in last:
            costs = {"params": (low + 1) * classes, "macs": low * classes, "activations": classes}
            found.append(
                math.log(high * height * width) - sum(price * costs[name] for name, price in self.prices.items())
            )
        return np.array(found)


def has_inner(option: Option) -> bool:
    return option.inner_values is not None or option.ratio is not None
