"""NSGA-II (Deb et al. 2002) with constrained domination: several objectives at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from plainnet.search.strategies.pareto import crowding_distances, front_ranks
from plainnet.search.strategies.strategy import Child, Individual, Strategy

__all__ = ["NSGA2"]


class NSGA2(Strategy):
    """Binary tournaments by (front, crowding) pick two parents; when as many children as parents were told, the best
    `population` of both survive. Candidates over a budget take part, ordered by how far they are over it.
    """

    name = "nsga2"
    about = "NSGA-II: several objectives, constrained domination"
    multi_objective = True
    wants_infeasible = True
    default_population = 128

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._parents: list[Individual] = []
        self._children: list[Individual] = []
        self._order: list[tuple[int, float]] = []

    def ask(self) -> Child:
        if not self._parents:
            if (len(self._children) <= self.first_population and not self.settled) or not self._children:
                return self.from_start()
            return self.offspring(self.pick(self._children), self.pick(self._children))
        return self.offspring(self._tournament(), self._tournament())

    def _tournament(self) -> Individual:
        length = len(self._parents)
        one, two = int(self.random() * length), int(self.random() * length)
        return self._parents[min(one, two, key=self._order.__getitem__)]

    def tell(self, individual: Individual) -> None:
        if individual.violation > 0 and any(each.hash == individual.hash for each in self.members()):
            return  # what is over a budget has no row, so that nobody else knows it again
        self._children.append(individual)
        if len(self._children) >= self.size:
            self._survive()

    def _survive(self) -> None:
        everyone = self._parents + self._children
        width = max(len(each.fitness) for each in everyone)
        values = np.array([each.fitness if each.fitness else (0.0,) * width for each in everyone], dtype=float)
        values = values.reshape(len(everyone), width)
        ranks = front_ranks(values, np.array([each.violation for each in everyone]))
        keep: list[int] = []
        order: list[tuple[int, float]] = []
        for rank in range(int(ranks.max()) + 1):
            rows = np.flatnonzero(ranks == rank)
            crowding = crowding_distances(values[rows]) if width else np.zeros(len(rows))
            best_first = np.argsort(-crowding, kind="stable")[: self.size - len(keep)]
            keep.extend(int(row) for row in rows[best_first])
            order.extend((rank, -float(each)) for each in crowding[best_first])
            if len(keep) >= self.size:
                break
        self._parents, self._order, self._children = [everyone[row] for row in keep], order, []

    def members(self) -> Sequence[Individual]:
        return [*self._parents, *self._children]

    def restore(self, members: Sequence[Individual]) -> None:
        self._children = list(members)

    def extra(self) -> Any:
        return [[rank, -crowding] for rank, crowding in self._order]

    def restore_extra(self, extra: Any) -> None:
        self._parents, self._children = self._children[: len(extra)], self._children[len(extra) :]
        self._order = [(int(rank), -float(crowding)) for rank, crowding in extra]

    def emigrants(self, count: int, sent: set[int]) -> list[Individual]:
        feasible = [
            member
            for member, (rank, _) in zip(self._parents, self._order, strict=True)
            if rank == 0 and member.violation <= 0 and member.hash not in sent
        ]
        found: list[Individual] = []
        while feasible and len(found) < count:
            found.append(feasible.pop(int(self.random() * len(feasible))))
        return found
