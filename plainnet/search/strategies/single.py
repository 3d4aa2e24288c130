"""Strategies for one objective."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Any

from plainnet.search.strategies.strategy import MUTATION, Child, Individual, Strategy

__all__ = ["Aging", "LocalSearch", "RandomSearch", "ReplaceWorst", "ZenNAS"]

Entry = tuple[tuple[float, ...], int, Individual]


class ReplaceWorst(Strategy):
    """A parent drawn uniformly, one to all of the space's number of blocks mutated, the worst of the population dropped."""

    name = "evolution"
    about = "uniform parent, replace the worst; small populations on islands"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._heap: list[Entry] = []
        self._told = 0

    def ask(self) -> Child:
        heap, random = self._heap, self.random
        length = len(heap)
        if (length <= self.first_population and length < self.size and not self.settled) or not length:
            return self.from_start()
        parent = heap[int(random() * length)][2]
        if not self.crossover and not self.further:  # as `offspring` does, half a million times
            genes = self.mutator.mutate(parent.genes, random, blocks=self.draw_blocks())
            return Child(genes, parent.hash, 0, MUTATION)
        return self.offspring(parent, heap[int(random() * length)][2])

    def tell(self, individual: Individual) -> None:
        self._told += 1
        entry = (individual.fitness, self._told, individual)
        if len(self._heap) < self.size:
            heapq.heappush(self._heap, entry)
        else:
            heapq.heappushpop(self._heap, entry)

    def members(self) -> Sequence[Individual]:
        return [entry[2] for entry in self._heap]

    def restore(self, members: Sequence[Individual]) -> None:
        self._heap = [(member.fitness, number, member) for number, member in enumerate(members)]

    def extra(self) -> Any:
        return [self._told, [number for _, number, _ in self._heap]]

    def restore_extra(self, extra: Any) -> None:
        self._told = extra[0]
        self._heap = [(entry[0], number, entry[2]) for entry, number in zip(self._heap, extra[1], strict=True)]


class ZenNAS(ReplaceWorst):
    """The evolution of the Zen-NAS paper (Lin et al. 2021) as its code does it: one population of 512, no repair; always
    the space's number of blocks drawn. (Unlike there, no candidate is scored twice.)
    """

    name = "zennas"
    about = "the Zen-NAS paper's evolution: one population of 512, no repair"
    default_population = 512
    default_islands = 1
    default_repairs = 0

    def draw_blocks(self) -> int:
        return self.blocks


class Aging(Strategy):
    """Regularised evolution (Real et al. 2019): the best of a few drawn at random is the parent, the oldest dies."""

    name = "aging"
    about = "regularised evolution: the best of a sample is the parent, the oldest dies"
    default_population = 100
    sample = 25

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._ring: list[Individual] = []
        self._oldest = 0

    def ask(self) -> Child:
        ring = self._ring
        if (len(ring) < self.size and not self.settled) or not ring:
            return self.from_start()
        drawn = [self.pick(ring) for _ in range(min(self.sample, len(ring)))]
        return self.offspring(max(drawn, key=_fitness), self.pick(ring))

    def tell(self, individual: Individual) -> None:
        if len(self._ring) < self.size:
            self._ring.append(individual)
            return
        self._ring[self._oldest] = individual
        self._oldest = (self._oldest + 1) % self.size

    def members(self) -> Sequence[Individual]:
        return self._ring

    def restore(self, members: Sequence[Individual]) -> None:
        self._ring = list(members)

    def extra(self) -> Any:
        return self._oldest

    def restore_extra(self, extra: Any) -> None:
        self._oldest = extra


class RandomSearch(Strategy):
    """Random walks from the start: each step mutates the last candidate that was within the budgets, whatever its
    score; after `population` steps a new walk begins. The baseline that a search has to beat.
    """

    name = "random"
    about = "random walks from the start, whatever the scores"
    crosses = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._walker: Individual | None = None
        self._steps = 0

    def ask(self) -> Child:
        self._steps += 1
        if self._walker is None or self._steps % self.size == 0:
            return self.from_start()
        return self.offspring(self._walker, self._walker)

    def tell(self, individual: Individual) -> None:
        self._walker = individual

    def members(self) -> Sequence[Individual]:
        return [self._walker] if self._walker else []

    def restore(self, members: Sequence[Individual]) -> None:
        self._walker = members[0] if members else None

    def extra(self) -> Any:
        return self._steps

    def restore_extra(self, extra: Any) -> None:
        self._steps = extra


class LocalSearch(Strategy):
    """First-improvement hill climbing: the best so far is mutated until nothing better came for 50 * `population`
    steps; then a new climb begins at the start. Members: the climber, then the best ones of the climbs before.
    """

    name = "local"
    about = "hill climbing with restarts"
    crosses = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._climber: Individual | None = None
        self._summits: list[Individual] = []
        self._failures = 0

    def ask(self) -> Child:
        self._failures += 1
        climber = self._climber
        if climber is not None and self._failures > 50 * self.size:
            self._summits = sorted([climber, *self._summits], key=_fitness, reverse=True)[: self.size]
            self._climber, self._failures = None, 0
        return self.offspring(self._climber, self._climber) if self._climber else self.from_start()

    def tell(self, individual: Individual) -> None:
        if self._climber is None or individual.fitness > self._climber.fitness:
            self._climber, self._failures = individual, 0

    def members(self) -> Sequence[Individual]:
        return [*([self._climber] if self._climber else []), *self._summits]

    def restore(self, members: Sequence[Individual]) -> None:
        self._climber, self._summits = (members[0], list(members[1:])) if members else (None, [])

    def extra(self) -> Any:
        return [self._failures, self._climber is not None]

    def restore_extra(self, extra: Any) -> None:
        self._failures, climbing = extra
        climber = self._climber
        if not climbing and climber is not None:
            self._climber, self._summits = None, [climber, *self._summits]


def _fitness(individual: Individual) -> tuple[float, ...]:
    return individual.fitness
