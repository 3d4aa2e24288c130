"""An island: one population, its generator, and the loop that every candidate passes.

    ask -> layers, costs -> budgets (repair) -> known already? -> score -> tell

What is cheap comes first and the score last. What runs half a million times is written out in few functions; everything
that can be worked out once is on the genes.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter as Tally
from collections.abc import Sequence
from operator import itemgetter
from random import Random
from typing import Any, NamedTuple

from plainnet.blocks.rows.limits import DEFAULT_LIMITS
from plainnet.search.candidates.budgets import Budgets, Costs
from plainnet.search.candidates.evaluation import Counter
from plainnet.search.candidates.faults import FAULTS, Failure, Watchdog, kind_of_fault
from plainnet.search.candidates.genes import GenePool, Genes, count_layers
from plainnet.search.candidates.objectives import Objective
from plainnet.search.space.variation import Variation
from plainnet.search.strategies import Individual, Strategy
from plainnet.search.strategies.strategy import REPAIR, START, Child

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
    failures: list[Failure] = []
    """all that failed; the whole story of the first of each kind alone"""


class Surroundings(NamedTuple):
    """What the islands of one process share."""

    pool: GenePool
    mutator: Variation
    counter: Counter
    budgets: Budgets
    objectives: tuple[Objective, ...]
    repairs: int
    timeout: float = 0.0


def structure_hash(text: str) -> int:
    """`Structure.hash` as a number."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=6).digest(), "big")


