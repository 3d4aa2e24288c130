"""`plainnet runs list` and `show`: what was kept, searches as well as trainings."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from plainnet.cli.screen import full_option, show, tell
from plainnet.errors import PlainnetError, UsageError
from plainnet.results.numbers import score_text
from plainnet.results.tables import Table

if TYPE_CHECKING:
    from plainnet.engine.run.kept_trainings import Training
    from plainnet.search.runs.kept_runs import About

__all__ = ["list_command", "refuse_optima", "refuse_training", "show_command"]

Folder = click.Path(path_type=Path)
Line = tuple[Path, "About | Training | PlainnetError", dict[str, Any]]
"""A folder, what it holds or what is wrong with it, and its cells by column."""

_SEARCHED = ("space", "objective", "candidates", "of", "best", "by", "winner", "state")
_TRAINED = ("model", "data", "rounds", "of", "best", "by", "state")
_DROP = ("objective", "by", "of", "candidates", "space", "rounds", "data")
_CUT = ("run", "objective", "space", "model", "data", "state")


@click.command(name="list")
@click.argument("folder", type=Folder, required=False)
@full_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines.")
def list_command(folder: Path | None, as_json: bool, is_full: bool) -> None:
    """The searches and trainings in FOLDER (runs/ by default) and below it; what cannot be read is listed as what it is."""
    from plainnet.engine.run.kept_trainings import find_trainings
    from plainnet.search.runs.kept_runs import find_runs

    if folder is not None and not os.path.isdir(folder):
        raise UsageError(f"there is no folder {folder}")
    folder = folder or Path("runs")
    searches: list[Line] = [(path, about, _of_search(about)) for path, about in find_runs(folder)]
    trainings: list[Line] = [(path, about, _of_training(about)) for path, about in find_trainings(folder)]
    if as_json:
        _print_json({"search": searches, "training": trainings})
        return
    for columns, lines in ((_SEARCHED, searches), (_TRAINED, trainings)):
        if lines:
            show(_table(columns, lines), is_full=is_full)
        if searches and trainings and lines is searches:
            click.echo()
    if not searches and not trainings:
        tell(f"no run in {folder}; to make one: plainnet search SPACE")
    for path, about, _ in [*searches, *trainings]:
        if isinstance(about, PlainnetError):
            tell(f"{path}: {about}", err=True, indent=4)


def _print_json(kinds: dict[str, list[Line]]) -> None:
    for kind, lines in kinds.items():
        for path, about, facts in lines:
            problem = {"problem": str(about)} if isinstance(about, PlainnetError) else {}
            click.echo(json.dumps({"run": str(path), "kind": kind, **facts, **problem}))


def _table(columns: Sequence[str], lines: Sequence[Line]) -> Table:
    rows = [[str(path), *map(_cell, facts.values())] for path, _, facts in lines]
    return Table(["run", *columns], rows, left=3, drop=_DROP, cut=_CUT, paths=("run",))


def _of_search(about: About | PlainnetError) -> dict[str, Any]:
    """The columns of a search, in their order."""
    if isinstance(about, PlainnetError):
        return {**dict.fromkeys(_SEARCHED), "state": getattr(about, "state", "unreadable")}
    facts = about._asdict()
    named = {"candidates": "done", "of": "total", "best": "score", "by": "score_name"}
    return {name: facts[named.get(name, name)] for name in _SEARCHED}


def _of_training(about: Training | PlainnetError) -> dict[str, Any]:
    """The columns of a training, in their order."""
    if isinstance(about, PlainnetError):
        return {**dict.fromkeys(_TRAINED), "state": "unreadable"}
    return {
        "model": about.model,
        "data": about.data,
        "rounds": about.rounds,
        "of": about.of,
        "best": about.score,
        "by": about.score_name,
        "state": about.state,
    }


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}" if isinstance(value, float) else str(value)


@click.command(name="show")
@click.argument("run", type=Folder)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show_command(run: Path, as_json: bool) -> None:
    """What a run (a search, a training, a sweep) is, how far it is, and what happened to it."""
    from plainnet.engine.run.kept_trainings import describe_training, is_training
    from plainnet.search.runs.kept_runs import describe, opened
    from plainnet.search.runs.kept_sweeps import describe_sweep, is_sweep

    if is_training(run):
        facts = describe_training(run)
        _show_facts(facts if as_json else _for_people(facts), [], as_json=as_json)
        return
    if is_sweep(run):
        facts = describe_sweep(run)
        limits = facts.pop("outcomes")
        if as_json:
            click.echo(json.dumps({**facts, "sweep": limits}))
            return
        _show_facts(facts, [], as_json=False)
        tell(f"{'limits':12} {', '.join(_limit(each) for each in limits)}", indent=13)
        tell(f"{'networks':12} plainnet runs best {quote(str(run))}", indent=13)
        return
    refuse_optima(run)
    _refuse_tuning(run)
    with opened(run) as store:
        facts = describe(store)
        events = [text for _, kind, _, text in store.events() if kind not in ("epoch",) and not kind.startswith("rung")]
    _show_facts(facts, events, as_json=as_json)


def _for_people(facts: dict[str, Any]) -> dict[str, Any]:
    """The facts of a training, its best value as a person would say it; whether less is better is for programs."""
    best, name = facts.get("best") or {}, facts["score_name"]
    said = f"{name} {best['value']:.6g} in round {best['round']}" if best.get("value") is not None else None
    return {
        key: said if key == "best" else value
        for key, value in facts.items()
        if key not in ("score_name", "less_is_better")
    }


def refuse_training(*runs: Path) -> None:
    """`UsageError` for the folder of a training, where the candidates of a search are meant."""
    from plainnet.engine.run.kept_trainings import is_training

    for run in filter(is_training, runs):
        raise UsageError(
            f"{run} is a training run, which has no candidates; accepted: a search run (plainnet runs show {quote(str(run))} "
            "tells about this one)"
        )


def refuse_optima(*runs: Path) -> None:
    """`UsageError` for the folder of a sweep of optima: what it holds was written when they were solved."""
    from plainnet.search.runs.kept_sweeps import is_exact_sweep

    for run in filter(is_exact_sweep, runs):
        page = run / "sweep.html"
        raise UsageError(
            f"{run} holds the optima of a sweep (plainnet sweep --exact), and no runs; their table is {run / 'sweep.csv'}"
            + (f", their page {page}" if page.is_file() else "")
        )


def _refuse_tuning(run: Path) -> None:
    from plainnet.engine.tuning.tuning_folder import is_tuning

    if is_tuning(run):
        raise UsageError(
            f"{run} is a search over settings (plainnet tune), and no run; its trainings: plainnet runs list {quote(str(run))}; "
            f"to go on: plainnet tune {quote(str(run))}"
        )


def _show_facts(facts: dict[str, Any], events: list[str], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({**facts, "events": events}))
        return
    for name, value in facts.items():
        if value is not None:
            shown = _shown(value, _exactly if name == "budgets" else score_text)
            tell(f"{name:12} {shown}", indent=13)
    for text in events:
        tell(f"{'event':12} {text}", indent=13)


def _shown(value: Any, number: Callable[[float], str]) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_shown(each, number)}" for name, each in value.items()) or "none"
    return number(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)


def _exactly(value: float) -> str:
    """A number that somebody said."""
    return f"{value:,.12g}"


def _limit(outcome: dict[str, Any]) -> str:
    return _exactly(outcome["limit"]) + (f" ({outcome['problem']})" if "problem" in outcome else "")
