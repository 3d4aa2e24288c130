"""Sweeps that were kept: a folder that holds a run for each limit of a budget."""

from __future__ import annotations

import dataclasses
import math
from os.path import isfile
from pathlib import Path
from typing import Any

from plainnet.errors import RunError, UsageError
from plainnet.files.text_files import read_text
from plainnet.search.candidates.budgets import BUDGETS
from plainnet.search.runs.kept_runs import opened, state_of
from plainnet.search.runs.session import summarise
from plainnet.search.runs.sweep import UNMET, Outcome, Outcomes
from plainnet.search.settings.config import SearchConfig
from plainnet.search.store import FILE_NAME

__all__ = ["config_of_sweep", "describe_sweep", "is_sweep", "limits_of_sweep", "read_sweep", "runs_of_sweep"]


def runs_of_sweep(folder: Path) -> list[tuple[Path, str, float]]:
    """The runs of a sweep with budget and limit, by their limits; none for a folder that is a run itself or holds no sweep."""
    if isfile(folder / FILE_NAME):
        return []
    found = [(path.parent, *_limit_of(path.parent.name)) for path in folder.glob(f"*/{FILE_NAME}")]
    runs = [(path, budget, limit) for path, budget, limit in found if budget]
    return sorted(runs, key=lambda each: (each[1], each[2]))


def limits_of_sweep(folder: Path) -> list[float]:
    """All limits of a sweep so far, those that nothing meets among them."""
    return sorted({limit for _, _, limit in (*runs_of_sweep(folder), *_unmet_of_sweep(folder))})


def _unmet_of_sweep(folder: Path) -> list[tuple[Path, str, float]]:
    """The files that say why there is no search under a limit, with budget and limit."""
    searched = {path.name for path, _, _ in runs_of_sweep(folder)}
    names = [(path, path.name.removesuffix(UNMET)) for path in folder.glob(f"*{UNMET}")]
    found = [(path, *_limit_of(name)) for path, name in names if name not in searched]
    return [(path, budget, limit) for path, budget, limit in found if budget]


def _limit_of(name: str) -> tuple[str, float]:
    """The budget and the limit that a folder is named by; "" for a folder of another name."""
    for budget in BUDGETS:
        if name.startswith(f"{budget}-"):
            try:
                limit = float(name.removeprefix(f"{budget}-"))
            except ValueError:
                continue
            if math.isfinite(limit):
                return budget, limit
    return "", math.nan


def is_sweep(folder: Path) -> bool:
    """Whether a folder holds the runs of a sweep."""
    return bool(runs_of_sweep(folder))


def read_sweep(folder: Path) -> Outcomes:
    """What each limit of a sweep has given so far, a limit without a network with its reason."""
    found = Outcomes()
    for path, budget, limit in runs_of_sweep(folder):
        with opened(path) as store:
            try:
                outcome = Outcome(budget, limit, str(path), summarise(store).as_dict())
            except RunError as error:
                outcome = Outcome(budget, limit, str(path), None, str(error))
        found.append(outcome)
    for path, budget, limit in _unmet_of_sweep(folder):
        reason = read_text(path, what="reason why nothing meets a limit")
        found.append(Outcome(budget, limit, str(path).removesuffix(UNMET), None, reason))
    found.sort(key=lambda each: (each.budget, each.limit))
    return found


def config_of_sweep(folder: Path) -> tuple[SearchConfig, str]:
    """What the runs of a sweep share, without the budget that varies, and the name of that; `UsageError` for runs that share
    no configuration.
    """
    shared: dict[str, SearchConfig] = {}
    budgets = []
    for path, budget, _ in runs_of_sweep(folder):
        with opened(path) as store:
            config = store.config
        limits = {name: limit for name, limit in config.limits.items() if name != budget}
        config = dataclasses.replace(config, limits=limits, latency=(), starts=())
        shared[config.to_json()] = config
        budgets.append(budget)
    if len(shared) != 1 or len(set(budgets)) != 1:
        raise UsageError(f"the runs in {folder} are no sweep: they differ in more than the limit of one budget")
    return next(iter(shared.values())), budgets[0]


def describe_sweep(folder: Path) -> dict[str, Any]:
    """A sweep in full, as plain data: what its runs share, how far they are, which networks they have given."""
    config, budget = config_of_sweep(folder)
    states: dict[str, int] = {}
    seconds = 0.0
    for path, _, _ in runs_of_sweep(folder):
        with opened(path) as store:
            state = state_of(store)
            seconds += store.seconds()
        states[state] = states.get(state, 0) + 1
    return {
        "kind": "sweep",
        "space": config.space.name,
        "objectives": ", ".join(config.objectives),
        "budgets": dict(config.limits),
        "varied": budget,
        "runs": states,
        "seconds": round(seconds, 1),
        "outcomes": read_sweep(folder).as_dict()["sweep"],
    }
