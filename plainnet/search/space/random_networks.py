"""Random networks of a space: ends of random walks from its start structures, what a table of latencies is measured on."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from plainnet.errors import UsageError
from plainnet.search.candidates.budgets import Budgets
from plainnet.search.candidates.evaluation import Counter, Setting
from plainnet.search.candidates.genes import GenePool, Genes
from plainnet.search.space.feasible import feasible_starts
from plainnet.search.space.mutators import find_mutator
from plainnet.search.space.space import Space
from plainnet.search.space.variation import Variation

__all__ = ["random_networks"]

LONGEST = 48
"""Mutations of a walk at most; each walk draws its length."""
IN_VAIN = 2000
"""Walks that may end where others did before there are no further networks."""


def random_networks(space: Space, setting: Setting, *, seed: int, max_macs: float) -> Iterator[str]:
    """Different networks within `max_macs`, without end unless the space has no more; the same seed gives the same ones.

    `UsageError` where nothing in the space is within `max_macs`.
    """
    mutator, counter = find_mutator(space, GenePool(), setting.shape), Counter(setting)
    budgets = Budgets({"macs": max_macs})
    starts = feasible_starts(mutator, counter, budgets, seed=seed)
    random = Random(f"random networks {seed}")
    seen: set[str] = set()
    vain = 0
    while vain < IN_VAIN:
        text = mutator.text_of(_walk(mutator, counter, budgets, random, random.choice(starts)))
        if text in seen:
            vain += 1
            continue
        vain = 0
        seen.add(text)
        yield text
    if not seen:
        raise UsageError(f"no network of {space.name} is within {max_macs:,.0f} MACs")


def _walk(mutator: Variation, counter: Counter, budgets: Budgets, random: Random, genes: Genes) -> Genes:
    for _ in range(random.randint(1, LONGEST)):
        child = mutator.mutate(genes, random.random, blocks=mutator.space.mutation.blocks)
        costs = counter.sound_costs(child) if child is not None else None
        if child is not None and costs is not None and not budgets.over(costs._asdict()):
            genes = child
    return genes
