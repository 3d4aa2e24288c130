"""Prices on the budgets: a bound for every price, and cutting planes to the best.

For any prices l >= 0 and mu, and every network within the budgets B,

    value <= max over paths of (gain + mu n - l cost) + l B + max over n of (curve(n) - mu n)

The right-hand side is convex in the prices, and each path that was found is a plane below it; a linear program over
the planes says where to ask next.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from plainnet.search.exact.best_paths import best_paths
from plainnet.search.exact.graph import Graph
from plainnet.search.exact.monomials import Floats
from plainnet.search.exact.program import Path, Tables, solve_at

__all__ = ["Curve", "Dual", "Priced", "lowest", "slack"]

PATHS = 6
"""Planes that one evaluation gives."""
LEAST_WORTH, MOST_WORTH = 0.01, 1e6
"""What a whole budget is worth at least, where it is worth anything, and at most."""
REACH = 4.0
"""How many times dearer or cheaper the next prices may be."""


@dataclass(frozen=True)
class Curve:
    """The function of n that is added to the sums, at all n that a path may have."""

    values: Floats

    def best(self, price: float) -> float:
        """max over n of curve(n) - price * n."""
        return float((self.values - price * np.arange(len(self.values))).max())


@dataclass(frozen=True)
class Priced:
    """Prices (1, mu, -l1, ...), and the bound that they prove."""

    prices: Floats
    constant: float
    """what is added to the value of a path"""
    bound: float


def slack(graph: Graph, prices: Floats, constant: float) -> float:
    """What a bound is rounded outward by: more than the sums of floating point numbers can be wrong."""
    worth = float(np.abs(prices[2:]) @ np.array(graph.question.limits)) if len(prices) > 2 else 0.0
    return 1e-9 * (1 + abs(constant) + worth)


@dataclass
class Dual:
    """The bound as a function of prices on one graph, with the planes that are known."""

    graph: Graph
    curve: Curve
    planes: list[Floats] = field(default_factory=list)
    seen: set[tuple[float, ...]] = field(default_factory=set)
    evaluations: int = 0

    @property
    def limits(self) -> Floats:
        return np.array(self.graph.question.limits, dtype=float)

    def constant(self, prices: Floats) -> float:
        """What is added to the value of the best path."""
        return float(-prices[2:] @ self.limits) + self.curve.best(float(prices[1]))

    def at(self, prices: Floats, *, completions: bool = False) -> tuple[Priced, Tables, list[Path]]:
        """The bound at prices, with the best paths, whose planes are kept."""
        tables = solve_at(self.graph, prices, completions=completions)
        self.evaluations += 1
        constant = self.constant(prices)
        paths = best_paths(self.graph, tables, prices, PATHS) if tables.value > -np.inf else []
        for path in paths:
            key = tuple(path.quantities.tolist())
            if key not in self.seen:
                self.seen.add(key)
                self.planes.append(path.quantities)
        bound = tables.value + constant
        return Priced(prices, constant, bound + slack(self.graph, prices, constant)), tables, paths

    def next_prices(self, near: Floats) -> tuple[Floats, float]:
        """Where, within `REACH` times the prices `near`, the planes are lowest, and how low they are there: no price among these
        can prove less."""
        from scipy.optimize import linprog

        planes = np.array(self.planes)
        budgets, scale = self.limits, 1 / np.maximum(self.limits, 1e-300)
        count = len(budgets)
        # unknowns: t, w, mu, l * B
        rows = np.zeros((len(planes), 3 + count))
        rows[:, 0], rows[:, 2] = -1, planes[:, 1]
        rows[:, 3:] = -planes[:, 2:] * scale
        curve = self.curve.values
        more = np.zeros((len(curve), 3 + count))
        more[:, 1], more[:, 2] = -1, -np.arange(len(curve))
        is_curved = len(curve) > 1
        around = [float(each) for each in -near[2:] * budgets]
        free = [
            (each / REACH if each > LEAST_WORTH else 0, min(max(each, LEAST_WORTH) * REACH, MOST_WORTH))
            for each in around
        ]
        bounds = [(None, None), (None, None), (-1e3, 1e3) if is_curved else (0, 0), *free]
        found = linprog(
            np.array([1.0, 1.0, 0.0, *([1.0] * count)]),
            A_ub=np.vstack([rows, more]),
            b_ub=np.concatenate([-planes[:, 0], -curve]),
            bounds=bounds,
            method="highs-ds",
        )
        if found.status != 0:
            raise ArithmeticError(f"the linear program of the prices failed: {found.message}")
        return np.array([1.0, found.x[2], *(-found.x[3:] * scale)]), float(found.fun)


def lowest(
    dual: Dual,
    start: Floats,
    *,
    close: float,
    evaluations: int,
    watch: Callable[[Priced, list[Path]], bool],
) -> tuple[Priced, float]:
    """The lowest bound that was found from `start` on, and below what no price can prove. Ends when the two are as close as
    `close`, after so many evaluations, or when `watch` says so."""
    prices, best, floor = start, None, -np.inf
    for _ in range(evaluations):
        priced, _, paths = dual.at(prices)
        if best is None or priced.bound < best.bound:
            best = priced
        if watch(priced, paths) or not paths:
            break
        asked, floor = dual.next_prices(best.prices)
        if best.bound - floor <= close or np.array_equal(asked, prices):
            break
        prices = asked
    assert best is not None
    return best, floor
