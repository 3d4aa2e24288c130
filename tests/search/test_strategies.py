"""Strategies do what their papers say; fronts are fronts."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from plainnet.search import load_space, search
from plainnet.search.candidates.genes import GenePool
from plainnet.search.space.mutation import Mutator
from plainnet.search.strategies import STRATEGIES, Individual, Strategy
from plainnet.search.strategies.pareto import crowding_distances, front_ranks, hypervolume_2d, pareto_front
from tests.search.small import small_config


def make(name: str, size: int = 8) -> Strategy:
    mutator = Mutator(load_space("zennas-resnet"), GenePool())
    return STRATEGIES[name](mutator, population=size, random=Random(0))


def tell(strategy: Strategy, *fitnesses: tuple[float, ...]) -> None:
    for number, fitness in enumerate(fitnesses, 1):
        strategy.tell(Individual(strategy.mutator.starts[0], number, fitness))


def test_the_worst_is_dropped() -> None:
    strategy = make("evolution", 3)
    tell(strategy, (5.0,), (1.0,), (3.0,), (4.0,), (2.0,), (6.0,))
    assert sorted(member.fitness[0] for member in strategy.members()) == [4.0, 5.0, 6.0]


def test_the_oldest_dies() -> None:
    strategy = make("aging", 3)
    tell(strategy, (9.0,), (1.0,), (3.0,), (4.0,), (2.0,))
    assert sorted(member.fitness[0] for member in strategy.members()) == [2.0, 3.0, 4.0]


def test_a_climb_keeps_the_better() -> None:
    strategy = make("local")
    tell(strategy, (5.0,), (1.0,), (6.0,), (4.0,))
    assert strategy.members()[0].fitness == (6.0,)
    for _ in range(50 * strategy.size + 1):
        strategy.ask()
    assert strategy.ask().parent == 0
    assert strategy.members()[0].fitness == (6.0,)


def test_nsga2_keeps_the_front_and_what_is_within_the_budgets() -> None:
    strategy = make("nsga2", 4)
    tell(strategy, (1.0, 4.0), (4.0, 1.0), (3.0, 3.0), (1.0, 1.0))
    strategy.tell(Individual(strategy.mutator.starts[0], 9, (), violation=0.5))
    tell(strategy, (2.0, 3.5), (0.5, 0.5), (0.2, 0.2))
    kept = {member.fitness for member in strategy.members()}
    assert kept == {(1.0, 4.0), (4.0, 1.0), (3.0, 3.0), (2.0, 3.5)}


def test_the_front_is_what_nothing_dominates() -> None:
    draw = np.random.default_rng(0)
    points = draw.integers(0, 8, size=(200, 3)).astype(float)
    front = pareto_front(points)
    for row, point in enumerate(points):
        dominated = ((points >= point).all(axis=1) & (points > point).any(axis=1)).any()
        twin = any((points[kept] == point).all() for kept in front)
        assert twin == (not dominated), row
    assert len({tuple(points[row]) for row in front}) == len(front)
    ranks = front_ranks(points, np.zeros(len(points)))
    assert {tuple(points[row]) for row in np.flatnonzero(ranks == 0)} == {tuple(points[row]) for row in front}


def test_constrained_domination() -> None:
    values = np.array([[1.0], [9.0], [5.0], [7.0]])
    assert front_ranks(values, np.array([0.0, 0.5, 0.0, 0.1])).tolist() == [1, 3, 0, 2]


def test_crowding_and_hypervolume() -> None:
    assert crowding_distances(np.array([[0.0, 3.0], [1.0, 2.0], [3.0, 0.0]])).tolist() == [np.inf, 2.0, np.inf]
    assert hypervolume_2d([[1, 3], [2, 2], [1, 1]], (0, 0)) == 5.0


@pytest.mark.parametrize("name", ["evolution", "zennas", "aging", "local"])
def test_every_search_beats_random_walks(name: str) -> None:
    def best(strategy: str) -> float:
        return search(small_config(strategy=strategy, candidates=6_000)).best.scores["zen_leading"]

    assert best(name) > best("random")


def test_several_objectives_give_a_front_of_networks() -> None:
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from plainnet.search import RunStore
    from plainnet.search.ladder.fronts import front_of

    with TemporaryDirectory() as folder:
        config = small_config(strategy="nsga2", objectives=("zen", "macs"), candidates=6_000, population=32)
        search(config, Path(folder) / "run")
        store = RunStore.open(Path(folder) / "run")
        front = front_of(store)
        store.close()
    assert len(front) > 10
    scores = [each.scores["zen_leading"] for each in front]
    macs = [each.costs["macs"] for each in front]
    assert scores == sorted(scores, reverse=True)
    assert macs == sorted(macs, reverse=True)
    assert macs[0] > 3 * macs[-1]
