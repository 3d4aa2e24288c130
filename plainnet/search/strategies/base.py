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

from plainnet.search.genes import Genes
from plainnet.search.mutation import Mutator

__all__ = ["CROSSOVER", "MUTATION", "OPERATORS", "REPAIR", "START", "Child", "Individual", "Strategy"]

OPERATORS = ("start", "mutation", "crossover", "repair", "immigrant")
"""How a candidate came about; the store holds the position in this tuple. A repaired child is `repair`."""
START, MUTATION, CROSSOVER, REPAIR, IMMIGRANT = range(5)


class Individual:
    """A candidate in a population. `fitness` holds one number for each objective, to be made large; `violation` is
    how far it is over the budgets (0: within them; over them nothing is scored and `fitness` is empty).
    """

    __slots__ = ("fitness", "genes", "hash", "violation")

    def __init__(self, genes: Genes, hash_: int, fitness: tuple[float, ...], violation: float = 0.0) -> None:
        self.genes, self.hash, self.fitness, self.violation = genes, hash_, fitness, violation

    @property
    def key(self) -> tuple[float, ...]:
        """What individuals of a search for one objective are ordered by."""
        return (-self.violation, *self.fitness)


class Child(NamedTuple):
    """A candidate that a strategy asks about: its genes, the hashes of its parents (0: none), and how it was made."""

    genes: Genes
    parent: int
    other_parent: int
    operator: int


class Strategy:
    """A population and how it is renewed.

    wants_infeasible: whether candidates over a budget are told too (others learn only of what is within them).
    """

    name: ClassVar[str]
    about: ClassVar[str]
    multi_objective: ClassVar[bool] = False
    wants_infeasible: ClassVar[bool] = False
    default_population: ClassVar[int] = 64
    default_islands: ClassVar[int] = 8
    default_repairs: ClassVar[int] = 1

    def __init__(self, mutator: Mutator, *, population: int, random: Random, crossover: float = 0.0) -> None:
        self.mutator, self.size, self.crossover = mutator, population, crossover
        self.generator = random
        self.random = random.random
        mutation = mutator.space.mutation
        self.blocks, self.first_blocks = mutation.blocks, mutation.blocks_at_first
        self.first_population = mutation.first_population

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

    def emigrants(self, count: int) -> list[Individual]:
        """The best `count` members."""
        feasible = [member for member in self.members() if member.violation <= 0]
        return sorted(feasible, key=lambda member: (member.key, member.hash), reverse=True)[:count]

    # Shared operators -------------------------------------------------------------------------

    def pick(self, members: Sequence[Any]) -> Any:
        """One of the members, all equally likely."""
        return members[int(self.random() * len(members))]

    def from_start(self) -> Child:
        """A mutation of a start structure."""
        starts = self.mutator.starts
        start = starts[0] if len(starts) == 1 else self.pick(starts)
        return Child(self.mutator.mutate(start, self.random, blocks=self.first_blocks), 0, 0, START)

    def offspring(self, first: Individual, second: Individual) -> Child:
        """A mutation of the first parent, or (with the probability `crossover`) of its cross with the second."""
        if self.crossover and first is not second and self.random() < self.crossover:
            genes = self.mutator.crossover(first.genes, second.genes, self.random)
            genes = self.mutator.mutate(genes, self.random, blocks=self.draw_blocks())
            return Child(genes, first.hash, second.hash, CROSSOVER)
        genes = self.mutator.mutate(first.genes, self.random, blocks=self.draw_blocks())
        return Child(genes, first.hash, 0, MUTATION)

    def draw_blocks(self) -> int:
        """How many blocks a mutation draws: one to the space's number, equally likely."""
        return 1 + int(self.random() * self.blocks)
