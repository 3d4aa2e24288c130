"""The first few of a run are looked up without the many behind them, and what a search has made goes when it does."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest

from plainnet.search import Rung, RunStore
from plainnet.search.executors.workers import Worker
from plainnet.search.ladder.ranking import ranking
from plainnet.search.runs.driver import evolve, new_store
from plainnet.search.store import Measure
from tests.search.small import small_config


@pytest.fixture
def measured() -> Any:
    """A run whose last rung gave many equal values, some of them after more repeats, and one none at all."""
    store = new_store(None, small_config(candidates=400, ladder=(Rung("zen", 200, 1, 1), Rung("zen_mc", 100, 1, 2))))
    evolve(store)
    some = store.best(100)
    for rung, proxy in ((1, "zen"), (2, "zen_mc")):
        found = [
            Measure(rung, proxy, each.hash, 1 + (number % 3 == 0), float(number * 7 % 5), None, 0, (1.0,))
            for number, each in enumerate(some)
        ]
        store.add_measures([*found[:-1], found[-1]._replace(mean=None)], seconds=0.0)
    yield store
    store.close()


def test_the_first_few_are_those_of_all(measured: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    everybody = ranking(measured, 10_000)
    last = [each for each in everybody if each.rung == 2]
    assert len(last) == 99
    order = [(each.repeats == 1, -each.mean, each.candidate.id) for each in last]
    assert order == sorted(order)
    for count in (1, 2, 7, 8, 9, 40, 99, 100, 101, 150):
        assert ranking(measured, count) == everybody[:count]
    asked: list[int] = []
    by_hash = RunStore.by_hash
    monkeypatch.setattr(RunStore, "by_hash", lambda store, found: asked.append(len(found)) or by_hash(store, found))
    ranking(measured, 1)
    assert sum(asked) < 20, "one is asked for after every few measurements"


def test_what_a_search_has_made_goes_without_being_looked_for() -> None:
    """Hundreds of thousands of genes that are in a circle are looked at again and again before they go."""
    gc.disable()
    try:
        worker = Worker(small_config())
        genes = weakref.ref(worker._surroundings.pool)
        del worker
        assert genes() is None
    finally:
        gc.enable()
