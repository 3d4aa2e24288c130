"""How a search renews its population; each strategy is an ask/tell core of its own."""

from __future__ import annotations

from plainnet.errors import UsageError, nearest
from plainnet.search.strategies.nsga2 import NSGA2
from plainnet.search.strategies.single import Aging, LocalSearch, RandomSearch, ReplaceWorst, ZenNAS
from plainnet.search.strategies.strategy import OPERATORS, Child, Individual, Strategy

__all__ = ["OPERATORS", "STRATEGIES", "Child", "Individual", "Strategy", "find_strategy"]

STRATEGIES: dict[str, type[Strategy]] = {
    strategy.name: strategy for strategy in (ReplaceWorst, ZenNAS, Aging, NSGA2, RandomSearch, LocalSearch)
}
"""Name -> class."""


def find_strategy(name: str) -> type[Strategy]:
    """The strategy of a name; `UsageError` with the nearest one."""
    if name not in STRATEGIES:
        near = nearest(name, STRATEGIES)
        hint = f"; did you mean {near}?" if near else ""
        raise UsageError(f"no strategy {name!r}; accepted: {', '.join(STRATEGIES)}{hint}")
    return STRATEGIES[name]
