"""Runs made from runs: a fork goes on from where one is, a merged run holds the candidates of several.

Both keep every candidate that was evaluated, and have budgets of their own; which of the candidates is the best is decided
among those within them.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from plainnet.blocks.structure import Structure
from plainnet.blocks.text.reader import read_blocks
from plainnet.errors import RunError, StructureError, UsageError, not_written
from plainnet.files.lock import RunLock
from plainnet.search.candidates.compounds import genes_of
from plainnet.search.candidates.evaluation import Counter
from plainnet.search.candidates.genes import GenePool
from plainnet.search.executors.workers import Worker
from plainnet.search.ladder.latency_budget import calibrate, needs_latency, said_of_fit
from plainnet.search.runs.kept_runs import SCRATCH, opened
from plainnet.search.runs.optimum_state import is_optimum
from plainnet.search.runs.trusting import refuse_code
from plainnet.search.settings.bounds import check_bounds
from plainnet.search.settings.config import SearchConfig
from plainnet.search.store import (
    COST_PREFIX,
    COSTS,
    FILE_NAME,
    EpochRecord,
    RunStore,
    UnusableRunError,
    damaged,
    parts_of,
    quoted,
)

__all__ = ["fork", "merge", "tightest"]


def fork(
    source: Path,
    target: Path,
    *,
    candidates: int | None = None,
    seed: int | None = None,
    limits: Mapping[str, float] | None = None,
    trust: bool = False,
) -> None:
    """Copy a run, changed, to go on from where it is. Members of populations that are over new budgets are left behind;
    what new budgets ask for is worked out for the candidates that are there; the ladder is climbed anew.
    `trust`: the Python code that the run names may run.
    """
    with _new_run(target) as folder:
        with opened(source) as store:
            changed = _changed(store, source, candidates=candidates, seed=seed, limits=limits or {})
            refuse_code(changed, trust=trust)
            check_bounds(changed)
            error = None
            if needs_latency(changed):
                coefficients, error = calibrate(changed)
                changed = dataclasses.replace(changed, latency=coefficients)
            with parts_of(source / FILE_NAME):
                worker = Worker(changed)
            states = store.states()[0] if store.epochs_done else {}
            store.snapshot(folder / FILE_NAME)
        with _rows_of(source, folder), closing(RunStore.open(folder)) as copy, parts_of(source / FILE_NAME):
            refitted = {
                island: worker.refit(state, island, reseed=seed is not None, budgets=bool(limits))
                for island, state in states.items()
            }
            copy.rewrite(changed, refitted, f"forked from {source}")
            if error is not None:
                copy.note("latency", said_of_fit(error))
            _fill_costs(copy)


@contextmanager
def _rows_of(source: Path, folder: Path) -> Iterator[None]:
    """What is damaged in the copy of a run is damaged in the run, which stays where it is."""
    try:
        yield
    except UnusableRunError as error:
        said = str(error).replace(str(folder / FILE_NAME), str(source / FILE_NAME))
        raise UnusableRunError(said, state=error.state) from error
    except StructureError as error:
        raise damaged(source / FILE_NAME, f"candidates.structure: {error.problems[0].message}") from error


def _changed(
    store: RunStore, source: Path, *, candidates: int | None, seed: int | None, limits: Mapping[str, float]
) -> SearchConfig:
    """The configuration of a fork."""
    if store.info("kind") == "merged":
        raise RunError(f"{source} was merged from other runs; there is nothing to go on from")
    if is_optimum(store):
        raise RunError(
            f"{source} is an exact search, which has no population to go on from; solve again: plainnet optimum"
        )
    config, done = store.config, store.proposed
    changes: dict[str, Any] = {"limits": {**config.limits, **limits}}
    if candidates is not None:
        changes["candidates"] = candidates
    if seed is not None:
        changes["seed"] = seed
    if changes.get("candidates", config.candidates) < done:
        raise UsageError(f"{source} has proposed {done:,} candidates already; accepted: at least as many")
    return dataclasses.replace(config, **changes)


def _fill_costs(store: RunStore, *, anew: bool = False) -> None:
    """Work out what a budget or an objective asks for, for candidates that were evaluated when nothing did; `anew`: also
    where latencies are there, which another fit predicted. A latency that the run's table cannot predict is None.
    """
    asked = store.config.asked
    if not asked:
        return
    pool, counter = GenePool(), Counter(store.config.setting, asked=asked, latency=store.config.latency_costs)
    missing = " OR ".join(f"{quoted(name)} IS NULL" for name in sorted(asked))
    found: dict[str, list[tuple[float | None, int]]] = {name: [] for name in asked}
    for number, structure in store.lines(
        ("id", "structure"), "ORDER BY id" if anew else f"WHERE {missing} ORDER BY id"
    ):
        costs = counter.costs(genes_of(Structure(read_blocks(structure)), pool))
        for name, values in found.items():
            if costs is not None:
                values.append((getattr(costs, name), number))
            elif name == "latency_ms":  # what another fit said of it is no value beside those of the table
                values.append((None, number))
    for name, values in found.items():
        for column in (name, f"{COST_PREFIX}{name}"):
            if column in (*COSTS, *store.columns):
                store.set_costs(column, values)


@contextmanager
def _new_run(target: Path) -> Iterator[Path]:
    """A folder to make a run in, which takes its place in `target` when it is complete: a run is either there or not."""
    if os.path.exists(target / FILE_NAME):
        raise RunError(f"there is a run in {target} already")
    scratch = target / SCRATCH
    try:
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
    except OSError as error:
        raise not_written(target, error, done="made") from None
    try:
        with RunLock(target):
            yield scratch
            (scratch / FILE_NAME).replace(target / FILE_NAME)
    except OSError as error:
        raise not_written(target, error, done="made") from None
    except RunError as error:
        if "no room" not in str(error):
            raise
        raise RunError(f"{target} cannot be made: no room to write it") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        with suppress(OSError):
            if {path.name for path in target.iterdir()} <= {"lock"}:
                shutil.rmtree(target, ignore_errors=True)


def merge(sources: Sequence[Path], target: Path, *, limits: Mapping[str, float] | None = None) -> int:
    """Put runs together: the candidates of all, each structure once. Returns how many there are. The budgets of
    the merged run are `limits` where they are given, and else the tightest of the runs'.
    """
    configs = []
    for source in sources:
        with opened(source) as each:
            configs.append(each.config)
            if _setting(each.config) != _setting(configs[0]):
                raise UsageError(
                    f"{source} has other objectives, input, classes or another version of the composite than {sources[0]}"
                )
            columns, directions = each.columns, each.directions
    config = dataclasses.replace(
        configs[0],
        limits={**tightest(configs), **(limits or {})},
        latency=next((each.latency for each in configs if each.latency), ()),
        latency_model=next((each.latency_model for each in configs if each.latency_model), {}),
        blocks=tuple(dict.fromkeys(path for each in configs for path in each.blocks)),
    )
    check_bounds(config)
    if needs_latency(config):
        raise UsageError(
            "none of the runs predicts latencies; accepted: a budget of latency_ms where one of them has one"
        )
    facts = {"sources": json.dumps([each.to_json() for each in configs])}
    with _new_run(target) as folder:
        store = RunStore.create(
            folder, config, objectives=columns, directions=directions, kind="merged", facts=facts, columns=columns
        )
        with closing(store):
            seen: set[int] = set()
            for source in sources:
                with opened(source) as each:
                    _take_in(store, each, seen)
                    _take_measures(store, each)
            differ = any(_predicts(each) != _predicts(configs[0]) for each in configs)
            _fill_costs(store, anew=differ)
            if differ and config.latency_costs:
                used = "a table" if config.latency_model else "one fit"
                store.note("merge", f"the runs predict latencies in different ways; here all are predicted by {used}")
            if len({tuple(sorted(each.limits.items())) for each in configs}) > 1:
                store.note("merge", f"the runs have different budgets; those of the merged run: {_said(config.limits)}")
    return len(seen)


def _predicts(config: SearchConfig) -> tuple[Any, Any]:
    """What a run predicts latencies with."""
    return config.latency, config.latency_model


def tightest(configs: Sequence[SearchConfig]) -> dict[str, float]:
    """The lowest limit of each budget that one of the runs has."""
    found: dict[str, float] = {}
    for config in configs:
        for name, limit in config.limits.items():
            found[name] = min(limit, found.get(name, limit))
    return found


def _said(limits: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {limit:,.12g}" for name, limit in limits.items()) or "none"


def _setting(config: SearchConfig) -> tuple[Any, ...]:
    """What runs must have in common for their scores to be comparable."""
    channels = None if config.blocks else config.in_channels  # blocks of one's own are not read for this
    return config.objectives, channels, config.resolution, config.num_classes, config.use_se, config.composite


def _take_in(store: RunStore, other: RunStore, seen: set[int]) -> None:
    """The epochs of a run behind those that are there; candidates that are known already count as duplicates."""
    names = ("island", "hash", "structure", "parent", "other_parent", "operator", *COSTS, *other.columns)
    seconds = other.seconds("epoch")
    ladder = (
        other.seconds() - seconds if other.config.ladder != store.config.ladder else 0.0
    )  # else it comes with the measures
    first, before, taken = 0, store.epochs_done, len(seen)
    for number, counts in enumerate(other.epoch_counts()):
        last = first + counts["evaluated"]
        rows: dict[int, list[tuple[Any, ...]]] = {}
        for island, *row in other.lines(names, f"WHERE id > {first} AND id <= {last} ORDER BY id"):
            if row[0] not in seen:
                seen.add(row[0])
                rows.setdefault(island, []).append(tuple(row))
        tally = {name: count for name, count in counts.items() if name not in ("candidates", "evaluated")}
        tally["duplicates"] += counts["evaluated"] - sum(map(len, rows.values()))
        time = seconds if number == 0 else 0.0
        store.commit_epoch(EpochRecord(before + number, rows, {}, {}, counts["candidates"], tally, None, None, time))
        first = last
    source = other.path.parent if other.path else "memory"
    store.note("merge", f"{len(seen) - taken:,} candidates from {source}", seconds=ladder)


def _take_measures(store: RunStore, other: RunStore) -> None:
    """What the ladder of a run measured, where the rungs of both mean the same; of two that measured one candidate, the
    first counts.
    """
    if other.config.ladder != store.config.ladder:
        return
    known = {(measure.rung, measure.hash) for measure in store.measures()}
    for rung, group in itertools.groupby(other.measures(), key=lambda measure: measure.rung):
        new = [measure for measure in group if (rung, measure.hash) not in known]
        store.add_measures(new, seconds=other.seconds(f"rung {rung}"))
