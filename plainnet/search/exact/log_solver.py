"""Solving for objectives that are sums of logarithms of sums over blocks (`log_sums`).

A direction weighs the sums; how far the networks reach in it is an exact search of its own (`solve`), whose bound is a plane
that no network passes. Directions are those of the best mixture of what was found, until the planes leave no more than what is
asked for. Where mixtures are better than all networks, everything above a plane through the best one is gone through.
"""

from __future__ import annotations

import heapq
import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from plainnet.blocks.rows.counts import block_totals
from plainnet.blocks.text.reader import read_blocks
from plainnet.search.candidates.budgets import Costs
from plainnet.search.candidates.genes import Genes
from plainnet.search.exact.fixing import fixed, is_single
from plainnet.search.exact.graph import Graph
from plainnet.search.exact.known_networks import Found, Known
from plainnet.search.exact.log_graph import present_parts, weighed_graph
from plainnet.search.exact.log_sums import LogSum
from plainnet.search.exact.monomials import Floats
from plainnet.search.exact.path_labels import Guide, cheapest, follow
from plainnet.search.exact.prices import Dual, Priced
from plainnet.search.exact.solve import BEAMS, ROUNDS, Solver, StartState, around
from plainnet.search.exact.summed_objectives import NotASumError
from plainnet.search.exact.tangents import best_mixture, greatest

__all__ = ["LogSolver"]

SCALE = 100.0
"""What a direction's sums are worth together at the point that it is taken from."""
DIRECTIONS = 60
"""Directions that are looked in at most."""
FIRST_EFFORT = 10
"""Evaluations in the first directions: those far from the best need not be known well. They are doubled where bound and value do
not come nearer to each other."""
MIXED = 200
"""Networks that are mixed at most, beside those that are furthest in some direction."""
NEAR = 4e-4
"""How near the best mixture and the planes come to each other at most; what is between them is gone through."""
LEAST = 1e-12
"""In place of a sum that a point has none of."""


class _EnoughError(Exception):
    """A direction was looked in long enough for now."""


