"""What a strategy is: an ask/tell core without input or output, over populations of individuals.

    genes, parents, operator = strategy.ask()      # a child to evaluate
    strategy.tell(individual)                      # what it was worth

A strategy draws every random number from its own generator, so its future follows from its members and the
generator's state; both are plain data (`members`, `random`), which is how a run is resumed.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any, ClassVar, NamedTuple

from plainnet.search.candidates.genes import Genes
from plainnet.search.space.variation import Variation

__all__ = ["CROSSOVER", "MUTATION", "OPERATORS", "REPAIR", "START", "Child", "Individual", "Strategy"]

PATIENCE = 100
"""So many more known children than new ones, and a strategy walks further; so many more new ones, and less far."""
FURTHEST = 8
"""Mutations one after the other at most, beyond the first."""
LONELY = 50
"""Children of the start after which the start itself is proposed, while none of them was worth a place."""

OPERATORS = ("start", "mutation", "crossover", "repair", "immigrant")
"""How a candidate came about; the store holds the position in this tuple. A repaired child is `repair`."""
START, MUTATION, CROSSOVER, REPAIR, IMMIGRANT = range(5)


class Individual:
    """A candidate in a population. `fitness` holds one number for each objective, to be made large; `violation` is
    how far it is over the budgets (0: within them; over them nothing is scored and `fitness` is empty). `kept` is the
    hash by which its children name it: its own, or that of its nearest ancestor in the table (0: the start).
    """

    __slots__ = ("fitness", "genes", "hash", "kept", "violation")

    def __init__(
        self,
        genes: Genes,
        hash_: int,
        fitness: tuple[float, ...],
        violation: float = 0.0,
        *,
        kept: int | None = None,
    ) -> None:
        self.genes, self.hash, self.fitness, self.violation = genes, hash_, fitness, violation
        self.kept = hash_ if kept is None else kept

    @property
    def key(self) -> tuple[float, ...]:
        """What individuals of a search for one objective are ordered by."""
        return (-self.violation, *self.fitness)


class Child(NamedTuple):
    """A candidate that a strategy asks about: its genes (None: they cannot keep the space's rules), the hashes of its
    parents (0: none), and how it was made.
    """

    genes: Genes | None
    parent: int
    other_parent: int
    operator: int


class Strategy:
    """A population and how it is renewed.

    wants_infeasible: whether candidates over a budget are told too (others learn only of what is within them).
    crosses: whether it has a use for two parents.

    A child that is known already teaches a strategy nothing, so a population whose surroundings are known would stand
    still for ever. Where more children are known than new, they are mutated once more, and again; and a start phase ends.
    """

    name: ClassVar[str]
    about: ClassVar[str]
    multi_objective: ClassVar[bool] = False
    wants_infeasible: ClassVar[bool] = False
    crosses: ClassVar[bool] = True
    default_population: ClassVar[int] = 64
    default_islands: ClassVar[int] = 8
    default_repairs: ClassVar[int] = 1

    def __init__(self, mutator: Variation, *, population: int, random: Random, crossover: float = 0.0) -> None:
        self.mutator, self.size, self.crossover = mutator, population, crossover
        self.generator = random
        self.random = random.random
        mutation = mutator.space.mutation
        self.blocks, self.first_blocks = mutation.blocks, mutation.blocks_at_first
        self.first_population = mutation.first_population
        self.further = 0
        self.settled = False
        """whether the start phase is over: its surroundings are known"""
        self.surplus = 0
        """how many more children were known than new, of late"""
        self._lonely = 0

    def ask(self) -> Child:
        """A child to evaluate."""
        raise NotImplementedError

    def tell(self, individual: Individual) -> None:
        """Take in a candidate that was evaluated for the first time."""
        raise NotImplementedError

    def members(self) -> Sequence[Individual]:
        """The population, in an order from which `restore` makes the same one."""
        raise NotImplementedError

    def restore(self, members: Sequence[Individual]) -> None:
        """Replace the population by what `members` gave."""
        raise NotImplementedError

    def extra(self) -> Any:
        """Whatever else the future follows from, as plain data."""
        return None

    def restore_extra(self, extra: Any) -> None:
        """Take back what `extra` gave."""

    def emigrants(self, count: int, sent: set[int]) -> list[Individual]:
        """The best `count` members that were not sent before."""
        feasible = [member for member in self.members() if member.violation <= 0 and member.hash not in sent]
        return sorted(feasible, key=lambda member: (member.key, member.hash), reverse=True)[:count]

    # How far children go ----------------------------------------------------------------------

    def learn(self, known: int) -> None:
        """Take in that a child was known already (1), or new (-1)."""
        self.surplus += known
        if self.surplus >= PATIENCE:
            self.further, self.surplus = min(self.further + 1, FURTHEST), 0
            self.settled = self.settled or bool(self.members())
        elif self.surplus < 0:
            if not self.further:
                self.surplus = 0
            elif self.surplus <= -PATIENCE:
                self.further, self.surplus = self.further - 1, 0

    def reach(self) -> list[int]:
        """How far children go, as plain data."""
        return [self.further, self.surplus, int(self.settled), self._lonely]

    def restore_reach(self, reach: Sequence[int]) -> None:
        """Take back what `reach` gave."""
        self.further, self.surplus, self._lonely = reach[0], reach[1], reach[3]
        self.settled = bool(reach[2])

    # Shared operators -------------------------------------------------------------------------

    def pick(self, members: Sequence[Any]) -> Any:
        """One of the members, all equally likely."""
        return members[int(self.random() * len(members))]

    def from_start(self) -> Child:
        """A mutation of a start structure; now and then, while nothing was found, a start structure itself."""
        starts = self.mutator.starts
        start = starts[0] if len(starts) == 1 else self.pick(starts)
        self._lonely = 0 if self.members() else self._lonely + 1
        if self._lonely and self._lonely % LONELY == 0:
            return Child(start, 0, 0, START)
        return Child(self.mutated(start, self.first_blocks), 0, 0, START)

    def mutated(self, genes: Genes, blocks: int) -> Genes | None:
        """A mutation; several one after the other where one is not far enough."""
        child = self.mutator.mutate(genes, self.random, blocks=blocks)
        for _ in range(self.further):
            if child is None:
                break
            child = self.mutator.mutate(child, self.random, blocks=self.draw_blocks())
        return child

    def offspring(self, first: Individual, second: Individual) -> Child:
        """A mutation of the first parent, or (with the probability `crossover`) of its cross with the second."""
        if self.crossover and first is not second and self.random() < self.crossover:
            genes = self.mutator.crossover(first.genes, second.genes, self.random)
            genes = genes and self.mutated(genes, self.draw_blocks())
            return Child(genes, first.kept, second.kept, CROSSOVER if first.kept or second.kept else START)
        genes = self.mutated(first.genes, self.draw_blocks())
        return Child(genes, first.kept, 0, MUTATION if first.kept else START)

    def draw_blocks(self) -> int:
        """How many blocks a mutation draws: one to the space's number, equally likely."""
        return 1 + int(self.random() * self.blocks)
