"""What is done with runs that were kept: found, described, exported, compared."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from plainnet.errors import PlainnetError
from plainnet.search.ladder.ranking import is_climbed, ranking, scores_of, unmet
from plainnet.search.runs.exhaustion import is_exhausted
from plainnet.search.runs.optimum_state import describe_optimum, is_optimum, read_state
from plainnet.search.runs.search_bound import bound_of
from plainnet.search.settings.config import SearchConfig
from plainnet.search.store import COSTS, FILE_NAME, FIXED, Candidate, RunStore, damaged
from plainnet.search.strategies import OPERATORS

__all__ = [
    "About",
    "about_run",
    "best_of",
    "describe",
    "diff",
    "exported",
    "exported_columns",
    "find_runs",
    "opened",
]


SCRATCH = ".new"
"""The folder beside a run's file where one is made that is not complete yet."""


class About(NamedTuple):
    """A run in one line. `score` is the winner's, under the name of what decided; `total` is None for a merged run.
    `is_exact`: its networks were computed, not searched for.
    """

    space: str
    objective: str
    done: int
    total: int | None
    score: float | None
    score_name: str | None
    winner: str | None
    state: str
    is_exact: bool = False


@contextmanager
def opened(folder: Path, *, digests: bool = True) -> Iterator[RunStore]:
    """A run, for reading. `digests`: as `RunStore.open` takes it."""
    store = RunStore.open(folder, writable=False, digests=digests)
    try:
        yield store
    finally:
        store.close()


def about_run(folder: Path, *, digests: bool = True) -> About:
    """A run in one line. Raises `RunError` for what is none, or damaged. `digests`: as `RunStore.open` takes it."""
    with opened(folder, digests=digests) as store:
        return _about(store)


def find_runs(folder: Path) -> Iterator[tuple[Path, About | PlainnetError]]:
    """The runs in a folder and below it, each with what it is or what is wrong with it."""
    for path in sorted(folder.rglob(FILE_NAME)) if os.path.isdir(folder) else ():
        if path.parent.name == SCRATCH:
            continue
        try:
            yield path.parent, about_run(path.parent)
        except PlainnetError as error:
            yield path.parent, error


def _about(store: RunStore) -> About:
    config, best, state = store.config, ranking(store, 1), state_of(store)
    lead = best[0] if best else None
    return About(
        config.space.name,
        "+".join(config.objectives),
        store.proposed,
        None if state == "merged" or is_optimum(store) else config.candidates,
        lead.mean if lead else None,
        lead.score_name if lead else None,
        lead.candidate.short_hash if lead else None,
        state,
        is_optimum(store),
    )


def state_of(store: RunStore) -> str:
    """finished, unfinished (interrupted, or still running), merged, or over the latency budget."""
    if store.info("kind") == "merged":
        return "merged"
    if is_optimum(store):
        return "finished" if read_state(store).is_finished else "unfinished"
    if (store.proposed < store.config.candidates and not is_exhausted(store)) or not is_climbed(store):
        return "unfinished"
    return "over budget" if unmet(store) else "finished"


def describe(store: RunStore) -> dict[str, Any]:
    """A run in full, as plain data."""
    config, totals, state = store.config, store.totals(), state_of(store)
    done = f"{totals.pop('candidates'):,}"
    facts: dict[str, Any] = {
        "state": state,
        "space": config.space.name,
        "objectives": ", ".join(config.objectives),
        "budgets": dict(config.limits),
        "input": f"{config.resolution}x{config.resolution}, {config.num_classes} classes",
        **(describe_optimum(store) if is_optimum(store) else _strategy(config)),
        "versions": f"plainnet {store.info('plainnet')}, Python {store.info('python')}, {store.info('machine')}",
        "candidates": done if state == "merged" or is_optimum(store) else f"{done} of {config.candidates:,}",
        **({} if is_optimum(store) else {"counts": totals}),
        "seconds": round(read_state(store).seconds if is_optimum(store) else store.seconds(), 1),
    }
    missed = unmet(store)
    if missed is not None:
        facts["unmet"] = str(missed)
    standings = ranking(store, 1)
    if standings:
        candidate = standings[0].candidate
        facts["best"] = candidate.structure
        facts["best costs"] = {name: value for name, value in candidate.costs.items() if value is not None}
        facts["best scores"] = scores_of(store, [candidate])[0]
        facts["decided by"] = standings[0].score_name
    bound = bound_of(store)
    if bound is not None:
        facts["bound"] = str(bound) or f"none: {bound.reason}"
    return facts


def _strategy(config: SearchConfig) -> dict[str, Any]:
    return {
        "strategy": f"{config.strategy}, {config.islands} islands of {config.population}, epochs of {config.epoch:,}",
        "seed": config.seed,
        "ladder": ", ".join(map(str, config.ladder)) or "none",
    }


def best_of(store: RunStore, count: int) -> list[Candidate]:
    """The best candidates, as `ranking` orders them."""
    return [standing.candidate for standing in ranking(store, count)]


def exported_columns(store: RunStore) -> tuple[str, ...]:
    """What `exported` tells of a candidate."""
    return (*FIXED, *COSTS, *store.columns)


def exported(store: RunStore) -> Iterator[dict[str, Any]]:
    """Every evaluated candidate as plain data."""
    names = exported_columns(store)
    for row in store.lines(names):
        line = dict(zip(names, row, strict=True))
        for name in ("hash", "parent", "other_parent"):
            line[name] = f"{line[name]:012x}" if line[name] else ""
        if not 0 <= line["operator"] < len(OPERATORS):
            raise damaged(store.path or "memory", f"candidates.operator is {line['operator']} (candidate {line['id']})")
        line["operator"] = OPERATORS[line["operator"]]
        yield line


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
            for best in ranking(store, 1):
                lines.append(f"best of {folder}: {best.score_name} {best.mean:.4f} {best.candidate.structure}")
    return lines, same


def _config_lines(one: SearchConfig, two: SearchConfig) -> list[str]:
    first, second = json.loads(one.to_json()), json.loads(two.to_json())
    return [f"{name}: {first[name]} and {second[name]}" for name in first if first[name] != second[name]] or [
        "configuration: equal"
    ]
