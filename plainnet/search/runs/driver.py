"""The search itself: epochs of all islands, one after the other, written down as they end.

submit epoch e  ->  write epoch e - 1 while the workers work  ->  collect epoch e  ->  send migrants round
"""

from __future__ import annotations

import dataclasses
import logging
import math
import time
from array import array
from collections import Counter as Tally
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from plainnet.errors import RunError
from plainnet.files.lock import RunLock
from plainnet.proxies.calibrated.names import is_calibrated, pinned
from plainnet.search.candidates.faults import count_failures
from plainnet.search.candidates.objective_names import read_objective
from plainnet.search.evolution.islands import IslandReport
from plainnet.search.executors import Team, make_team
from plainnet.search.executors.workers import Worker
from plainnet.search.ladder.ladder import check_ladder
from plainnet.search.ladder.latency_budget import calibrate, needs_latency, said_of_fit, said_of_table
from plainnet.search.ladder.train_rung import check_training
from plainnet.search.runs.exhaustion import QUIET, hopeless, is_exhausted, quiet_candidates, said_of_exhaustion
from plainnet.search.runs.optimum_start import START_SECONDS, with_starts
from plainnet.search.runs.progress import Progress, Tracker, Watcher, nobody
from plainnet.search.settings.bounds import check_bounds
from plainnet.search.settings.config import SearchConfig
from plainnet.search.settings.trainer import Trainer
from plainnet.search.store import EpochRecord, RunStore, parts_of

__all__ = ["evolve", "held_store", "new_store"]

logger = logging.getLogger(__name__)


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


def new_store(
    folder: Path | None,
    config: SearchConfig,
    trainer: Trainer | None = None,
    *,
    watch: Watcher = nobody,
    start_seconds: float = START_SECONDS,
) -> RunStore:
    """The store of a new run. A search without bounds, budgets that nothing meets, unknown objectives and rungs that cannot
    be climbed are found here, before anything runs. start_seconds: for the networks that a search starts from which starts
    from the optimum.
    """
    check_bounds(config)
    config = _pinned(config)
    check_ladder(config)
    error = None
    if needs_latency(config):
        coefficients, error = calibrate(config)
        config = dataclasses.replace(config, latency=coefficients)
    told = ""
    if config.start and not config.starts:
        config, told = with_starts(config, start_seconds, lambda _, spent: watch(_solving(spent, start_seconds)))
    scout = Worker(config)  # which loads blocks of one's own
    scout.check_objectives()
    check_training(config, trainer, folder)
    store = RunStore.create(folder, config, objectives=scout.objective_names, directions=scout.directions)
    if error is not None:
        store.note("latency", said_of_fit(error))
    elif config.latency_model:
        store.note("latency", said_of_table(config))
    if told:
        store.note("start", told)
    if scout.shrunk:
        store.note("start", f"the start is over the budgets; the search starts from what it shrinks to: {scout.shrunk}")
    return store


def _solving(spent: float, seconds: float) -> Progress:
    most = max(1, math.ceil(seconds))
    return Progress("solving for the start, seconds", min(most, int(spent)), most, spent)


def _pinned(config: SearchConfig) -> SearchConfig:
    """The configuration with the calibrations that it names pinned to what their files hold now."""
    objectives = []
    for text in config.objectives:
        direction, name, _ = read_objective(text)
        objectives.append(f"{direction}:{pinned(name)}" if direction else pinned(name) if is_calibrated(name) else text)
    ladder = tuple(dataclasses.replace(rung, proxy=pinned(rung.proxy)) for rung in config.ladder)
    return dataclasses.replace(config, objectives=tuple(objectives), ladder=ladder)


def evolve(
    store: RunStore,
    *,
    workers: int = 1,
    executor: str = "local",
    watch: Watcher = nobody,
    max_seconds: float = math.inf,
) -> None:
    """Run the epochs that are still missing. None is begun that would, at the rate so far, end by more than half of it
    after `max_seconds`.
    """
    progress = Tracker(store, watch)
    for text in said_before(store):
        progress.tell(text)
    if store.proposed >= store.config.candidates or is_exhausted(store):
        return
    if store.measures():
        store.forget_measures()  # of a ladder that was climbed when `max_seconds` were over
    with parts_of(store.path or "memory"):
        team = make_team(
            store.config, workers=workers, executor=executor, on_death=lambda text: progress.note("worker", text)
        )
        try:
            _run_epochs(store, team, progress, max_seconds)
        finally:
            team.close()


