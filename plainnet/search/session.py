"""A search from beginning to end: evolution, ladder, result; begun or taken up again."""

from __future__ import annotations

import dataclasses
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plainnet.errors import RunError
from plainnet.search.config import SearchConfig
from plainnet.search.driver import Progress, Watcher, evolve, held_store, new_store, nobody
from plainnet.search.executors import make_team
from plainnet.search.ladder import climb, final_standings
from plainnet.search.store import COST_PREFIX, Candidate, RunStore

__all__ = ["Best", "SearchResult", "resume", "search", "summarise"]


@dataclass(frozen=True)
class Best:
    """The winner of a search. `scores` holds the objectives and what the ladder measured, by name."""

    structure: str
    hash: str
    params: int
    macs: int
    layers: int
    activations: int
    scores: dict[str, float]


@dataclass(frozen=True)
class SearchResult:
    """What a search found and what it took. `seconds` is the time of all its sessions."""

    best: Best
    candidates: int
    evaluated: int
    rejected: int
    duplicates: int
    failed: int
    seconds: float
    folder: Path | None

    def as_dict(self) -> dict[str, Any]:
        """The summary that `plainnet search --json` prints."""
        best = {name: value for name, value in dataclasses.asdict(self.best).items() if name != "scores"}
        best.update({name: value if math.isfinite(value) else None for name, value in self.best.scores.items()})
        values = {item.name: getattr(self, item.name) for item in dataclasses.fields(self)}
        return {
            "schema": "plainnet.search/1",
            **values,
            "best": best,
            "seconds": round(self.seconds, 3),
            "folder": str(self.folder) if self.folder else None,
        }


def search(
    config: SearchConfig,
    out: str | Path | None = None,
    *,
    workers: int = 1,
    executor: str = "local",
    watch: Watcher = nobody,
) -> SearchResult:
    """Run a search and keep it in the folder `out` (None: in memory only).

    The result depends on `config` alone: not on `workers`, nor on `executor` ("local": this process, or processes of
    this machine; "ray": a Ray cluster). `watch` is called with a `Progress` after every epoch. An interrupted search is
    taken up by `resume`. Raises `UsageError` for budgets that nothing meets, before anything is written.
    """
    folder = _new_folder(out)
    try:
        with held_store(folder, lambda: new_store(folder, config)) as store:
            return _finish(store, workers, executor, watch)
    except BaseException:
        _remove_if_empty(folder)
        raise


def resume(folder: str | Path, *, workers: int = 1, executor: str = "local", watch: Watcher = nobody) -> SearchResult:
    """Take up the search in a folder where it stopped; a finished one gives its result again."""
    path = Path(folder)
    if not path.is_dir():
        raise RunError(f"there is no run in {path}: no such folder")
    with held_store(path, lambda: RunStore.open(path, check=True)) as store:
        if store.info("kind") == "merged":
            raise RunError(f"{path} was merged from other runs; there is nothing to resume")
        return _finish(store, workers, executor, watch)


def _new_folder(out: str | Path | None) -> Path | None:
    if out is None:
        return None
    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{folder} cannot be made: {error.strerror}") from None
    return folder


def _remove_if_empty(folder: Path | None) -> None:
    """Leave no trace of a search that was refused before it began."""
    if folder is not None and {path.name for path in folder.iterdir()} <= {"lock"}:
        (folder / "lock").unlink(missing_ok=True)
        folder.rmdir()


def _finish(store: RunStore, workers: int, executor: str, watch: Watcher) -> SearchResult:
    evolve(store, workers=workers, executor=executor, watch=watch)
    config = store.config
    if not store.best(1):
        raise RunError(nothing_found(store))
    if config.ladder:
        began = time.perf_counter()
        found = store.best(1)[0]

        def announce(number: int, proxy: str, done: int, total: int) -> None:
            rungs = len(config.ladder)
            stage = f"rung {number} of {rungs}: {proxy}" if number <= rungs else "finalists: latency, measured"
            stage = f"verdict: {proxy}, fresh seeds" if number == rungs + 2 else stage
            seconds = time.perf_counter() - began
            score = found.scores[store.columns[0]]
            watch(Progress(stage, done, total, seconds, {}, found.structure, found.costs, score))

        team = make_team(config, workers=workers, executor=executor, on_death=lambda text: store.note("worker", text))
        try:
            climb(store, team, announce)
        finally:
            team.close()
    return summarise(store)


def nothing_found(store: RunStore) -> str:
    """What is said of a run whose candidates have no score, none of them."""
    totals = store.totals()
    if totals["failed"]:
        first = next((text for _, kind, _, text in store.events() if kind == "failed"), "")
        return f"no candidate has a score: {totals['failed']:,} of {totals['candidates']:,} failed; the first {first}"
    reasons = sorted(((count, name) for name, count in totals.items() if name not in NO_REASONS and count), reverse=True)
    why = ", ".join(f"{count:,} {name}" for count, name in reasons)
    return f"no candidate was evaluated ({why}); allow more candidates or repairs, or a larger budget"


NO_REASONS = ("candidates", "evaluated", "duplicates", "repaired", "failed", "rejected")
"""Counts that do not say why a candidate was rejected."""


def summarise(store: RunStore) -> SearchResult:
    """The result of a run, finished or not."""
    standings = final_standings(store)
    if not standings:
        raise RunError(f"{store.path} holds no evaluated candidate yet")
    winner = standings[0].candidate
    totals = store.totals()
    return SearchResult(
        best=Best(
            winner.structure,
            winner.short_hash,
            winner.costs["params"],
            winner.costs["macs"],
            winner.costs["layers"],
            winner.costs["activations"],
            scores_of(store, winner),
        ),
        candidates=totals["candidates"],
        evaluated=totals["evaluated"],
        rejected=totals["rejected"],
        duplicates=totals["duplicates"],
        failed=totals["failed"],
        seconds=store.seconds(),
        folder=store.path.parent if store.path else None,
    )


def scores_of(store: RunStore, candidate: Candidate) -> dict[str, float]:
    """Objectives and ladder of one candidate, the last rung that measured something giving its value."""
    scores = {
        name: value
        for name, value in candidate.scores.items()
        if value is not None and not name.startswith(COST_PREFIX)
    }
    for measure in store.measures():
        if measure.hash == candidate.hash and measure.mean is not None:
            scores[measure.proxy] = measure.mean
    return scores