class Island:
    """One population and what it needs to go on. first: the candidates that it proposes before any other."""

    def __init__(self, strategy: Strategy, surroundings: Surroundings, first: Sequence[Genes] = ()) -> None:
        self.strategy, self.surroundings = strategy, surroundings
        budgets = surroundings.budgets
        self._limits = [
            (index, name, budgets[name]) for index, name in enumerate(Costs._fields) if name in budgets.limits
        ]
        self._max_layers = min(budgets["layers"], DEFAULT_LIMITS.max_layers)
        objectives = surroundings.objectives
        self._single = objectives[0] if len(objectives) == 1 else None
        self._no_values = (None,) * len(objectives)
        self._failures: list[Failure] = []
        self._sent: set[int] = set()
        self._first = list(first)

    def run(self, proposals: int, known: set[int], fresh: set[int]) -> tuple[list[Row], Tally[str], list[Failure]]:
        """Propose children; the rows of those that were evaluated or failed at it, how many of which other kind there were,
        and what failed. `known` are the hashes of all earlier epochs; those of this one are added to `fresh`.
        """
        strategy, rows, tally = self.strategy, list[Row](), Tally[str]()
        self._failures = []
        tell, learn = strategy.tell, strategy.learn
        text_of = self.surroundings.mutator.text_of
        duplicates = 0
        with Watchdog(self.surroundings.timeout) as watchdog:
            for _ in range(proposals):
                candidate = self._candidate(tally, watchdog)
                if candidate is None:
                    continue
                genes, costs, parent, other, operator = candidate
                text = text_of(genes)
                hash_ = structure_hash(text)
                if hash_ in known or hash_ in fresh:
                    duplicates += 1
                    learn(1)
                    continue
                fresh.add(hash_)
                if strategy.surplus or strategy.further:
                    learn(-1)
                values = self._values(genes, costs, hash_, text, watchdog)
                rows.append((hash_, text, parent, other, operator, *costs, *(values or self._no_values)))
                if values is not None:
                    tell(Individual(genes, hash_, self._fitness(values)))
        tally["duplicates"] += duplicates
        return rows, tally, self._failures

    def _candidate(self, tally: Tally[str], watchdog: Watchdog) -> tuple[Genes, Costs, int, int, int] | None:
        """A child within the budgets, with its costs and where it comes from; None for any other, which is counted."""
        genes: Genes | None = None
        timed = watchdog.seconds > 0
        try:
            if timed:
                watchdog.start()
            try:
                genes, parent, other, operator = (
                    Child(self._first.pop(0), 0, 0, START) if self._first else self.strategy.ask()
                )
                if genes is None:
                    tally["outside the rules"] += 1
                    return None
                costs, reason, violation = self._judge(genes)
                if costs is not None:
                    return genes, costs, parent, other, operator
                repaired = self._repair(genes, reason, violation, tally, parent)
                return (*repaired, parent, other, REPAIR) if repaired is not None else None
            finally:
                if timed:
                    watchdog.stop()
        except FAULTS as error:
            self._fail(error, 0, self.surroundings.mutator.text_of(genes) if genes else "")
            return None

    def _values(self, genes: Genes, costs: Costs, hash_: int, text: str, watchdog: Watchdog) -> Sequence[float] | None:
        """What a candidate is worth by every objective; None where one of them fails."""
        single, objectives, timed = self._single, self.surroundings.objectives, watchdog.seconds > 0
        try:
            if timed:
                watchdog.start()
            try:
                if single is not None:
                    values: Sequence[float] = (single.scorer.score(genes, costs),)
                else:
                    values = [each.scorer.score(genes, costs) for each in objectives]
            finally:
                if timed:
                    watchdog.stop()
        except FAULTS as error:
            self._fail(error, hash_, text)
            return None
        if single is not None and math.isfinite(values[0]):
            return values
        for value, objective in zip(values, objectives, strict=True):
            if not math.isfinite(value):
                kind = "NaN" if math.isnan(value) else "infinite"
                self._note(Failure(hash_, kind, f"the objective {objective.name} gave {value} for {text}"))
                return None
        return values

    def _fitness(self, values: Sequence[float]) -> tuple[float, ...]:
        if self._single is not None:
            return (values[0] if self._single.maximise else -values[0],)
        return tuple(
            [
                value if each.maximise else -value
                for value, each in zip(values, self.surroundings.objectives, strict=True)
            ]
        )

    def _fail(self, error: BaseException, hash_: int, text: str) -> None:
        kind = kind_of_fault(error)
        self._note(Failure(hash_, kind, f"{kind}: {error}, for {text or 'a child that was not complete'}"))

    def _note(self, failure: Failure) -> None:
        first = all(each.kind != failure.kind for each in self._failures)
        self._failures.append(failure if first else failure._replace(text=""))

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
            refused = any(gene.fault is not None for gene in genes)
            return None, "refused by a block" if refused else "does not fit the input", 0.0
        if costs[0] > DEFAULT_LIMITS.max_params:
            return None, "over the limits of a network", 0.0
        known: tuple[Any, ...] = costs  # what a budget is for is computed
        for index, _, limit in self._limits:
            if known[index] > limit:
                excesses = [(known[index] / limit - 1, name) for index, name, limit in self._limits]
                worst = max(excesses, key=itemgetter(0))[1]
                return None, _OVER[worst], sum([excess for excess, _ in excesses if excess > 0])
        return costs, "", 0.0

    def _repair(
        self, genes: Genes, reason: str, violation: float, tally: Tally[str], parent: int
    ) -> tuple[Genes, Costs] | None:
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
            text = mutator.text_of(genes)
            self.strategy.tell(Individual(genes, structure_hash(text), (), violation, kept=parent))
        return None

    # A state as plain data --------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """What the island's future follows from, as plain data."""
        version, numbers, gauss = self.strategy.generator.getstate()
        return {
            "members": [pack(member) for member in self.strategy.members()],
            "extra": self.strategy.extra(),
            "reach": self.strategy.reach(),
            "sent": sorted(self._sent),
            **({"first": len(self._first)} if self._first else {}),
            "random": [version, list(numbers), gauss],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take back what `state` gave."""
        self.strategy.restore([self._unpacked(packed) for packed in state["members"]])
        self.strategy.restore_extra(state["extra"])
        if "reach" in state:  # runs of before have neither
            self.strategy.restore_reach(state["reach"])
            self._sent = set(state["sent"])
        self._first = self._first[len(self._first) - state.get("first", 0) :]
        version, numbers, gauss = state["random"]
        self.strategy.generator.setstate((version, tuple(numbers), gauss))

    # Migrants ---------------------------------------------------------------------------------

    def emigrants(self, count: int) -> list[Any]:
        """The best members, packed: each is sent once, and what came from another island is not sent on."""
        here = {member.hash for member in self.strategy.members()}
        self._sent &= here
        found = self.strategy.emigrants(count, self._sent)
        self._sent.update(member.hash for member in found)
        return [pack(each) for each in found]

    def welcome(self, packed: list[Any]) -> None:
        """Take in what another island sent, if it is not here already."""
        here = {member.hash for member in self.strategy.members()}
        for each in packed:
            member = self._unpacked(each)
            if member.hash not in here:
                here.add(member.hash)
                self._sent.add(member.hash)
                self.strategy.tell(member)

    def _unpacked(self, packed: list[Any]) -> Individual:
        """The individual that `pack` gave. Raises `TypeError` or `ValueError` for what it cannot have given."""
        genes, hash_, fitness, violation, *kept = packed
        own = kept[0] if kept else None
        if not (type(hash_) is int and type(own) in (int, type(None)) and all(map(_is_number, [violation, *fitness]))):
            raise TypeError("what a member is measured by is no number")
        if fitness and len(fitness) != len(self.surroundings.objectives):
            raise ValueError(f"a member has {len(fitness)} scores")
        members = tuple(self.surroundings.mutator.read_gene(rule, source) for rule, source in genes)
        return Individual(members, hash_, tuple(fitness), violation, kept=own)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def pack(member: Individual) -> list[Any]:
    """An individual as plain data."""
    genes = [(gene.rule, gene.source) for gene in member.genes]
    return [genes, member.hash, list(member.fitness), member.violation, member.kept]


def island_random(seed: int, island: int) -> Random:
    """The generator of an island: it follows from the run's seed and the island's number alone."""
    digest = hashlib.blake2b(f"plainnet search {seed} island {island}".encode(), digest_size=16).digest()
    return Random(int.from_bytes(digest, "big"))
