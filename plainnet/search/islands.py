"""An island: one population, its generator, and the loop that every candidate passes.

    ask -> layers, costs -> budgets (repair) -> known already? -> score -> tell

What is cheap comes first and the score last. The loop is written out in one function because it runs half a million
times; everything in it that can be worked out once is on the genes.
"""

from __future__ import annotations

import hashlib
from collections import Counter as Tally
from operator import itemgetter
from random import Random
from typing import Any, NamedTuple

from plainnet.blocks.reader import read_blocks
from plainnet.search.budgets import Budgets, Costs
from plainnet.search.evaluation import Counter
from plainnet.search.genes import Gene, GenePool, Genes, count_layers
from plainnet.search.mutation import Mutator
from plainnet.search.objectives import Objective, is_number
from plainnet.search.strategies import Individual, Strategy
from plainnet.search.strategies.base import REPAIR

__all__ = ["Island", "IslandReport", "Surroundings", "structure_hash"]

Row = tuple[Any, ...]
"""hash, structure, parent, other parent, operator, the costs, the objectives' values"""


REPAIRED = 0.15
"""The excess over the budgets that one repair takes away at most, but for one in a hundred (one block is made smaller by
one step); a repair takes one layer away.
"""


_OVER = {name: f"over {name}" for name in Costs._fields}


class IslandReport(NamedTuple):
    """What an island did in an epoch."""

    rows: list[Row]
    tally: dict[str, int]
    state: dict[str, Any]
    emigrants: list[Any]


class Surroundings(NamedTuple):
    """What the islands of one process share."""

    pool: GenePool
    mutator: Mutator
    counter: Counter
    budgets: Budgets
    objectives: tuple[Objective, ...]
    repairs: int


def structure_hash(text: str) -> int:
    """`Structure.hash` as a number."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=6).digest(), "big")


class Island:
    """One population and what it needs to go on."""

    def __init__(self, strategy: Strategy, surroundings: Surroundings) -> None:
        self.strategy, self.surroundings = strategy, surroundings
        budgets = surroundings.budgets
        self._limits = [
            (index, name, budgets[name]) for index, name in enumerate(Costs._fields) if name in budgets.limits
        ]
        self._max_layers = budgets["layers"]

    def run(self, proposals: int, known: set[int], fresh: set[int]) -> tuple[list[Row], Tally[str]]:
        """Propose children; the rows of those that were evaluated, and how many of which kind there were. `known` are
        the hashes of all earlier epochs; those of this one are added to `fresh`.
        """
        strategy, around = self.strategy, self.surroundings
        ask, tell, objectives = strategy.ask, strategy.tell, around.objectives
        single = objectives[0] if len(objectives) == 1 else None
        rows: list[Row] = []
        tally: Tally[str] = Tally()
        duplicates = 0
        for _ in range(proposals):
            genes, parent, other, operator = ask()
            costs, reason, violation = self._judge(genes)
            if costs is None:
                repaired = self._repair(genes, reason, violation, tally)
                if repaired is None:
                    continue
                genes, costs = repaired
                operator = REPAIR
            text = "".join([gene.text for gene in genes])
            hash_ = structure_hash(text)
            if hash_ in known or hash_ in fresh:
                duplicates += 1
                continue
            fresh.add(hash_)
            fitness: tuple[float, ...]
            if single is not None:
                value = single.scorer.score(genes, costs)
                rows.append((hash_, text, parent, other, operator, *costs, value))
                fitness = (value if single.maximise else -value,)
            else:
                fitness = tuple([each.fitness(genes, costs) for each in objectives])
                values = [f if each.maximise else -f for f, each in zip(fitness, objectives, strict=True)]
                rows.append((hash_, text, parent, other, operator, *costs, *values))
            if all(map(is_number, fitness)):
                tell(Individual(genes, hash_, fitness))
            else:
                tally["without a score"] += 1
        tally["duplicates"] += duplicates
        tally["evaluated"] += len(rows)
        return rows, tally

    def affords(self, genes: Genes) -> bool:
        """Whether a candidate is within the budgets."""
        return self._judge(genes)[0] is not None

    def _judge(self, genes: Genes) -> tuple[Costs | None, str, float]:
        """The costs of a candidate within the budgets; or None, why it is rejected, and by how much it is over them (0:
        it is no network).
        """
        layers = count_layers(genes)
        if layers > self._max_layers:
            return None, "over layers", layers / self._max_layers - 1
        costs = self.surroundings.counter.costs(genes)
        if costs is None:
            return None, "does not fit the input", 0.0
        for index, _, limit in self._limits:
            if costs[index] > limit:
                excesses = [(costs[index] / limit - 1, name) for index, name, limit in self._limits]
                worst = max(excesses, key=itemgetter(0))[1]
                return None, _OVER[worst], sum([excess for excess, _ in excesses if excess > 0])
        return costs, "", 0.0

    def _repair(self, genes: Genes, reason: str, violation: float, tally: Tally[str]) -> tuple[Genes, Costs] | None:
        """The candidate shrunk until it is within the budgets; None if it is not soon (the tally says why)."""
        mutator, random = self.surroundings.mutator, self.strategy.random
        for left in range(self.surroundings.repairs, 0, -1):
            depth = reason == "over layers"
            within_reach = violation < (left + 0.5) / self._max_layers if depth else 0 < violation < left * REPAIRED
            if not within_reach:
                break
            genes = mutator.shrink(genes, random, depth=depth)
            costs, reason, violation = self._judge(genes)
            if costs is not None:
                tally["repaired"] += 1
                return genes, costs
        tally[reason] += 1
        if self.strategy.wants_infeasible and violation:
            text = "".join([gene.text for gene in genes])
            self.strategy.tell(Individual(genes, structure_hash(text), (), violation))
        return None

    # A state as plain data --------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """What the island's future follows from, as plain data."""
        version, numbers, gauss = self.strategy.generator.getstate()
        return {
            "members": [pack(member) for member in self.strategy.members()],
            "extra": self.strategy.extra(),
            "random": [version, list(numbers), gauss],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take back what `state` gave."""
        self.strategy.restore([unpack(packed, self.surroundings.pool) for packed in state["members"]])
        self.strategy.restore_extra(state["extra"])
        version, numbers, gauss = state["random"]
        self.strategy.generator.setstate((version, tuple(numbers), gauss))

    def welcome(self, packed: list[Any]) -> None:
        """Take in what another island sent."""
        for each in packed:
            self.strategy.tell(unpack(each, self.surroundings.pool))


def pack(member: Individual) -> list[Any]:
    """An individual as plain data."""
    genes = [(gene.rule, gene.text) for gene in member.genes]
    return [genes, member.hash, list(member.fitness), member.violation]


def unpack(packed: list[Any], pool: GenePool) -> Individual:
    """The individual that `pack` gave."""
    genes, hash_, fitness, violation = packed
    return Individual(tuple(_gene(rule, text, pool) for rule, text in genes), hash_, tuple(fitness), violation)


def _gene(rule: int, text: str, pool: GenePool) -> Gene:
    return pool.of_block(read_blocks(text)[0], rule)


def island_random(seed: int, island: int) -> Random:
    """The generator of an island: it follows from the run's seed and the island's number alone."""
    digest = hashlib.blake2b(f"plainnet search {seed} island {island}".encode(), digest_size=16).digest()
    return Random(int.from_bytes(digest, "big"))
