"""The next best networks behind the optimum, and which of them is the best by a form that is no sum.

The graph is taken as it was before anything was ruled out, what is far below the best is ruled out again, and of what is
left all beginnings are followed, those too that another one beats.
"""

from __future__ import annotations

import math

from plainnet.search.exact.fixing import fixed, is_single
from plainnet.search.exact.path_labels import Guide, Labels, cheapest, follow
from plainnet.search.exact.prices import Dual
from plainnet.search.exact.solve import BEAMS, ROUNDS, Solver, around

__all__ = ["take_near"]

MARGINS = (1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
"""How far below the best networks are looked for, as fractions of its value, until there are enough."""
BEGINNINGS = 4
"""Beginnings that are followed at a place at first, for each network that is asked for; four times as many where some of the
best may have been among the others, up to `BEAMS[-1]`."""


def take_near(solver: Solver, count: int) -> float:
    """Count and score the `count` best networks of a start structure that was solved, and keep those within the budgets.
    Down to which value none is missing: infinite where nothing is known of any.
    """
    if solver.priced is None or solver.known.best is None:
        return -math.inf if solver.is_infeasible else math.inf
    best, reached = solver.known.least, math.inf
    for margin in MARGINS:
        least = best - margin * abs(best)
        if not _is_left(solver, least):
            continue
        most = BEGINNINGS * count
        while True:
            found = _followed(solver, least, most)
            left = _take(solver, found, least, count)
            missing = max(found.given_up, left, found.paths[-1][0] if len(found.paths) == most else -math.inf)
            reached = min(reached, max(least, missing))
            if _known_from(solver, reached) >= count or missing <= least or most >= BEAMS[-1]:
                break
            most = min(4 * most, BEAMS[-1])
        if _known_from(solver, reached) >= count or missing > least:
            break
    return reached


def _is_left(solver: Solver, least: float) -> bool:
    """Take back what was ruled out, and rule out what is below `least`; whether what is left can be followed."""
    assert solver.priced is not None
    solver.graph.restore()
    dual = Dual(solver.graph, solver.curve)
    for _ in range(ROUNDS):
        priced, tables, _ = dual.at(solver.priced.prices, completions=True)
        if not fixed(solver.graph, tables, priced, least) or not solver.is_alive:
            break
    return solver.is_alive and is_single(solver.graph)


def _followed(solver: Solver, least: float, most: int) -> Labels:
    """The networks above `least`, at most `most` of them and of beginnings at a place."""
    assert solver.priced is not None
    graph, dual = solver.graph, Dual(solver.graph, solver.curve)
    guides = [Guide(*dual.at(prices, completions=True)[:2]) for prices in around(solver.priced.prices)]
    return follow(graph, guides, cheapest(graph), least=least, most=most, pareto=False, watch=solver.tell)


def _take(solver: Solver, found: Labels, least: float, count: int) -> float:
    """Count and score what was found, until so many are known; the value of the first that was left (-inf: none was)."""
    for value, steps in found.paths:
        if value < least:  # of those below not all are among the paths
            break
        if _known_from(solver, value) >= count:
            return value
        solver.known.take(solver.graph, steps, promised=value)
    return -math.inf


def _known_from(solver: Solver, least: float) -> int:
    """How many networks of at least a value are known: two paths may be one network, and some keep no rule of the space."""
    return sum(each.value >= least for each in solver.known.found.values())
