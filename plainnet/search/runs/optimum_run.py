"""`optimum`: the best network of a space within budgets, computed, with a proven bound; a run that is kept like others."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from shlex import quote
from typing import Any

from plainnet.blocks.user import load_blocks
from plainnet.errors import RunError, UsageError
from plainnet.files.file_kinds import no_run_in
from plainnet.search.candidates.objectives import find_objective
from plainnet.search.exact.asking import exact_config, question_of
from plainnet.search.exact.certificate import Certificate
from plainnet.search.exact.log_sums import LogSum
from plainnet.search.exact.optimum import ExactRun, Standing, check_asked, solved
from plainnet.search.exact.result import Optimum
from plainnet.search.ladder.latency_budget import calibrate, needs_latency, said_of_fit
from plainnet.search.runs.driver import held_store
from plainnet.search.runs.kept_runs import opened
from plainnet.search.runs.optimum_state import FACT, KIND, MOST_NEAR, OptimumState, is_optimum, read_state, state_of_run
from plainnet.search.runs.session import new_folder, remove_if_empty
from plainnet.search.runs.trusting import refuse_code
from plainnet.search.settings.bounds import check_bounds
from plainnet.search.settings.config import SearchConfig
from plainnet.search.space.space import Space
from plainnet.search.store import EpochRecord, RunStore, structure_hash

__all__ = ["begin_optimum", "certificates_of", "optimum", "resume_optimum"]

Watch = Callable[[Standing], None]


def optimum(
    space: str | Space | Mapping[str, Any],
    *,
    objective: str | None = None,
    limits: Mapping[str, float] | None = None,
    resolution: int | None = None,
    num_classes: int | None = None,
    use_se: bool = False,
    gap: float = 1e-3,
    top: int = 10,
    max_seconds: float | None = None,
    watch: Watch = lambda _: None,
    out: str | Path | None = None,
    near: int = 0,
) -> Optimum:
    """The best network of a space within `limits` (budget -> limit), with a bound on all others that mutation could reach.

    objective: a sum over blocks (by default the space's own): zen (its leading terms), madnas, a cost, or an object of the user's
    whose `prepare(setting)` has `of_block(block, shape)`; or logarithms of such sums: composite, deepmad.
    gap: ends when |bound - value| <= gap * |value|. top: how many of the best networks that were met are told. out: a folder in
    which the run is kept, for `resume_optimum`. near: how many of the next best networks are gone through, for `whole`, the best
    of them by the whole closed form of the Zen-score.
    `NotASumError` for what cannot be solved, with the reason.

    >>> found = optimum("zennas-resnet", limits={"params": 1e5, "layers": 6})
    >>> found.reason, found.best.costs["layers"]
    ('optimal', 6)
    """
    config = exact_config(
        space, objective=objective, limits=limits, resolution=resolution, num_classes=num_classes, use_se=use_se
    )
    return begin_optimum(config, out, gap=gap, top=top, max_seconds=max_seconds, watch=watch, near=near).result()


def begin_optimum(
    config: SearchConfig,
    out: str | Path | None = None,
    *,
    gap: float = 1e-3,
    top: int = 10,
    max_seconds: float | None = None,
    watch: Watch = lambda _: None,
    near: int = 0,
) -> ExactRun:
    """Solve a configuration as far as the time allows, and keep it in the folder `out` (None: in memory only)."""
    check_asked(gap, top)
    _check_near(config, near)
    if out is None:
        return solved(config, gap=gap, top=top, max_seconds=max_seconds, watch=watch, near=near)
    folder = new_folder(out)
    try:
        with held_store(folder, lambda: _new_store(folder, config, OptimumState("", gap, top, near))) as store:
            return _solved_in(store, read_state(store), max_seconds, watch)
    except BaseException:
        remove_if_empty(folder)
        raise


def resume_optimum(
    folder: str | Path,
    *,
    gap: float | None = None,
    top: int | None = None,
    max_seconds: float | None = None,
    watch: Watch = lambda _: None,
    trust: bool = False,
) -> ExactRun:
    """Go on with the exact search in a folder where it stopped, to another gap where one is given. `trust`: the Python code that
    the run names may run.
    """
    path = Path(folder)
    if not os.path.isdir(path):
        raise no_run_in(path)
    with held_store(path, lambda: RunStore.open(path, check=True)) as store:
        if not is_optimum(store):
            raise RunError(
                f"the run in {path} is no exact search; to go on with it: plainnet search --resume {quote(str(path))}"
            )
        refuse_code(store.config, trust=trust)
        for each in store.config.blocks:
            load_blocks(each)
        state = read_state(store)
        state = dataclasses.replace(state, gap=state.gap if gap is None else gap, top=state.top if top is None else top)
        check_asked(state.gap, state.top)
        return _solved_in(store, state, max_seconds, watch)


def certificates_of(folder: str | Path, *, trust: bool = False) -> tuple[tuple[Certificate, ...], Optimum]:
    """The certificates of the finished exact search in a folder, made of the prices that it holds, and what it claims. Nothing
    is written.
    """
    with opened(Path(folder)) as store:
        if not is_optimum(store):
            raise RunError(f"the run in {folder} is no exact search, and has no certificate")
        refuse_code(store.config, trust=trust)
        for each in store.config.blocks:
            load_blocks(each)
        state = read_state(store)
        if state.result is None or not state.is_finished:
            again = f"plainnet optimum --resume {quote(str(folder))}"
            raise RunError(f"the exact search in {folder} is not finished; to go on with it: {again}")
        known = tuple(text for (text,) in store.lines(("structure",)))
        run = solved(store.config, gap=state.gap, top=1, begun=state.begun(known))
        return run.certificates(), state.result


def _check_near(config: SearchConfig, near: int) -> None:
    """Refuse numbers of next best networks that there are none of, and any of an objective whose best are not gone through."""
    if not 0 <= near <= MOST_NEAR:
        raise UsageError(f"near is {near}; accepted: 0 to {MOST_NEAR:,}")
    if near and isinstance(question_of(config).objective, LogSum):
        raise UsageError(
            f"near is {near}, and {config.objectives[0]} is a sum of logarithms, whose next best are not gone through; accepted: "
            "objectives that are sums over blocks, as zen, or no near"
        )


def _new_store(folder: Path, config: SearchConfig, state: OptimumState) -> RunStore:
    error = None
    if needs_latency(config):
        coefficients, error = calibrate(config)
        config = dataclasses.replace(config, latency=coefficients)
    check_bounds(config)
    ExactRun(config, state.gap, state.top, math.inf, lambda _: None)  # which refuses what is no sum
    objective = find_objective(config.objectives[0], config.setting)
    facts = {FACT: state.to_json()}
    store = RunStore.create(
        folder, config, objectives=[objective.name], directions=[objective.maximise], kind=KIND, facts=facts
    )
    if error is not None:
        store.note("latency", said_of_fit(error))
    return store


def _solved_in(store: RunStore, state: OptimumState, max_seconds: float | None, watch: Watch) -> ExactRun:
    """Solve on, and write down where it stands."""
    known = [text for (text,) in store.lines(("structure",))]
    keeper = _Keeper(store, set(known), state.seconds)
    return solved(
        store.config,
        gap=state.gap,
        top=state.top,
        max_seconds=max_seconds,
        watch=watch,
        keep=keeper,
        near=state.near,
        begun=state.begun(tuple(known)) if state.result is not None else None,
    )


class _Keeper:
    """Writes down the networks that were met, and where the search stands."""

    def __init__(self, store: RunStore, written: set[str], seconds: float) -> None:
        self.store, self.written, self.seconds = store, written, seconds

    def __call__(self, run: ExactRun) -> None:
        new = [each for text, each in run.known.found.items() if text not in self.written]
        state, sign = state_of_run(run), 1 if run.maximise else -1
        if new:
            rows = [
                (structure_hash(each.text), each.text, 0, 0, 0, *each.costs, sign * each.value)
                for each in new
                if math.isfinite(each.value)
            ]
            best = max(rows, key=lambda row: sign * float(row[-1]), default=None)
            self.store.commit_epoch(
                EpochRecord(
                    self.store.epochs_done, {0: rows}, {}, {}, len(rows), {}, best[-1] if best else None,
                    best[0] if best else None, run.seconds - self.seconds,
                )
            )  # fmt: skip
            self.written.update(each.text for each in new)
            self.seconds = run.seconds
        self.store.set_fact(FACT, state.to_json())
