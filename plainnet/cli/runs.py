"""`plainnet runs`: look at kept searches, compare them, take them further."""

from __future__ import annotations

import csv
import json
import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any, TextIO

import click

from plainnet.cli.runs_trained import trained_command
from plainnet.cli.search_options import Count, budget_options, limits_from
from plainnet.cli.tables import text_table
from plainnet.errors import PlainnetError, UsageError
from plainnet.files.whole_files import whole_file

if TYPE_CHECKING:
    from plainnet.engine.run.kept_trainings import Training
    from plainnet.search.runs.kept_runs import About
    from plainnet.search.store import Candidate, RunStore

__all__ = ["runs_command"]

Folder = click.Path(path_type=Path)


@click.group(name="runs")
def runs_command() -> None:
    """Runs that were kept: searches, a folder with one SQLite file each, and trainings (list, show)."""


runs_command.add_command(trained_command)


@runs_command.command(name="list")
@click.argument("folder", type=Folder, required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines.")
def list_command(folder: Path | None, as_json: bool) -> None:
    """The searches and trainings in FOLDER (runs/ by default) and below it; what cannot be read is listed as what it is."""
    from plainnet.engine.run.kept_trainings import find_trainings
    from plainnet.search.runs.kept_runs import find_runs

    if folder is not None and not os.path.isdir(folder):
        raise UsageError(f"there is no folder {folder}")
    folder = folder or Path("runs")
    lines = [(path, about, _about(about)) for path, about in find_runs(folder)]
    trainings = [(path, about, _of_training(about)) for path, about in find_trainings(folder)]
    if as_json:
        for kind, found in (("search", lines), ("training", trainings)):
            for path, about, facts in found:
                problem = {"problem": str(about)} if isinstance(about, PlainnetError) else {}
                click.echo(json.dumps({"run": str(path), "kind": kind, **facts, **problem}))
        return
    searched = ["run", "space", "objective", "candidates", "of", "best", "by", "winner", "state"]
    trained = ["run", "model", "data", "rounds", "of", "best", "by", "state"]
    tables = [
        text_table(header, [[str(path), *map(_cell, facts.values())] for path, _, facts in found], left=3, rule=False)
        for header, found in ((searched, lines), (trained, trainings))
        if found
    ]
    click.echo("\n\n".join(tables) if tables else f"no run in {folder}; to make one: plainnet search SPACE")
    for path, about, _ in [*lines, *trainings]:
        if isinstance(about, PlainnetError):
            click.echo(f"{path}: {about}", err=True)


MODEL = 28
"""Characters of a model that a table shows."""


def _of_training(about: Training | PlainnetError) -> dict[str, Any]:
    """The columns of a training, in their order."""
    if isinstance(about, PlainnetError):
        return {**dict.fromkeys(("model", "data", "rounds", "of", "best", "by")), "state": "unreadable"}
    shown = about.model if len(about.model) <= MODEL else f"{about.model[: MODEL - 1]}…"
    return {
        "model": shown,
        "data": about.data,
        "rounds": about.rounds,
        "of": about.of,
        "best": about.score,
        "by": about.score_name,
        "state": about.state,
    }


def _about(about: About | PlainnetError) -> dict[str, Any]:
    """The columns of a run, in their order."""
    if isinstance(about, PlainnetError):
        unknown = dict.fromkeys(("space", "objective", "candidates", "of", "best", "by", "winner"))
        return {**unknown, "state": getattr(about, "state", "unreadable")}
    facts = about._asdict()
    return {
        "space": facts["space"],
        "objective": facts["objective"],
        "candidates": facts["done"],
        "of": facts["total"],
        "best": facts["score"],
        "by": facts["score_name"],
        "winner": facts["winner"],
        "state": facts["state"],
    }


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}" if isinstance(value, float) else str(value)


@runs_command.command(name="show")
@click.argument("run", type=Folder)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show_command(run: Path, as_json: bool) -> None:
    """What a run (a search or a training) is, how far it is, and what happened to it."""
    from plainnet.engine.run.kept_trainings import describe_training, is_training
    from plainnet.search.runs.kept_runs import describe, opened

    if is_training(run):
        _show_facts(describe_training(run), [], as_json=as_json)
        return
    with opened(run) as store:
        facts = describe(store)
        events = [text for _, kind, _, text in store.events() if kind not in ("epoch",) and not kind.startswith("rung")]
    _show_facts(facts, events, as_json=as_json)


def _show_facts(facts: dict[str, Any], events: list[str], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({**facts, "events": events}))
        return
    for name, value in facts.items():
        if isinstance(value, dict):
            value = ", ".join(
                f"{key} {number:,.12g}" if isinstance(number, (int, float)) else f"{key} {number}"
                for key, number in value.items()
            )
        click.echo(f"{name:12} {value}")
    for text in events:
        click.echo(f"{'event':12} {text}")


def _count(value: float | None) -> str:
    return "" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"


def _table(candidates: list[Candidate], scores: list[dict[str, float]]) -> str:
    """One line each, with the rank by which other commands know it (RUN:2). Structures stand last: they have no width."""
    costs = [name for name in candidates[0].costs if any(each.costs[name] is not None for each in candidates)]
    names = list(dict.fromkeys(name for each in scores for name in each))
    rows = []
    for rank, (candidate, values) in enumerate(zip(candidates, scores, strict=True), 1):
        found = [f"{values[name]:.4f}" if name in values else "" for name in names]
        counts = [_count(candidate.costs[name]) for name in costs]
        rows.append([str(rank), *found, *counts, candidate.short_hash])
    table = text_table(["rank", *names, *costs, "hash"], rows, left=0, rule=False)
    head, line, *lines = table.splitlines()
    structures = [candidate.structure for candidate in candidates]
    return "\n".join([f"{head}  structure", line, *map("  ".join, zip(lines, structures, strict=True))])


