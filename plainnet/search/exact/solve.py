"""Solving: prices, what they rule out, finer nodes, and at last the beginnings that are left, until the gap is closed.

The solver holds at every moment the best network that was found and a bound that is proven: it may be stopped at any time.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from plainnet.search.exact.fixing import fixed, is_single
from plainnet.search.exact.graph import Graph
from plainnet.search.exact.known_networks import Known
from plainnet.search.exact.monomials import Floats
from plainnet.search.exact.path_labels import Guide, Labels, cheapest, follow
from plainnet.search.exact.prices import Curve, Dual, Priced, lowest
from plainnet.search.exact.program import Path, solve_at

__all__ = ["ROUNDS", "OutOfTimeError", "Solver", "StartState", "around"]

FIRST_WORTH = 30.0
"""What all budgets together are worth at the first prices."""
ROUNDS = 12
"""How often nodes are ruled out and divided at most."""
BEAMS = (64, 512, 4_096, 32_768)
"""Beginnings that are followed at a place, use of the axis."""
MOST_TAKEN = 400
"""Complete networks of one pass that are counted in the ordinary way."""
MOST_NODES = 1_500
"""Nodes of a place above which they are not divided any more."""


class OutOfTimeError(Exception):
    """The time is over."""


class StartState(NamedTuple):
    """Where the exact search of one start structure stands, as plain data. bound: None for infinite. prices: those on the
    activations and on the budgets that prove `priced_bound`; None before there were any. beams: how many `BEAMS` were followed.
    """

    bound: float | None = None
    prices: tuple[float, ...] | None = None
    priced_bound: float | None = None
    evaluations: int = 0
    is_infeasible: bool = False
    beams: int = 0


Watch = Callable[["Solver"], None]


def around(prices: Floats) -> list[Floats]:
    """Prices, and some beside them: completions at all of them bound a beginning from several sides."""
    found = [prices]
    for at in range(2, len(prices)):
        for factor in (0.8, 1.25):
            other = prices.copy()
            other[at] *= factor
            found.append(other)
    return found


class Solver:
    """The optimum of one start structure's graph. `bound` holds for every network of it within the budgets."""

    def __init__(
        self, graph: Graph, known: Known, *, gap: float, deadline: float, watch: Watch, begun: StartState | None = None
    ) -> None:
        self.graph, self.known, self._gap, self._deadline, self._watch = graph, known, gap, deadline, watch
        self.bound = math.inf
        self.priced: Priced | None = None
        """the best prices, and what they prove"""
        self.is_infeasible = False
        self.is_exhausted = False
        """whether every beginning was followed"""
        self.evaluations = 0
        self.curve = Curve(np.zeros(1))
        self._beams = 0
        self._state = begun
        if begun is not None:
            self.bound = math.inf if begun.bound is None else begun.bound
            self.evaluations, self.is_infeasible, self._beams = begun.evaluations, begun.is_infeasible, begun.beams

    @property
    def is_closed(self) -> bool:
        """Whether the gap is what was asked for."""
        best = self.known.best
        if self.is_infeasible or (best is not None and self.bound <= best.value):
            return True
        return best is not None and self.bound - best.value <= self._gap * abs(best.value)

    def solve(self) -> None:
        """Go on until the gap is closed, nothing more can be done, or the time is over (`OutOfTimeError`)."""
        if self.is_infeasible or not self._within_budgets():
            self.is_infeasible, self.bound = True, -math.inf
            return
        self.curve = self._curve()
        prices = self._first_prices()
        if self.is_closed:
            return
        for _ in range(ROUNDS):
            prices = self._priced(prices)
            if self.is_closed:
                return
            if not self._ruled_out(prices) or max(nodes.count for nodes in self.graph.nodes) > MOST_NODES:
                break
            if not self.is_alive:
                self._close()
                return
        if is_single(self.graph):
            self._follow(prices)

    def state(self) -> StartState:
        """Where it stands."""
        priced = self.priced
        return StartState(
            self.bound if math.isfinite(self.bound) else None,
            tuple(map(float, priced.prices[1:])) if priced is not None else None,
            priced.bound if priced is not None and math.isfinite(priced.bound) else None,
            self.evaluations,
            self.is_infeasible,
            self._beams,
        )

    def proven_by_prices(self) -> float:
        """What the best prices prove of all that the start structure may become, nothing ruled out by what is known:
        the bound of a certificate."""
        assert self.priced is not None
        self.graph.restore()
        prices, least = self.priced.prices, self.priced.bound
        curve = self._curve()  # the solver's own ends where networks within the budgets do, which no price says
        for _ in range(ROUNDS):
            priced, tables, _ = Dual(self.graph, curve).at(prices, completions=True)
            if priced.bound <= least or not fixed(self.graph, tables, priced, least) or not self.is_alive:
                break
        return max(least, priced.bound) if self.is_alive else least

    # What may be part of a solution ---------------------------------------------------------------

    def _within_budgets(self) -> bool:
        """Take out what no network within the budgets has; whether there may be one."""
        for at, limit in enumerate(self.graph.question.limits):
            prices = -np.eye(2 + len(self.graph.question.limits))[2 + at]
            tables = solve_at(self.graph, prices, completions=True)
            self.evaluations += 1
            if tables.value < -limit * (1 + 1e-12) - 1e-9:
                return False
            fixed(self.graph, tables, Priced(prices, 0.0, tables.value), -limit * (1 + 1e-12), divide=False)
        if self.graph.question.limits:
            return True  # the cheapest by the last budget is within all that was left
        return solve_at(self.graph, np.eye(2)[0]).value > -math.inf

    @property
    def is_alive(self) -> bool:
        """Whether anything is left of the graph."""
        return all(nodes.count for nodes in self.graph.nodes) and all(
            any(edge.families for edge in self.graph.edges if self.graph.vertices[edge.target].place == place)
            for place in range(len(self.graph.nodes) - 1)
        )

    def _curve(self) -> Curve:
        """The curve at all n that paths of the graph as it is now may have."""
        if self.graph.curve is None:
            return Curve(np.zeros(1))
        most = solve_at(self.graph, np.eye(2 + len(self.graph.question.limits))[1]).value
        return Curve(np.array([self.graph.curve(count) for count in range(round(most) + 1)]))

    def _first_prices(self) -> Floats:
        limits, state = self.graph.question.limits, self._state
        if state is not None and state.prices is not None and len(state.prices) == 1 + len(limits):
            prices = np.array([1.0, *state.prices])
            constant = Dual(self.graph, self.curve).constant(prices)
            self.priced = Priced(prices, constant, math.inf if state.priced_bound is None else state.priced_bound)
            return prices
        return np.array([1.0, 0.0, *(-FIRST_WORTH / len(limits) / limit for limit in limits)])

    def _ruled_out(self, prices: Floats) -> bool:
        """Take out what cannot be better than what is known; whether anything changed."""
        priced, tables, paths = Dual(self.graph, self.curve).at(prices, completions=True)
        self._saw(priced, paths)
        return fixed(self.graph, tables, priced, self.known.least)

    # Prices -----------------------------------------------------------------------------------------

    def _priced(self, start: Floats) -> Floats:
        """The best prices from `start` on."""
        dual = Dual(self.graph, self.curve)
        scale = abs(self.known.least) if self.known.best is not None else 100.0
        near = min(1e-4, self._gap / 4) if is_single(self.graph) else 2e-3  # intervals bound too loosely for more
        close = max(1e-9, near * scale)
        priced, _ = lowest(dual, start, close=close, evaluations=10 + 6 * len(start), watch=self._saw)
        if self.known.best is None:
            self._dearer(dual, priced.prices)
        return priced.prices

    def _dearer(self, dual: Dual, prices: Floats) -> None:
        """Look for any network within the budgets where they are dearer."""
        for factor in (1.5, 2.5, 5.0, 20.0, 100.0):
            dear = np.concatenate([prices[:2], prices[2:] * factor])
            priced, _, paths = dual.at(dear)
            if self._saw(priced, paths) or self.known.best is not None:
                return

    def _saw(self, priced: Priced, paths: list[Path]) -> bool:
        """Take what an evaluation gave; whether that is enough."""
        self.evaluations += 1
        for path in paths:
            self.known.take(self.graph, path.steps)
        if priced.bound < self.bound:
            self.bound, self.priced = priced.bound, priced
        self.tell()
        return self.is_closed

    def tell(self) -> None:
        """Tell who watches; `OutOfTimeError` where the time is over."""
        self._watch(self)
        if time.perf_counter() > self._deadline:
            raise OutOfTimeError

    # What is left ---------------------------------------------------------------------------------

    def _guides(self, prices: Floats) -> list[Guide]:
        """The prices whose completions bound beginnings: the best ones, and some around them."""
        guides = []
        for each in around(prices):
            priced, tables, paths = Dual(self.graph, self.curve).at(each, completions=True)
            self._saw(priced, paths)
            guides.append(Guide(priced, tables))
        return guides

    def _follow(self, prices: Floats) -> None:
        for most in BEAMS[self._beams :]:
            guides = self._guides(prices)
            if self.is_closed:
                return
            found = follow(
                self.graph,
                guides,
                cheapest(self.graph),
                least=self.known.least,
                most=most,
                watch=self.tell,
            )
            left = max(found.given_up, self._taken(found))
            if left < self.bound:
                self.bound = left
            self._beams += 1
            if left <= self.known.least:
                self._close()
            self.tell()
            if self.is_closed or self.is_exhausted:
                return
            self._ruled_out(prices)
            if not self.is_alive:
                self._close()
                return

    def _taken(self, found: Labels) -> float:
        """Take the complete networks that were met; what is proven of them: the best value, and that of those which are better
        and keep no rule of the space."""
        unlawful = -math.inf
        for value, steps in found.paths[:MOST_TAKEN]:
            if value <= self.known.least:
                break
            self.known.take(self.graph, steps, promised=value)
            if self.known.least < value - 1e-7 * (1 + abs(value)):
                unlawful = max(unlawful, value)
        return max(unlawful, self.known.least)

    def _close(self) -> None:
        """Nothing is left that could be better than the best that is known."""
        self.is_exhausted = True
        self.is_infeasible = self.known.best is None
        self.bound = min(self.bound, self.known.least)
