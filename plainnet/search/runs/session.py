"""A search from beginning to end: evolution, ladder, result; begun or taken up again."""

from __future__ import annotations

import logging
import math
import os
import time
from contextlib import suppress
from pathlib import Path
from shlex import quote

from plainnet.errors import RunError, UsageError, not_written
from plainnet.files.file_kinds import no_run_in
from plainnet.files.run_log import run_log
from plainnet.proxies.calibrated.names import short_name
from plainnet.search.exact.optimum import Standing
from plainnet.search.executors import make_team
from plainnet.search.ladder.fronts import front_of
from plainnet.search.ladder.ladder import climb
from plainnet.search.ladder.ranking import explanations, is_climbed, ranking, scores_of, unmet
from plainnet.search.ladder.rung_names import latency_rung, verdict_rung
from plainnet.search.ladder.trainings import best_training
from plainnet.search.runs.driver import evolve, held_store, new_store
from plainnet.search.runs.exhaustion import is_exhausted, nothing_found
from plainnet.search.runs.optimum_start import START_SECONDS
from plainnet.search.runs.optimum_state import is_optimum
from plainnet.search.runs.progress import Progress, Watcher, nobody
from plainnet.search.runs.search_bound import FACT, bound_of, note_bound
from plainnet.search.runs.search_result import Best, SearchResult
from plainnet.search.runs.trusting import code_of, refuse_code
from plainnet.search.settings.config import SearchConfig
from plainnet.search.settings.trainer import Trainer
from plainnet.search.space.mutators import cell_code
from plainnet.search.store import Candidate, RunStore

__all__ = ["as_best", "new_folder", "remove_if_empty", "resume", "search", "summarise"]

logger = logging.getLogger(__name__)

MOST_SECONDS = 10.0
"""Of the processor, for a bound where nobody says how long it may take."""


def search(
    config: SearchConfig,
    out: str | Path | None = None,
    *,
    workers: int = 1,
    executor: str = "local",
    watch: Watcher = nobody,
    max_seconds: float = math.inf,
    trainer: Trainer | None = None,
    bound_seconds: float | None = 0.0,
    start_seconds: float = START_SECONDS,
) -> SearchResult:
    """Run a search and keep it in the folder `out` (None: in memory only).

    The result depends on `config` alone: not on `workers`, nor on `executor` ("local": this process, or processes of
    this machine; "ray": a Ray cluster). `watch` is called with a `Progress` after every epoch. An interrupted search is
    taken up by `resume`. `max_seconds`: after so long no more candidates are proposed, the ladder is climbed by those that
    there are, and `resume` goes on with the rest. `trainer`: what trains candidates where a rung of the ladder does,
    `plainnet.engine.CandidateTrainer()`. `bound_seconds`: at the end, about so much time of the processor at most is taken
    to prove a bound on all networks of the space (`SearchResult.bound`), where objective and budgets are sums over blocks;
    0 for none, None for as long as the search itself took, ten seconds at most. `start_seconds`: the same at the beginning, for
    the networks that a search starts from which starts from the optimum. Raises `UsageError` for a search that
    nothing bounds and for budgets that nothing meets, before anything is written.
    """
    folder = new_folder(out) if out is not None else None
    try:
        with held_store(
            folder, lambda: new_store(folder, config, trainer, watch=watch, start_seconds=start_seconds)
        ) as store:
            return _finish(store, workers, executor, watch, max_seconds, trainer, bound_seconds)
    except BaseException:
        remove_if_empty(folder)
        raise


def resume(
    folder: str | Path,
    *,
    workers: int = 1,
    executor: str = "local",
    watch: Watcher = nobody,
    max_seconds: float = math.inf,
    trust: bool = False,
    trainer: Trainer | None = None,
    bound_seconds: float | None = 0.0,
) -> SearchResult:
    """Take up the search in a folder where it stopped; a finished one gives its result again. `trust`: the Python code that
    the run names (blocks and objectives of one's own) may run.
    """
    path = Path(folder)
    if not os.path.isdir(path):
        raise no_run_in(path)
    with held_store(path, lambda: RunStore.open(path, check=True)) as store:
        if is_optimum(store):
            quoted = quote(str(path))
            raise RunError(
                f"the run in {path} is an exact search; to go on with it: plainnet optimum --resume {quoted}"
            )
        if store.info("kind") == "merged":
            raise RunError(f"{path} was merged from other runs; there is nothing to resume")
        if store.proposed < store.config.candidates or not is_climbed(store):
            refuse_code(store.config, trust=trust)
        return _finish(store, workers, executor, watch, max_seconds, trainer, bound_seconds)


def new_folder(out: str | Path) -> Path:
    """The folder of a new run; `RunError` where it cannot be made."""
    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise not_written(folder, error, done="made") from None
    return folder