def said_before(store: RunStore) -> list[str]:
    """What a person should hear of a run before it goes on: how well latencies are predicted."""
    return [text for _, kind, _, text in store.events() if kind == "latency"]


def _run_epochs(store: RunStore, team: Team, progress: Tracker, max_seconds: float) -> None:
    config = store.config
    states: dict[int, dict[str, Any] | None] = dict.fromkeys(range(config.islands))
    arrivals: dict[int, list[Any]] = {}
    epoch, proposed = store.epochs_done, store.proposed
    if epoch:
        saved, arrivals = store.states()
        states.update(saved)
    team.settle(states, store.known())
    evaluated: dict[int, bytes] = {}
    pending: EpochRecord | None = None
    clock, quiet = _Clock(max_seconds), quiet_candidates(store)
    while proposed < config.candidates and quiet < QUIET:
        shares = config.shares(epoch, proposed)
        if clock.is_late(sum(shares)):
            break
        began = time.perf_counter()
        team.submit(epoch, shares, arrivals, evaluated)
        if pending is not None:
            _keep(store, pending, progress)
            pending = None
        reports = team.collect(lambda: (states, store.known()))  # noqa: B023 - called before the next epoch
        progress.tell_failures(reports)
        pending = _merge(epoch, reports, store, sum(shares), time.perf_counter() - began)
        states, arrivals = dict(pending.states), dict(pending.arrivals)
        evaluated = {island: array("q", (row[0] for row in rows)).tobytes() for island, rows in pending.rows.items()}
        epoch, proposed = epoch + 1, proposed + pending.proposed
        clock.count(pending.proposed)
        quiet = 0 if any(pending.rows.values()) else quiet + pending.proposed
    if pending is not None:
        _keep(store, pending, progress)
    if quiet >= QUIET:
        progress.note("stopped", said_of_exhaustion(store))
    elif proposed < config.candidates:
        progress.note("stopped", f"stopped after {proposed:,} of {config.candidates:,} candidates: the time was over")


def _keep(store: RunStore, record: EpochRecord, progress: Tracker) -> None:
    store.commit_epoch(record)
    tally = ", ".join(f"{count:,} {name}" for name, count in sorted(record.tally.items()))
    logger.info(
        "epoch %d: %d candidates, %s; best %s", record.epoch, record.proposed, tally or "all evaluated", record.best
    )
    progress.show(record)
    if record.best is None and (said := hopeless(store)):
        raise RunError(said)


class _Clock:
    """Whether there is time for another epoch. Some epoch is always run."""

    def __init__(self, max_seconds: float) -> None:
        self._began, self._most, self._done = time.monotonic(), max_seconds, 0

    def count(self, candidates: int) -> None:
        """So many more are done."""
        self._done += candidates

    def is_late(self, candidates: int) -> bool:
        """Whether more than half of an epoch of so many would come too late, at the rate so far."""
        if not self._done or math.isinf(self._most):
            return False
        spent = time.monotonic() - self._began
        return spent + 0.5 * candidates * spent / self._done > self._most


def _merge(
    epoch: int, reports: Mapping[int, IslandReport], store: RunStore, proposed: int, seconds: float
) -> EpochRecord:
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
            if value is not None and (best is None or value * sign > best * sign):
                best, best_hash = value, row[0]
        rows[island] = mine
        if reports[island].failures:
            tally.update(count_failures(reports[island].failures, {row[0] for row in mine}))
        tally.update(reports[island].tally)
    migrants = {(island + 1) % config.islands: report.emigrants for island, report in reports.items()}
    return EpochRecord(
        epoch=epoch,
        rows=rows,
        states={island: report.state for island, report in reports.items()},
        arrivals=migrants if config.migrates_after(epoch) else {},
        proposed=proposed,
        tally=tally,
        best=best,
        best_hash=best_hash,
        seconds=seconds,
    )
