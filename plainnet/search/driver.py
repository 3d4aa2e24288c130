"""The search itself: epochs of all islands, one after the other, written down as they end.

submit epoch e  ->  write epoch e - 1 while the workers work  ->  collect epoch e  ->  send migrants round
"""

from __future__ import annotations

import dataclasses
import time
from array import array
from collections import Counter as Tally
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from plainnet.lock import RunLock
from plainnet.search.config import SearchConfig
from plainnet.search.executors import Team, make_team
from plainnet.search.islands import IslandReport
from plainnet.search.latency import SAMPLES, calibrate, needs_latency
from plainnet.search.store import COSTS, EpochRecord, RunStore
from plainnet.search.workers import Worker

__all__ = ["Progress", "evolve", "held_store", "new_store"]


@dataclass(frozen=True)
class Progress:
    """How far a search is; `best` is its structure, costs and score so far."""

    stage: str
    done: int
    total: int
    seconds: float
    tally: Mapping[str, int] = field(default_factory=dict)
    best_structure: str = ""
    best_costs: Mapping[str, int] = field(default_factory=dict)
    best_score: float | None = None
    message: str = ""
    rate: float = 0.0
    """candidates for each second of this session"""


Watcher = Callable[[Progress], None]


def nobody(progress: Progress) -> None:
    """Watches nothing."""


@contextmanager
def held_store(folder: Path | None, make: Callable[[], RunStore]) -> Iterator[RunStore]:
    """The store that `make` gives, with the lock of its folder held, closed at the end."""
    lock = RunLock(folder) if folder is not None else None
    try:
        store = make()
        try:
            yield store
        finally:
            store.close()
    finally:
        if lock is not None:
            lock.close()


def new_store(folder: Path | None, config: SearchConfig) -> RunStore:
    """The store of a new run. Budgets that nothing meets and unknown objectives are found here, before anything runs."""
    error = None
    if needs_latency(config):
        coefficients, error = calibrate(config)
        config = dataclasses.replace(config, latency=coefficients)
    scout = Worker(config)
    store = RunStore.create(folder, config, objectives=scout.objective_names, directions=scout.directions)
    if error is not None:
        store.note(
            "latency", f"latencies are predicted with a median error of {error:.1%} on {SAMPLES} measured structures"
        )
    starts = set(config.space.start)
    for text in scout.starts:
        if text not in starts:
            store.note("start", f"the start is over the budgets; the search starts from what it shrinks to: {text}")
    return store


def evolve(store: RunStore, *, workers: int = 1, executor: str = "local", watch: Watcher = nobody) -> None:
    """Run the epochs that are still missing."""
    config = store.config
    first = store.epochs_done
    if first >= config.epochs:
        return
    progress = _Tracker(store, watch)
    team = make_team(config, workers=workers, executor=executor, on_death=lambda text: progress.note("worker", text))
    try:
        _run_epochs(store, team, first, progress)
    finally:
        team.close()


def _run_epochs(store: RunStore, team: Team, first: int, progress: _Tracker) -> None:
    config = store.config
    states: dict[int, dict[str, Any] | None] = dict.fromkeys(range(config.islands))
    arrivals: dict[int, list[Any]] = {}
    if first:
        saved, arrivals = store.states()
        states.update(saved)
    team.settle(states, store.known())
    evaluated: dict[int, bytes] = {}
    pending: EpochRecord | None = None
    for epoch in range(first, config.epochs):
        began = time.perf_counter()
        team.submit(epoch, arrivals, evaluated)
        if pending is not None:
            store.commit_epoch(pending)
            progress.show(pending)
            pending = None
        reports = team.collect(lambda: (states, store.known()))  # noqa: B023 - called before the next epoch
        pending = _merge(epoch, reports, store, time.perf_counter() - began)
        states, arrivals = dict(pending.states), dict(pending.arrivals)
        evaluated = {island: array("q", (row[0] for row in rows)).tobytes() for island, rows in pending.rows.items()}
    if pending is not None:
        store.commit_epoch(pending)
        progress.show(pending)


def _merge(epoch: int, reports: Mapping[int, IslandReport], store: RunStore, seconds: float) -> EpochRecord:
    """The islands' reports as one epoch: what several of them evaluated belongs to the first; migrants go to the next
    island of the ring.
    """
    config = store.config
    tally: Tally[str] = Tally()
    seen: set[int] = set()
    rows: dict[int, list[tuple[Any, ...]]] = {}
    best, best_hash, sign = None, None, 1 if store.directions[0] else -1
    at = -len(store.columns)
    for island in sorted(reports):
        mine = []
        for row in reports[island].rows:
            if row[0] in seen:
                tally["duplicates"] += 1
                continue
            seen.add(row[0])
            mine.append(row)
            value = row[at]
            if value == value and (best is None or value * sign > best * sign):
                best, best_hash = value, row[0]
        rows[island] = mine
        tally.update(reports[island].tally)
    del tally["evaluated"]
    migrants = {(island + 1) % config.islands: report.emigrants for island, report in reports.items()}
    return EpochRecord(
        epoch=epoch,
        rows=rows,
        states={island: report.state for island, report in reports.items()},
        arrivals=migrants if config.islands > 1 else {},
        proposed=sum(config.share(epoch, island) for island in reports),
        tally=tally,
        best=best,
        best_hash=best_hash,
        seconds=seconds,
    )


class _Tracker:
    """Tells a watcher how far the search is."""

    def __init__(self, store: RunStore, watch: Watcher) -> None:
        self._store, self._watch = store, watch
        self._began = time.perf_counter()
        totals = store.totals()
        self._first = self._done = totals["candidates"]
        self._tally: Tally[str] = Tally({name: count for name, count in totals.items() if name != "candidates"})
        found = store.best(1)
        self._best = (found[0].structure, found[0].costs, found[0].scores[store.columns[0]]) if found else None
        self._sign = 1 if store.directions[0] else -1

    def note(self, kind: str, text: str) -> None:
        self._store.note(kind, text)
        self._tell(text)

    def show(self, record: EpochRecord) -> None:
        self._done += record.proposed
        self._tally.update(record.tally)
        self._tally["evaluated"] += sum(map(len, record.rows.values()))
        best = record.best
        if best is not None and (self._best is None or best * self._sign > (self._best[2] or 0) * self._sign):
            row = next(row for rows in record.rows.values() for row in rows if row[0] == record.best_hash)
            self._best = (row[1], dict(zip(COSTS, row[5:11], strict=True)), best)
        self._tell("")

    def _tell(self, message: str) -> None:
        structure, costs, score = self._best or ("", {}, None)
        seconds = time.perf_counter() - self._began
        total = self._store.config.candidates
        rate = (self._done - self._first) / seconds if seconds else 0.0
        self._watch(
            Progress("evolution", self._done, total, seconds, dict(self._tally), structure, costs, score, message, rate)
        )
