"""Where a search may start: the start structures within the budgets, or the nearest to them that exists."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random

from plainnet.errors import UsageError
from plainnet.search.budgets import Budgets, Costs
from plainnet.search.evaluation import Counter
from plainnet.search.genes import Genes
from plainnet.search.mutation import Mutator

__all__ = ["feasible_starts"]

TRIES = 8
"""Descents from each start structure, each drawing its own order."""


def feasible_starts(mutator: Mutator, counter: Counter, budgets: Budgets, *, seed: int) -> tuple[Genes, ...]:
    """The start structures within the budgets; where there are none, what they shrink to that is.

    `UsageError` with the closest structure found where nothing is within the budgets.
    """
    within = tuple(start for start in mutator.starts if _violation(start, counter, budgets) == 0)
    if within:
        return within
    closest: tuple[float, Genes] | None = None
    draw = Random(seed).random
    for _ in range(TRIES):
        for start in mutator.starts:
            found, violation = _descend(start, mutator, counter, budgets, draw)
            if violation == 0:
                return (found,)
            if closest is None or violation < closest[0]:
                closest = (violation, found)
    assert closest is not None
    raise UsageError(_message(closest[1], counter, budgets))


def _descend(
    genes: Genes, mutator: Mutator, counter: Counter, budgets: Budgets, random: Callable[[], float]
) -> tuple[Genes, float]:
    """Shrink until the budgets are met or nothing can shrink."""
    violation = _violation(genes, counter, budgets)
    while violation > 0:
        layers_over = sum(gene.depth for gene in genes) > budgets["layers"]
        smaller = mutator.shrink(genes, random, depth=layers_over)
        if smaller == genes:
            smaller = mutator.shrink(genes, random, depth=not layers_over)
        if smaller == genes:
            break
        genes, violation = smaller, _violation(smaller, counter, budgets)
    return genes, violation


def _violation(genes: Genes, counter: Counter, budgets: Budgets) -> float:
    costs = counter.costs(genes)
    return float("inf") if costs is None else budgets.violation(costs._asdict())


def _message(genes: Genes, counter: Counter, budgets: Budgets) -> str:
    text = "".join(gene.text for gene in genes)
    costs: Costs | None = counter.costs(genes)
    if costs is None:
        shape = counter.setting.shape
        return f"no start structure of this space fits an input of {shape}: its strides leave no map\n    {text}"
    over: Mapping[str, tuple[float, float]] = budgets.over(costs._asdict())
    lines = [f"    {name}: {cost:,.0f}, the budget is {limit:,.0f}" for name, (cost, limit) in over.items()]
    return "\n".join(["nothing in this space is within the budgets; the closest found:", f"    {text}", *lines])
