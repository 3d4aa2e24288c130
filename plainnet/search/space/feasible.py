"""Where a search may start: the start structures within the budgets, or the nearest to them that exists."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from operator import itemgetter
from random import Random

from plainnet.errors import StructureError, UsageError
from plainnet.search.candidates.budgets import Budgets, Costs
from plainnet.search.candidates.evaluation import Counter
from plainnet.search.candidates.faults import FAULTS
from plainnet.search.candidates.genes import Genes
from plainnet.search.candidates.structures import as_structure
from plainnet.search.space.variation import Variation

__all__ = ["feasible_starts"]

TRIES = 8
"""Descents from each start structure, each drawing its own order."""


def feasible_starts(mutator: Variation, counter: Counter, budgets: Budgets, *, seed: int) -> tuple[Genes, ...]:
    """The start structures within the budgets; where there are none, what they shrink to that is.

    `UsageError` with the closest structure found where nothing is within the budgets.
    """
    within = tuple(start for start in mutator.starts if _violation(start, counter, budgets) == 0)
    if within:
        return within
    found: list[tuple[float, Genes]] = []
    draw = Random(seed).random
    for _ in range(TRIES):
        for start in mutator.starts:
            found.append(_descend(start, mutator, counter, budgets, draw))
            if found[-1][0] == 0:
                return (found[-1][1],)
    closest = min(found, key=itemgetter(0))
    for start in (closest[1], *mutator.starts):
        found.append(_steepest(start, mutator, counter, budgets))
        if found[-1][0] == 0:
            return (found[-1][1],)
    raise UsageError(_message(min(found, key=itemgetter(0))[1], counter, budgets))


def _descend(
    genes: Genes, mutator: Variation, counter: Counter, budgets: Budgets, random: Callable[[], float]
) -> tuple[float, Genes]:
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
    return violation, genes


def _steepest(genes: Genes, mutator: Variation, counter: Counter, budgets: Budgets) -> tuple[float, Genes]:
    """Take the best of all steps, other names of blocks among them, until none is better. A step that takes away costs and
    no violation (a budget that the steps so far do not touch) is one too.
    """
    here = _distance(genes, counter, budgets)
    while here[0] > 0:
        steps = [(_distance(each, counter, budgets), each) for each in mutator.neighbours(genes)]
        best = min(steps, key=itemgetter(0), default=None)
        if best is None or best[0] >= here:
            break
        here, genes = best
    return here[0], genes


def _distance(genes: Genes, counter: Counter, budgets: Budgets) -> tuple[float, float]:
    """How far a candidate is over the budgets, and how much it costs of what they bound."""
    costs = counter.sound_costs(genes)
    if costs is None:
        return math.inf, math.inf
    counts = costs._asdict()
    spent = sum(counts[name] / limit for name, limit in budgets.limits.items() if name in counts)
    return budgets.violation(counts), spent


def _violation(genes: Genes, counter: Counter, budgets: Budgets) -> float:
    costs = counter.sound_costs(genes)
    return float("inf") if costs is None else budgets.violation(costs._asdict())


def _message(genes: Genes, counter: Counter, budgets: Budgets) -> str:
    text = "".join(gene.source for gene in genes)
    costs: Costs | None = counter.sound_costs(genes)
    if costs is None:
        shape = counter.setting.shape
        return f"no start structure of this space fits an input of {shape}: {_misfit(genes, counter)}\n    {text}"
    over: Mapping[str, tuple[float, float]] = budgets.over(costs._asdict())
    lines = [f"    {name}: {_number(cost)}, the budget is {_number(limit)}" for name, (cost, limit) in over.items()]
    return "\n".join(["nothing in this space is within the budgets; the closest found:", f"    {text}", *lines])


def _misfit(genes: Genes, counter: Counter) -> str:
    """Why a candidate does not fit its input."""
    try:
        as_structure(genes).totals(counter.setting.shape, variant=counter.setting.variant)
    except StructureError as error:
        return error.problems[0].message
    except FAULTS as error:
        return str(error)
    return "its strides leave no map"


def _number(value: float) -> str:
    """A count with all its digits; what is no whole number (milliseconds, rho) with four that count."""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:.4g}"