def remove_if_empty(folder: Path | None) -> None:
    """Leave no trace of a search that was refused before it began."""
    if folder is None:
        return
    with suppress(OSError):  # somebody else may have removed it
        if {path.name for path in folder.iterdir()} <= {"lock"}:
            (folder / "lock").unlink(missing_ok=True)
            folder.rmdir()


def _finish(
    store: RunStore,
    workers: int,
    executor: str,
    watch: Watcher,
    max_seconds: float,
    trainer: Trainer | None,
    bound_seconds: float | None,
) -> SearchResult:
    config, began = store.config, time.perf_counter()
    is_done = (store.proposed >= config.candidates or is_exhausted(store)) and is_climbed(store)
    with run_log(store.path.parent if store.path is not None and not is_done else None, "plainnet.search"):
        logger.info("%s", _beginning(store, workers, executor))
        evolve(store, workers=workers, executor=executor, watch=watch, max_seconds=max_seconds)
        if not store.best(1):
            raise RunError(nothing_found(store))
        if config.ladder or "latency_ms" in config.limits:
            _climb(store, workers, executor, watch, trainer)
        if bound_seconds is None:
            bound_seconds = 0.0 if is_done else min(MOST_SECONDS, time.perf_counter() - began)
        if bound_seconds and store.noted(FACT) is None and not (is_done and code_of(config)):
            _prove(store, bound_seconds, watch)
        store.verify_kept()
        found = summarise(store)
        logger.info("the best: %s %s", found.decided_by, found.best.structure)
    return found


def _beginning(store: RunStore, workers: int, executor: str) -> str:
    config = store.config
    begun = f"goes on after {store.proposed:,} candidates" if store.proposed else "begins"
    budgets = ", ".join(f"{name} {limit:,.12g}" for name, limit in config.limits.items()) or "none"
    asked = f"objectives {', '.join(config.objectives)}; budgets {budgets}; seed {config.seed}"
    return f"the search of {config.space.name} {begun}: {asked}; workers {workers} ({executor})"


def _climb(store: RunStore, workers: int, executor: str, watch: Watcher, trainer: Trainer | None) -> None:
    if store.config.trains and trainer is None and not is_climbed(store):
        raise UsageError("the ladder trains; give resume(..., trainer=plainnet.engine.CandidateTrainer())")
    began, rungs = time.perf_counter(), len(store.config.ladder)
    special = {
        latency_rung(store.config): "finalists: {}, measured",
        verdict_rung(store.config): "verdict: {}, fresh seeds",
    }

    def announce(number: int, proxy: str, done: int, total: int) -> None:
        stage = special.get(number, f"rung {number} of {rungs}: {{}}").format(short_name(proxy))
        lead = ranking(store, 1)[0]
        seconds, found = time.perf_counter() - began, lead.candidate
        watch(Progress(stage, done, total, seconds, {}, found.structure, found.costs, lead.mean, lead.score_name))

    def told(text: str) -> None:
        store.note("worker", text)

    team = make_team(store.config, workers=workers, executor=executor, on_death=told, trainer=trainer)
    try:
        climb(store, team, announce)
    finally:
        team.close()


def _prove(store: RunStore, seconds: float, watch: Watcher) -> None:
    """Prove what the space can give at most."""
    began = time.process_time()

    def told(standing: Standing) -> None:  # noqa: ARG001
        spent = min(math.ceil(seconds), int(time.process_time() - began))
        watch(Progress("proving a bound, seconds", spent, math.ceil(seconds), time.process_time() - began))

    note_bound(store, seconds, told)


def summarise(store: RunStore) -> SearchResult:
    """The result of a run, finished or not."""
    standings = ranking(store, 1)
    if not standings:
        raise RunError(f"{store.path} holds no evaluated candidate yet")
    totals = store.totals()
    front = front_of(store) if len(store.columns) > 1 else []
    best, *others = as_best(store, [standings[0].candidate, *front])
    return SearchResult(
        best=best,
        candidates=totals["candidates"],
        evaluated=totals["evaluated"],
        rejected=totals["rejected"],
        duplicates=totals["duplicates"],
        failed=totals["failed"],
        seconds=store.seconds(),
        searching_seconds=store.seconds("epoch"),
        folder=store.path.parent if store.path else None,
        asked=store.config.candidates,
        decided_by=standings[0].score_name,
        explanations=explanations(store),
        front=tuple(others),
        unmet=unmet(store),
        exhausted=is_exhausted(store),
        trained=best_training(store, standings[0].candidate),
        bound=bound_of(store),
    )


def as_best(store: RunStore, candidates: list[Candidate]) -> list[Best]:
    """Candidates with all that the run knows of them."""
    scores, space = scores_of(store, candidates), store.config.space
    return [
        Best(each.structure, each.short_hash, **each.costs, scores=values, code=cell_code(space, each.structure))
        for each, values in zip(candidates, scores, strict=True)
    ]
