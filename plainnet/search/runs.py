"""What is done with runs that were kept: found, described, exported, compared, forked, merged."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from plainnet.errors import PlainnetError, RunError, UsageError
from plainnet.lock import RunLock
from plainnet.search.config import SearchConfig
from plainnet.search.ladder import final_standings, last_rung
from plainnet.search.measures import find_measurement
from plainnet.search.store import COSTS, FILE_NAME, Candidate, EpochRecord, Measure, RunStore
from plainnet.search.strategies import OPERATORS
from plainnet.search.workers import Worker

__all__ = [
    "About",
    "best_of",
    "describe",
    "diff",
    "exported",
    "exported_columns",
    "find_runs",
    "fork",
    "merge",
    "opened",
]


SCRATCH = ".new"
"""The folder beside a run's file where one is made that is not complete yet."""


class About(NamedTuple):
    """A run in one line."""

    space: str
    objective: str
    done: int
    total: int
    score: float | None
    state: str


@contextmanager
def opened(folder: Path) -> Iterator[RunStore]:
    """A run, for reading."""
    store = RunStore.open(folder, writable=False)
    try:
        yield store
    finally:
        store.close()


def find_runs(folder: Path) -> Iterator[tuple[Path, About | PlainnetError]]:
    """The runs in a folder and below it, each with what it is or what is wrong with it."""
    for path in sorted(folder.rglob(FILE_NAME)) if folder.is_dir() else ():
        if path.parent.name == SCRATCH:
            continue
        try:
            with opened(path.parent) as store:
                yield path.parent, _about(store)
        except PlainnetError as error:
            yield path.parent, error


def _about(store: RunStore) -> About:
    config, totals = store.config, store.totals()
    best = store.best(1)
    score = best[0].scores[store.columns[0]] if best else None
    objective = "+".join(config.objectives)
    return About(config.space.name, objective, totals["candidates"], config.candidates, score, state_of(store))


def state_of(store: RunStore) -> str:
    """finished, interrupted (or still running), or merged."""
    if store.info("kind") == "merged":
        return "merged"
    reached = max((measure.rung for measure in store.measures()), default=0)
    if store.epochs_done < store.config.epochs or reached < last_rung(store.config):
        return "unfinished"
    return "finished"


def describe(store: RunStore) -> dict[str, Any]:
    """A run in full, as plain data."""
    config, totals = store.config, store.totals()
    facts: dict[str, Any] = {
        "state": state_of(store),
        "space": config.space.name,
        "objectives": ", ".join(config.objectives),
        "budgets": dict(config.limits),
        "input": f"{config.resolution}x{config.resolution}, {config.num_classes} classes",
        "strategy": f"{config.strategy}, {config.islands} islands of {config.population}, epochs of {config.epoch:,}",
        "seed": config.seed,
        "ladder": ", ".join(map(str, config.ladder)) or "none",
        "versions": f"plainnet {store.info('plainnet')}, Python {store.info('python')}, {store.info('machine')}",
        "candidates": f"{totals.pop('candidates'):,} of {config.candidates:,}",
        "counts": totals,
        "seconds": round(store.seconds(), 1),
    }
    standings = final_standings(store)
    if standings:
        facts["best"] = standings[0].candidate.structure
    return facts


def best_of(store: RunStore, count: int) -> list[Candidate]:
    """The best candidates, those that climbed highest on the ladder first."""
    found: dict[int, Candidate] = {each.candidate.hash: each.candidate for each in final_standings(store)}
    last = {measure.hash: measure for measure in store.measures()}
    climbed = sorted(last.values(), key=_standing)
    candidates = store.by_hash([measure.hash for measure in climbed[: 4 * count]])
    found.update({each.hash: candidates[each.hash] for each in climbed[: 4 * count] if each.hash not in found})
    if len(found) < count:
        found.update({each.hash: each for each in store.best(count) if each.hash not in found})
    return list(found.values())[:count]


def _standing(measure: Measure) -> tuple[int, float]:
    """The highest rung first, and on it the best."""
    if measure.mean is None:
        return -measure.rung, math.inf
    return -measure.rung, -measure.mean if find_measurement(measure.proxy).higher_is_better else measure.mean


def exported_columns(store: RunStore) -> tuple[str, ...]:
    """What `exported` tells of a candidate."""
    return ("id", "epoch", "island", "hash", "structure", "parent", "other_parent", "operator", *COSTS, *store.columns)


def exported(store: RunStore) -> Iterator[dict[str, Any]]:
    """Every evaluated candidate as plain data."""
    names = exported_columns(store)
    quoted = ", ".join(f'"{name}"' for name in names)
    for row in store.query(f"SELECT {quoted} FROM candidates ORDER BY id"):
        line = dict(zip(names, row, strict=True))
        for name in ("hash", "parent", "other_parent"):
            line[name] = f"{line[name]:012x}" if line[name] else ""
        line["operator"] = OPERATORS[line["operator"]]
        yield line


def fork(
    source: Path,
    target: Path,
    *,
    candidates: int | None = None,
    seed: int | None = None,
    limits: Mapping[str, float] | None = None,
) -> None:
    """Copy a run, changed, to go on from where it is. Members of populations that are over new budgets are left behind;
    the ladder is climbed anew.
    """
    with _new_run(target) as folder:
        with opened(source) as store:
            changed = _changed(store, source, candidates=candidates, seed=seed, limits=limits or {})
            worker = Worker(changed)
            store.snapshot(folder / FILE_NAME)
        with closing(RunStore.open(folder)) as copy:
            states, _ = copy.states()
            refitted = {
                island: worker.refit(state, island, reseed=seed is not None, budgets=bool(limits))
                for island, state in states.items()
            }
            copy.rewrite(changed, refitted, f"forked from {source}")


