"""`plainnet runs show`: one folder that was kept, in full."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from plainnet.cli.screen import full_option, show, tell
from plainnet.errors import UsageError
from plainnet.results.numbers import score_text

if TYPE_CHECKING:
    from plainnet.search.runs.kept_optima import Optima

__all__ = ["refuse_training", "show_command"]

Folder = click.Path(path_type=Path)


@click.command(name="show")
@click.argument("run", type=Folder)
@full_option
@click.option("--trust", is_flag=True, help="Of a sweep of optima: run the Python files with blocks that RUN names.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show_command(run: Path, trust: bool, as_json: bool, is_full: bool) -> None:
    """What a run (a search, a sweep, a training, a search over settings) is, how far it is, and what happened to it."""
    from plainnet.engine.run.kept_trainings import describe_training, is_training
    from plainnet.engine.tuning.tuning_folder import is_tuning
    from plainnet.engine.tuning.tuning_result import read_tuning
    from plainnet.search.runs.kept_optima import is_exact_sweep, read_optima
    from plainnet.search.runs.kept_runs import describe, opened
    from plainnet.search.runs.kept_sweeps import is_sweep

    if is_training(run):
        facts = describe_training(run)
        _show_facts(facts if as_json else _for_people(facts), [], as_json=as_json)
    elif is_tuning(run):
        tuned = read_tuning(run)
        click.echo(json.dumps(tuned.to_dict(), allow_nan=False) if as_json else tuned)
    elif is_exact_sweep(run):
        _show_optima(read_optima(run, trust=trust), as_json=as_json, is_full=is_full)
    elif is_sweep(run):
        _show_sweep(run, as_json=as_json)
    else:
        with opened(run) as store:
            facts = describe(store)
            events = [text for _, kind, _, text in store.events() if kind != "epoch" and not kind.startswith("rung")]
        _show_facts(facts, events, as_json=as_json)


def _show_sweep(run: Path, *, as_json: bool) -> None:
    from plainnet.search.runs.kept_sweeps import describe_sweep

    facts = describe_sweep(run)
    limits = facts.pop("outcomes")
    if as_json:
        click.echo(json.dumps({**facts, "sweep": limits}))
        return
    _show_facts(facts, [], as_json=False)
    tell(f"{'limits':12} {', '.join(_limit(each) for each in limits)}", indent=13)
    tell(f"{'networks':12} plainnet runs best {quote(str(run))}", indent=13)


def _show_optima(optima: Optima, *, as_json: bool, is_full: bool) -> None:
    from plainnet.cli.sweep_exact import optima_table

    facts = {
        "kind": "sweep of optima",
        "space": optima.config.space.name,
        "objectives": ", ".join(optima.config.objectives),
        "budgets": {name: limit for name, limit in optima.config.limits.items() if name != optima.budget},
        "varied": optima.budget,
        "state": optima.state,
        "seconds": round(sum(found.seconds for _, found in optima.solved), 1),
    }
    if as_json:
        solved = [{"limit": limit, "optimum": found.as_dict()} for limit, found in optima.solved]
        click.echo(json.dumps({**facts, "sweep": solved}))
        return
    _show_facts(facts, [], as_json=False)
    show(optima_table(optima), is_full=is_full)


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
    return _exactly(outcome["limit"]) + (
        f" ({outcome['problem'].splitlines()[0].partition(';')[0]})" if outcome.get("problem") else ""
    )
