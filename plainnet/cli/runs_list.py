"""`plainnet runs list`: what was kept, searches and sweeps of optima, trainings and searches over settings."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from plainnet.cli.screen import full_option, show, tell
from plainnet.errors import PlainnetError, UsageError
from plainnet.results.tables import Table

if TYPE_CHECKING:
    from plainnet.engine.run.kept_trainings import Training
    from plainnet.engine.tuning.tuning_result import Tuning
    from plainnet.search.runs.kept_optima import Optima
    from plainnet.search.runs.kept_runs import About

__all__ = ["list_command"]

Line = tuple[Path, "PlainnetError | None", dict[str, Any]]
"""A folder, what is wrong with it, and its cells by column."""

_COLUMNS = {
    "search": ("space", "objective", "candidates", "of", "best", "by", "winner", "state"),
    "sweep of optima": ("space", "objective", "varied", "networks", "of", "best", "winner", "state"),
    "training": ("model", "data", "rounds", "of", "best", "by", "state"),
    "tuning": ("varied", "trials", "of", "best", "by", "state"),
}
"""Kind of folder -> the columns of its table."""
_DROP = ("objective", "by", "of", "candidates", "networks", "space", "rounds", "trials", "data")
_CUT = ("run", "objective", "space", "model", "data", "varied", "state")


@click.command(name="list")
@click.argument("folder", type=click.Path(path_type=Path), required=False)
@full_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines.")
def list_command(folder: Path | None, as_json: bool, is_full: bool) -> None:
    """The searches, sweeps of optima, trainings and searches over settings in FOLDER (runs/ by default) and below it; what cannot
    be read is listed as what it is.
    """
    if folder is not None and not os.path.isdir(folder):
        raise UsageError(f"there is no folder {folder}")
    folder = folder or Path("runs")
    found = {kind: lines for kind, lines in _found(folder).items() if lines}
    if as_json:
        _print_json(found)
        return
    for number, (kind, lines) in enumerate(found.items()):
        if number:
            click.echo()
        show(_table(_COLUMNS[kind], lines), is_full=is_full)
    if not found:
        tell(f"no run in {folder}; to make one: plainnet search SPACE")
    for path, problem, _ in (line for lines in found.values() for line in lines):
        if problem is not None:
            tell(f"{path}: {problem}", err=True, indent=4)


def _found(folder: Path) -> dict[str, list[Line]]:
    """What is kept below a folder, by kind."""
    from plainnet.engine.run.kept_trainings import find_trainings
    from plainnet.engine.tuning.tuning_result import find_tunings
    from plainnet.search.runs.kept_optima import find_optima
    from plainnet.search.runs.kept_runs import find_runs

    return {
        "search": _lines("search", find_runs(folder), _of_search),
        "sweep of optima": _lines("sweep of optima", find_optima(folder), _of_optima),
        "training": _lines("training", find_trainings(folder), _of_training),
        "tuning": _lines("tuning", find_tunings(folder), _of_tuning),
    }


def _lines(kind: str, found: Iterable[tuple[Path, Any]], cells: Callable[[Any], dict[str, Any]]) -> list[Line]:
    lines: list[Line] = []
    for path, about in found:
        if isinstance(about, PlainnetError):
            state = getattr(about, "state", "unreadable")
            lines.append((path, about, {**dict.fromkeys(_COLUMNS[kind]), "state": state}))
        else:
            lines.append((path, None, {name: cells(about)[name] for name in _COLUMNS[kind]}))
    return lines


def _print_json(kinds: dict[str, list[Line]]) -> None:
    for kind, lines in kinds.items():
        for path, about, facts in lines:
            problem = {} if about is None else {"problem": str(about)}
            click.echo(json.dumps({"run": str(path), "kind": kind, **facts, **problem}))


def _table(columns: Sequence[str], lines: Sequence[Line]) -> Table:
    rows = [[str(path), *map(_cell, facts.values())] for path, _, facts in lines]
    return Table(["run", *columns], rows, left=3, drop=_DROP, cut=_CUT, paths=("run",))


def _of_search(about: About) -> dict[str, Any]:
    facts = about._asdict()
    return {**facts, "candidates": about.done, "of": about.total, "best": about.score, "by": about.score_name}


def _of_optima(optima: Optima) -> dict[str, Any]:
    """The best is that of the loosest limit; one of blocks of the user's own has no hash here, where no code runs."""
    _, last = max(optima.networks, key=lambda each: each[0], default=(0.0, None))
    return {
        "space": optima.config.space.name,
        "objective": "+".join(optima.config.objectives),
        "varied": optima.budget,
        "networks": len(optima.networks),
        "of": len(optima.solved),
        "best": None if last is None else last.value,
        "winner": None if last is None or optima.config.blocks else last.hash,
        "state": optima.state,
    }


def _of_training(about: Training) -> dict[str, Any]:
    return {**vars(about), "best": about.score, "by": about.score_name}


def _of_tuning(found: Tuning) -> dict[str, Any]:
    return {
        "varied": ", ".join(found.vary),
        "trials": sum(trial.is_over for trial in found.trials),
        "of": found.asked,
        "best": None if found.best is None else found.trials[found.best].value,
        "by": found.metric,
        "state": found.state,
    }


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}" if isinstance(value, float) else str(value)
