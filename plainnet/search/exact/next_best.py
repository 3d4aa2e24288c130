"""The next best networks behind the optimum, and which of them is the best by a form that is no sum.

The graph is taken as it was before anything was ruled out, what is far below the best is ruled out again, and of what is
left all beginnings are followed, those too that another one beats.
"""

from __future__ import annotations

from plainnet.search.exact.fixing import fixed, is_single
from plainnet.search.exact.path_labels import Guide, cheapest, follow
from plainnet.search.exact.prices import Dual
from plainnet.search.exact.solve import ROUNDS, Solver, around

__all__ = ["take_near"]

MARGINS = (1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
"""How far below the best networks are looked for, as fractions of its value, until there are enough."""
BEGINNINGS = 4
"""Beginnings that are followed at a place, for each network that is asked for."""


def take_near(solver: Solver, count: int) -> None:
    """Count and score about `count` of the best networks of a start structure that was solved, and keep those within the
    budgets. Where there are more than can be followed, some are missed.
    """
    if solver.priced is None or solver.known.best is None:
        return
    best, graph = solver.known.least, solver.graph
    for margin in MARGINS:
        graph.restore()
        least = best - margin * abs(best)
        dual = Dual(graph, solver.curve)
        for _ in range(ROUNDS):
            priced, tables, _ = dual.at(solver.priced.prices, completions=True)
            if not fixed(graph, tables, priced, least) or not solver.is_alive:
                break
        if not solver.is_alive or not is_single(graph):
            continue
        guides = [Guide(*dual.at(prices, completions=True)[:2]) for prices in around(solver.priced.prices)]
        found = follow(
            graph, guides, cheapest(graph), least=least, most=BEGINNINGS * count, pareto=False, watch=solver.tell
        )
        for value, steps in found.paths:
            if value < least:  # of those below not all are among the paths
                break
            if _known_from(solver, value) >= count:
                return
            solver.known.take(graph, steps, promised=value)
        if _known_from(solver, least) >= count:
            return


def _known_from(solver: Solver, least: float) -> int:
    """How many networks of at least a value are known: two paths may be one network, and some keep no rule of the space."""
    return sum(each.value >= least for each in solver.known.found.values())