def _show(store: RunStore, candidates: list[Candidate], *, as_json: bool) -> None:
    from plainnet.search.ladder.ranking import explanations, scores_of, unmet

    scores = scores_of(store, candidates)
    for candidate, values in zip(candidates, scores, strict=True) if as_json else ():
        about = {"structure": candidate.structure, "hash": candidate.short_hash}
        finite = {name: value if math.isfinite(value) else None for name, value in values.items()}
        click.echo(json.dumps({**about, **candidate.costs, **finite}))
    if as_json:
        return
    if not candidates:
        click.echo("no candidate within the budgets")
        return
    click.echo(_table(candidates, scores))
    shown = {name for values in scores for name in values}
    for name, text in explanations(store).items():
        if name in shown and len(shown) > 1:
            click.echo(f"{name}: {text}")
    missed = unmet(store)
    if missed is not None:
        click.secho(f"budget not met: {missed}", fg="red", err=True)


@runs_command.command(name="best")
@click.argument("run", type=Folder)
@click.option("-n", "--count", type=click.IntRange(min=1), default=10, show_default=True, help="How many.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines.")
def best_command(run: Path, count: int, as_json: bool) -> None:
    """The best candidates: those of the last rung of the ladder first."""
    from plainnet.search.runs.kept_runs import best_of, opened

    with opened(run) as store:
        _show(store, best_of(store, count), as_json=as_json)


@runs_command.command(name="pareto")
@click.argument("run", type=Folder)
@click.option("--axis", "axes", multiple=True, metavar="COLUMN", help="max:COLUMN or min:COLUMN. [default: objectives]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines.")
def pareto_command(run: Path, axes: tuple[str, ...], as_json: bool) -> None:
    """The candidates that no other one beats on all axes (the objectives; with one, the macs beside it)."""
    from plainnet.search.ladder.fronts import front_of
    from plainnet.search.runs.kept_runs import opened

    with opened(run) as store:
        _show(store, front_of(store, axes), as_json=as_json)


@runs_command.command(name="export")
@click.argument("run", type=Folder)
@click.option("--format", "form", type=click.Choice(["csv", "jsonl"]), default="csv", show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="A file. [default: standard output]")
def export_command(run: Path, form: str, output: Path | None) -> None:
    """Every evaluated candidate, one line each."""
    from plainnet.search.runs.kept_runs import exported, exported_columns, opened

    with opened(run) as store, _output(output) as stream:
        lines = exported(store)
        if form == "jsonl":
            for line in lines:
                stream.write(json.dumps(line) + "\n")
            return
        writer = csv.DictWriter(stream, exported_columns(store), lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)


@contextmanager
def _output(path: Path | None) -> Iterator[TextIO]:
    """Standard output, or a file, which is written in full or not at all."""
    if path is None:
        yield sys.stdout
        return
    with whole_file(path) as stream:
        yield stream


@runs_command.command(name="fork")
@click.argument("run", type=Folder)
@click.argument("new", type=Folder)
@click.option("--candidates", type=Count(), help="The new total of candidates.")
@click.option("--seed", type=int, help="Go on with other random numbers.")
@budget_options
@click.option("--trust", is_flag=True, help="Run the Python files that RUN names.")
def fork_command(run: Path, new: Path, candidates: int | None, seed: int | None, trust: bool, **options: Any) -> None:
    """Copy RUN to NEW, to go on from where it is with more candidates, another seed or other budgets."""
    from plainnet.search.runs.derived_runs import fork

    fork(run, new, candidates=candidates, seed=seed, limits=limits_from(options), trust=trust)
    click.echo(f"forked; to go on: plainnet search --resume {quote(str(new))}" + " --trust" * trust)


@runs_command.command(name="merge")
@click.argument("runs", nargs=-1, required=True, type=Folder)
@click.option("--out", required=True, type=Folder, help="Folder of the merged run.")
@budget_options
def merge_command(runs: tuple[Path, ...], out: Path, **options: Any) -> None:
    """Put the candidates of several RUNS of the same objectives and setting together, each once. The best of the merged run
    is the best within its budgets: those that are given, and else the tightest of the runs'.
    """
    from plainnet.search.runs.derived_runs import merge
    from plainnet.search.runs.kept_runs import opened

    count = merge(runs, out, limits=limits_from(options))
    with opened(out) as store:
        budgets = ", ".join(f"{name} {limit:,.12g}" for name, limit in store.config.limits.items()) or "none"
    click.echo(f"{count:,} candidates in {out}; budgets: {budgets}")


@runs_command.command(name="diff")
@click.argument("first", type=Folder)
@click.argument("second", type=Folder)
def diff_command(first: Path, second: Path) -> None:
    """How two runs differ: configuration, rows, best. Exit code 1 if any row does."""
    from plainnet.search.runs.kept_runs import diff

    lines, same = diff(first, second)
    for line in lines:
        click.echo(line)
    sys.exit(0 if same else 1)
