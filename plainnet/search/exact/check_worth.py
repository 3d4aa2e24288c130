"""What blocks are worth at a certificate's prices, over all widths at once: part of the checker, not of the solver."""

from __future__ import annotations

import bisect
import math
from collections.abc import Mapping, Sequence
from typing import Any

from plainnet.search.exact.check_parts import NEVER, Lines, Node, Scale, first_parts, lines_of
from plainnet.search.exact.check_space import Choice
from plainnet.search.exact.rows_of import NOT_ONE, BlockRows

__all__ = ["PATTERNS", "Matrix", "Worth"]

Matrix = list[list[int]]
"""[node behind a block][node in front of it]"""
PATTERNS: Mapping[str, tuple[tuple[int, int], ...]] = {
    "": (),
    "xy": ((0, 1),),
    "xz": ((0, 2),),
    "yz": ((1, 2),),
    "xyz": ((0, 1), (0, 2)),
}
"""Which widths are equal: blocks may then be other ones. Pairs of (the one that stays, the one that is it)."""
INNER_NEAR, INNER_RATIO = 4096, 1.05
"""As `NEAR` and `RATIO`, for inner widths, which are not divided later."""


class Worth:
    """The worth of blocks at prices on the costs, in units of a scale; an activation is worth `count_worth`."""

    def __init__(self, prices: Mapping[str, float], count_worth: float, num_classes: int) -> None:
        self.scale = Scale([count_worth, *prices.values()])
        self.prices = {name: self.scale.exact(price) for name, price in prices.items()}
        self.count_worth, self.num_classes = self.scale.exact(count_worth), num_classes
        self._lines: dict[Any, Lines] = {}
        self._inner: dict[tuple[int, ...], list[Node]] = {}

    def of(
        self, name: Any, choice: Choice, form: BlockRows, sides: tuple[list[Node], list[Node]], pattern: str
    ) -> Matrix:
        """The most that a block between nodes is worth; `NEVER` where no such widths are equal."""
        if not pattern and choice.is_wide and choice.ratio is None:
            return self._separate(name, choice, form, *sides)
        return [[self._single(choice, form, x, y, pattern) for x in sides[0]] for y in sides[1]]

    def _separate(self, name: Any, choice: Choice, form: BlockRows, xs: list[Node], ys: list[Node]) -> Matrix:
        """The same where all widths are what they like: sums of a part of x, one of y, and what joins them."""
        fixed = self._fixed(form)
        of_x, of_y = (
            [fixed * (side == 0) + self._alone(form, side, node) for node in nodes]
            for side, nodes in enumerate((xs, ys))
        )
        joint, low = self._price(form, (0, 1)), [x for x, _ in xs]
        if joint:
            base = [
                [one + two - joint * y * x for one, x in zip(of_x, low, strict=True)]
                for two, (y, _) in zip(of_y, ys, strict=True)
            ]
        else:
            base = [[one + two for one in of_x] for two in of_y]
        if choice.inner is None:
            return base
        if name not in self._lines:
            self._lines[name] = lines_of(
                [(z, self._alone(form, 2, (z, most))) for z, most in self._inner_nodes(choice)]
            )
        lines, from_x, from_y = self._lines[name], self._price(form, (0, 2)), self._price(form, (1, 2))
        us = [from_x * x for x in low]
        return [
            [one + two for one, two in zip(row, lines.at([u + from_y * y for u in us]), strict=True)]
            for row, (y, _) in zip(base, ys, strict=True)
        ]

    def _single(self, choice: Choice, form: BlockRows, x: Node, y: Node, pattern: str) -> int:
        """The worth between two nodes, some of the widths being equal."""
        if not choice.is_wide:
            both = (max(x[0], y[0]), min(x[1], y[1]))
            return self._at(form, {0: both}) if both[0] <= both[1] else NEVER
        nodes = {0: x, 1: y}
        if choice.ratio is not None:
            nodes[2] = (choice.inner_of(y[0]), choice.inner_of(y[1]))
        for kept, other in PATTERNS[pattern]:
            if other in nodes:
                both = (max(nodes[kept][0], nodes[other][0]), min(nodes[kept][1], nodes[other][1]))
                if both[0] > both[1]:
                    return NEVER
                nodes[kept] = both
                del nodes[other]
            elif not _holds(choice.inner_values, nodes[kept]):
                return NEVER
        if pattern == "xy" and choice.inner is not None and choice.ratio is None:
            return max(self._at(form, {**nodes, 2: z}) for z in self._inner_nodes(choice))
        return self._at(form, nodes)

    def _at(self, form: BlockRows, nodes: Mapping[int, Node]) -> int:
        """The worth at widths that are known: gains of the widest, costs of the narrowest."""
        total = self._fixed(form) + sum(times * self.scale.half_log(nodes[at][1]) for at, times in form.logs.items())
        for one, two in form.products:
            if (one, two) != (NOT_ONE, NOT_ONE):
                widths = [1 if at == NOT_ONE else nodes[at][0] for at in (one, two)]
                total -= self._price(form, (one, two)) * widths[0] * widths[1]
        return total

    def _fixed(self, form: BlockRows) -> int:
        """What does not depend on any width."""
        return (
            self.scale.above(form.constant)
            + self.count_worth * form.activations
            - self._price(form, (NOT_ONE, NOT_ONE))
        )

    def _alone(self, form: BlockRows, at: int, node: Node) -> int:
        """What depends on one width alone."""
        low, high = node
        cost = self._price(form, (at, at)) * low * low + self._price(form, (at, NOT_ONE)) * low
        return form.logs.get(at, 0) * self.scale.half_log(high) - cost

    def _price(self, form: BlockRows, pair: tuple[int, int]) -> int:
        """What a product of two widths costs at the prices."""
        factors = form.products.get(pair, {})
        return sum(self.prices[cost] * factor for cost, factor in factors.items() if cost in self.prices)

    def _inner_nodes(self, choice: Choice) -> list[Node]:
        """The nodes of inner widths, which many blocks share."""
        grid = choice.inner_values
        if grid not in self._inner:
            self._inner[grid] = first_parts(grid, INNER_NEAR, INNER_RATIO)
        return self._inner[grid]

    def of_end(self, height: int, width: int, last: Sequence[Node]) -> list[int]:
        """What the end is worth: the logarithm of the last map's elements, and the classifier."""
        classes, found = self.num_classes, []
        for low, high in last:
            costs = {"params": (low + 1) * classes, "macs": low * classes, "activations": classes}
            gain = self.scale.above(math.log(high * height * width))
            found.append(gain - sum(price * costs[name] for name, price in self.prices.items()))
        return found


def _holds(grid: Sequence[int], node: Node) -> bool:
    """Whether some of the widths of a node are in a grid."""
    at = bisect.bisect_left(grid, node[0])
    return at < len(grid) and grid[at] <= node[1]