def _changed(
    store: RunStore, source: Path, *, candidates: int | None, seed: int | None, limits: Mapping[str, float]
) -> SearchConfig:
    """The configuration of a fork."""
    if store.info("kind") == "merged":
        raise RunError(f"{source} was merged from other runs; there is nothing to go on from")
    config = store.config
    changes: dict[str, Any] = {"limits": {**config.limits, **limits}}
    if candidates is not None:
        changes["candidates"] = candidates
    if seed is not None:
        changes["seed"] = seed
    done = store.totals()["candidates"]
    if changes.get("candidates", config.candidates) < done:
        raise UsageError(f"the run has proposed {done:,} candidates already; accepted: at least as many")
    return dataclasses.replace(config, **changes)


@contextmanager
def _new_run(target: Path) -> Iterator[Path]:
    """A folder to make a run in, which takes its place in `target` when it is complete: a run is either there or not."""
    if (target / FILE_NAME).exists():
        raise RunError(f"there is a run in {target} already")
    scratch = target / SCRATCH
    try:
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
    except OSError as error:
        raise RunError(f"{target} cannot be made: {error.strerror}") from None
    try:
        with RunLock(target):
            yield scratch
            (scratch / FILE_NAME).replace(target / FILE_NAME)
    except OSError as error:
        raise RunError(f"{target} cannot be made: {error.strerror}") from None
    except RunError as error:
        if "no room" not in str(error):
            raise
        raise RunError(f"{target} cannot be made: no room to write it") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        if {path.name for path in target.iterdir()} <= {"lock"}:
            shutil.rmtree(target, ignore_errors=True)


def merge(sources: Sequence[Path], target: Path) -> int:
    """Put runs together: the candidates of all, each structure once. Returns how many there are."""
    with opened(sources[0]) as first:
        config, columns, directions = first.config, first.columns, first.directions
    for source in sources[1:]:
        with opened(source) as each:
            if _setting(each.config) != _setting(config):
                raise UsageError(f"{source} has other objectives, input or classes than {sources[0]}")
    with _new_run(target) as folder:
        store = RunStore.create(folder, config, objectives=columns, directions=directions, kind="merged")
        with closing(store):
            seen: set[int] = set()
            for source in sources:
                with opened(source) as each:
                    _take_in(store, each, seen)
                    _take_measures(store, each)
    return len(seen)


def _setting(config: SearchConfig) -> tuple[Any, ...]:
    """What runs must have in common for their scores to be comparable."""
    return config.objectives, config.resolution, config.num_classes, config.use_se


def _take_in(store: RunStore, other: RunStore, seen: set[int]) -> None:
    """The epochs of a run behind those that are there; candidates that are known already count as duplicates."""
    names = ", ".join(("hash, structure, parent, other_parent, operator", *COSTS, *(f'"{n}"' for n in other.columns)))
    seconds = other.seconds() if other.config.ladder != store.config.ladder else other.seconds("epoch")
    first, before, taken = 0, store.epochs_done, len(seen)
    for number, counts in enumerate(other.epoch_counts()):
        last = first + counts["evaluated"]
        rows: dict[int, list[tuple[Any, ...]]] = {}
        query = f"SELECT island, {names} FROM candidates WHERE id > ? AND id <= ? ORDER BY id"
        for island, *row in other.query(query, (first, last)):
            if row[0] not in seen:
                seen.add(row[0])
                rows.setdefault(island, []).append(tuple(row))
        tally = {name: count for name, count in counts.items() if name not in ("candidates", "evaluated")}
        tally["duplicates"] += counts["evaluated"] - sum(map(len, rows.values()))
        time = seconds if number == 0 else 0.0
        store.commit_epoch(EpochRecord(before + number, rows, {}, {}, counts["candidates"], tally, None, None, time))
        first = last
    store.note("merge", f"{len(seen) - taken:,} candidates from {other.path.parent if other.path else 'memory'}")


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


def diff(first: Path, second: Path) -> tuple[list[str], bool]:
    """How two runs differ, as lines, and whether all their rows are the same."""
    lines: list[str] = []
    with opened(first) as one, opened(second) as two:
        lines += _config_lines(one.config, two.config)
        same = True
        for table, order in (
            ("candidates", "id"),
            ("epochs", "epoch"),
            ("islands", "island"),
            ("measures", "rung, hash"),
        ):
            rows = [store.query(f"SELECT * FROM {table} ORDER BY {order}") for store in (one, two)]
            equal = rows[0] == rows[1]
            same = same and equal
            shared = next(
                (n for n, pair in enumerate(zip(*rows, strict=False)) if pair[0] != pair[1]), min(map(len, rows))
            )
            count = f"{len(rows[0]):,} and {len(rows[1]):,} rows"
            lines.append(f"{table}: {count}, " + ("all equal" if equal else f"the first {shared:,} equal"))
        for folder, store in ((first, one), (second, two)):
            standings = final_standings(store)
            if standings:
                lines.append(f"best of {folder}: {standings[0].mean:.4f} {standings[0].candidate.structure}")
    return lines, same


def _config_lines(one: SearchConfig, two: SearchConfig) -> list[str]:
    first, second = json.loads(one.to_json()), json.loads(two.to_json())
    return [f"{name}: {first[name]} and {second[name]}" for name in first if first[name] != second[name]] or [
        "configuration: equal"
    ]