class LogSolver:
    """The optimum of one start structure's graph. `bound` holds for every network of it within the budgets."""

    def __init__(
        self,
        graph: Graph,
        known: Known,
        objective: LogSum,
        *,
        gap: float,
        deadline: float,
        watch: Callable[[Any], None],
        begun: StartState | None = None,
    ) -> None:
        self.graph, self.known, self.objective = graph, known, objective
        self._gap, self._deadline, self._watch = gap, deadline, watch
        self.bound = math.inf if begun is None or begun.bound is None else begun.bound
        self.evaluations = 0 if begun is None else begun.evaluations
        self.is_infeasible = begun is not None and begun.is_infeasible
        self.priced: Priced | None = None
        self.present = present_parts(graph)
        logs = objective.logs(self.present)
        self._at = [at for at, each in enumerate(logs.factors) if each]
        self._factors = np.array([logs.factors[at] for at in self._at])
        self._constant = logs.constant
        self._points: dict[str, Floats] = {}
        self._planes: list[Floats] = []
        self._heights: list[float] = []
        self._begin = StartState()
        self._effort = FIRST_EFFORT
        """evaluations in a direction"""
        if not all(self.present[at] for at in self._at):
            raise NotASumError("a sum whose logarithm is added is 0 in this space; `plainnet search` remains")

    # Values ----------------------------------------------------------------------------------------

    def vector(self, genes: Genes) -> Floats:
        """The sums of a network, counted block by block."""
        setting, state = self.graph.question.setting, self.objective.start
        shape, total = setting.shape, np.zeros(self.objective.count)
        for gene in genes:
            gain = self.objective.of_block(gene, shape, state)
            total += gain.parts
            state, shape = gain.state, block_totals(gene.kept_block(), shape, setting.variant).out_shape
        found: Floats = (total + self.objective.parts_of_end(shape, state))[self._at]
        return found

    def _log(self, point: Floats) -> float:
        return self._constant + float(self._factors @ np.log(np.maximum(point, LEAST)))

    def _own(self, log: float) -> float:
        """A sum of logarithms as the objective has it."""
        return math.exp(log) if self.objective.is_exponential else log

    @property
    def _least(self) -> float:
        """The best value that is known, as a sum of logarithms."""
        least = self.known.least
        return math.log(least) if self.objective.is_exponential and math.isfinite(least) else least

    @property
    def _wanted(self) -> float:
        """How close bound and value are to come, as sums of logarithms; 0.01 while nothing is known."""
        if self.known.best is None:
            return 0.01
        return self._gap if self.objective.is_exponential else self._gap * abs(self.known.least)

    @property
    def is_closed(self) -> bool:
        """Whether the gap is what was asked for."""
        best = self.known.best
        if self.is_infeasible or best is None:
            return self.is_infeasible
        return self.bound - best.value <= self._gap * abs(best.value)

    def state(self) -> StartState:
        """Where it stands."""
        bound = self.bound if math.isfinite(self.bound) else None
        return StartState(bound, None, None, self.evaluations, self.is_infeasible)

    def tell(self) -> None:
        """Tell who watches."""
        self._watch(self)

    # Directions -------------------------------------------------------------------------------------

    def solve(self) -> None:
        """Go on until the gap is closed, nothing more can be done, or the time is over (`OutOfTimeError`)."""
        if self.is_closed:
            return
        point, extremes = self._first_point(), dict[str, Floats]()
        for _ in range(DIRECTIONS):
            direction, left = self._factors / point, self._most() - self._least
            solver = self._reached(direction)
            if self.is_closed or solver is None:
                return
            if self._points:
                text = max(self._points, key=lambda each: float(direction @ self._points[each]))
                extremes[text] = self._points[text]
                chosen = np.array(list({**self._best_points(), **extremes}.values()))
                point = best_mixture(chosen, self._factors) @ chosen
            if self._most() - self._log(point) <= max(self._wanted / 2, NEAR):
                break
            if self.known.best is None or self._most() - self._least > 0.8 * left:
                self._effort *= 2
        self._effort = sys.maxsize
        if self.known.best is None:
            return
        self._go_through(self._factors / point)

    def _first_point(self) -> Floats:
        """The sums of the best network that is known, or else of the start."""
        pool = self.graph.slots.mutator.pool
        for text in list(self.known.found):
            vector = self.vector(tuple(pool.of_block(block, 0) for block in read_blocks(text)))
            if np.all(vector > 0):  # others come from a start structure that has other maps
                self._points[text] = vector
        best = list(self._best_points().values())
        return best[0] if best else np.maximum(self.vector(self.graph.slots.start), LEAST)

    def _best_points(self) -> dict[str, Floats]:
        """The sums of the best networks that are known."""
        best = heapq.nlargest(MIXED, self._points, key=lambda text: self.known.found[text].value)
        return {text: self._points[text] for text in best}

    def _solver(self, direction: Floats) -> tuple[Solver, float]:
        """The exact search in a direction, and what its values are to be divided by."""
        scale = SCALE / float(self._factors.sum())
        weights = np.zeros(self.objective.count)
        weights[self._at] = direction * scale

        def score(genes: Genes, costs: Costs) -> float:
            text = "".join(gene.text for gene in genes)
            vector = self._known(text, genes, costs)
            return float(vector @ direction) * scale

        known = Known(self.known.counter, self.known.budgets, score)
        for text, vector in self._points.items():
            known.add(Found(float(vector @ direction) * scale, text, self.known.found[text].costs))
        left = self._most() - self._least  # directions far from the best need not be known well
        gap = min(max(self._wanted / 4, NEAR / 4, left / 4), 1.0) / float(self._factors.sum())
        graph = weighed_graph(self.graph, weights)

        def watch(solver: Solver) -> None:
            self.tell()
            if solver.evaluations >= self._effort:
                raise _EnoughError

        return Solver(graph, known, gap=gap, deadline=self._deadline, watch=watch, begun=self._begin), scale

    def _known(self, text: str, genes: Genes, costs: Costs) -> Floats:
        """The sums of a network within the budgets, which is known from now on."""
        if text not in self._points:
            value, vector = self.known.score(genes, costs), self.vector(genes)
            promised = self._own(self._log(vector))
            if not math.isclose(value, promised, rel_tol=1e-9, abs_tol=1e-9):
                raise NotASumError(
                    f"the sums promise {promised:.9g} for {text}, which has {value:.9g}: the objective is made of no sums over "
                    "blocks as they are known here; `plainnet search` remains"
                )
            self.known.add(Found.of(genes, value, costs))
            self._points[text] = vector
        return self._points[text]

    def _reached(self, direction: Floats) -> Solver | None:
        """Add the plane of a direction; None where there is no network within the budgets."""
        solver, scale = self._solver(direction)
        try:
            solver.solve()
        except _EnoughError:
            pass
        finally:
            self.evaluations += solver.evaluations
            if not solver.is_infeasible and math.isfinite(solver.bound):
                self._planes.append(direction)
                self._heights.append(solver.bound / scale)
                self._lower(self._most())
                self._price(solver, scale)
        self._begin = StartState(prices=solver.state().prices)
        if solver.is_infeasible:
            self.is_infeasible, self.bound = True, -math.inf
            return None
        self.tell()
        return solver

    def _most(self) -> float:
        """What the planes leave, as a sum of logarithms."""
        if not self._planes:
            return math.inf
        found = self._constant + greatest(np.array(self._planes), np.array(self._heights), self._factors)
        return found + 1e-9 * (1 + abs(found))

    def _lower(self, log: float) -> None:
        self.bound = min(self.bound, max(self._own(log), self.known.least))

    def _price(self, solver: Solver, scale: float) -> None:
        """What more of a budget is worth, from the last direction."""
        if solver.priced is None:
            return
        worth = self.bound if self.objective.is_exponential else 1.0
        prices = np.concatenate([[1.0, 0.0], solver.priced.prices[2:] / scale * worth])
        self.priced = Priced(prices, 0.0, self.bound)

    # What is left ---------------------------------------------------------------------------------

    def _go_through(self, direction: Floats) -> None:
        """Count and score all networks above the plane of a direction through the best one that is known."""
        solver, scale = self._solver(direction)
        graph = solver.graph
        offset = self._constant + float(self._factors @ (np.log(self._factors / direction) - 1))
        for most in BEAMS:
            least = (self._least - offset) * scale
            least -= 1e-9 * (1 + abs(least))
            solver = self._solver(direction)[0]
            graph = solver.graph
            prices = self._left(solver, least)
            if prices is None:
                return
            given_up = -math.inf
            if all(nodes.count for nodes in graph.nodes) and solver.is_alive:
                guides = [Guide(*Dual(graph, solver.curve).at(each, completions=True)[:2]) for each in around(prices)]
                found = follow(graph, guides, cheapest(graph), least=least, most=most, pareto=False, watch=solver.tell)
                for value, steps in found.paths:
                    solver.known.take(graph, steps, promised=value)
                given_up = found.given_up
                if len(found.paths) == most:
                    given_up = max(given_up, found.paths[-1][0])
            self._lower(offset + given_up / scale)
            self.tell()
            if self.is_closed or given_up == -math.inf:
                return

    def _left(self, solver: Solver, least: float) -> Floats | None:
        """Rule out what lies below `least`; the prices that do, or None where too much is left to be gone through."""
        graph, state = solver.graph, self._begin
        if state.prices is None:
            return None
        prices = np.array([1.0, *state.prices])
        dual = Dual(graph, solver.curve)
        for _ in range(ROUNDS):
            priced, tables, _ = dual.at(prices, completions=True)
            self.evaluations += 1
            self.tell()
            if not fixed(graph, tables, priced, least) or not solver.is_alive:
                break
        return prices if is_single(graph) or not solver.is_alive else None
