"""`plainnet runs`: look at kept searches, compare them, take them further."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from plainnet.cli.search_options import LIMITS, Count
from plainnet.cli.tables import text_table

if TYPE_CHECKING:
    from plainnet.search.store import Candidate, RunStore

__all__ = ["runs_command"]

Folder = click.Path(path_type=Path)


@click.group(name="runs")
def runs_command() -> None:
    """Searches that were kept: a folder with one SQLite file each."""


@runs_command.command(name="list")
@click.argument("folder", type=Folder, default=Path("runs"))
def list_command(folder: Path) -> None:
    """The runs in FOLDER (runs/ by default) and the folders below it."""
    from plainnet.search.runs import find_runs

    rows = []
    for path, about in find_runs(folder):
        if isinstance(about, str):
            click.echo(f"{path}: {about}", err=True)
            continue
        score = "" if about.score is None else f"{about.score:.3f}"
        rows.append(
            [str(path), about.space, about.objective, f"{about.done:,}", f"{about.total:,}", score, about.state]
        )
    header = ["run", "space", "objective", "candidates", "of", "best", "state"]
    click.echo(text_table(header, rows, left=3, rule=False) if rows else f"no run in {folder}")


@runs_command.command(name="show")
@click.argument("run", type=Folder)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show_command(run: Path, as_json: bool) -> None:
    """What a run is, how far it is, and what happened to it."""
    from plainnet.search.runs import describe, opened

    with opened(run) as store:
        facts = describe(store)
        events = [text for _, kind, _, text in store.events() if kind not in ("epoch",) and not kind.startswith("rung")]
    if as_json:
        click.echo(json.dumps({**facts, "events": events}))
        return
    for name, value in facts.items():
        if isinstance(value, dict):
            value = ", ".join(
                f"{key} {number:,}" if isinstance(number, (int, float)) else f"{key} {number}"
                for key, number in value.items()
            )
        click.echo(f"{name:12} {value}")
    for text in events:
        click.echo(f"{'event':12} {text}")


def _table(candidates: list[Candidate], scores: list[dict[str, float]]) -> str:
    names = list(dict.fromkeys(name for each in scores for name in each))
    header = ["structure", "hash", "params", "macs", "layers", "activations", *names]
    rows = []
    for candidate, values in zip(candidates, scores, strict=True):
        costs = [f"{candidate.costs[name]:,}" for name in ("params", "macs", "layers", "activations")]
        found = [f"{values[name]:.4f}" if name in values else "" for name in names]
        rows.append([candidate.structure, candidate.short_hash, *costs, *found])
    return text_table(header, rows, left=2, rule=False)


def _show(store: RunStore, candidates: list[Candidate], *, as_json: bool) -> None:
    from plainnet.search.session import scores_of

    scores = [scores_of(store, candidate) for candidate in candidates]
    if not as_json:
        click.echo(_table(candidates, scores))
        return
    for candidate, values in zip(candidates, scores, strict=True):
        about = {"structure": candidate.structure, "hash": candidate.short_hash}
        click.echo(json.dumps({**about, **candidate.costs, **values}))


@runs_command.command(name="best")
@click.argument("run", type=Folder)
@click.option("-n", "--count", type=click.IntRange(min=1), default=10, show_default=True, help="How many.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines.")
def best_command(run: Path, count: int, as_json: bool) -> None:
    """The best candidates: those of the last rung of the ladder first."""
    from plainnet.search.runs import best_of, opened

    with opened(run) as store:
        _show(store, best_of(store, count), as_json=as_json)


@runs_command.command(name="pareto")
@click.argument("run", type=Folder)
@click.option("--axis", "axes", multiple=True, metavar="COLUMN", help="max:COLUMN or min:COLUMN. [default: objectives]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines.")
def pareto_command(run: Path, axes: tuple[str, ...], as_json: bool) -> None:
    """The candidates that no other one beats on all axes (the objectives; with one, the macs beside it)."""
    from plainnet.search.fronts import front_of
    from plainnet.search.runs import opened

    with opened(run) as store:
        _show(store, front_of(store, axes), as_json=as_json)


@runs_command.command(name="export")
@click.argument("run", type=Folder)
@click.option("--format", "form", type=click.Choice(["csv", "jsonl"]), default="csv", show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="A file. [default: standard output]")
def export_command(run: Path, form: str, output: Path | None) -> None:
    """Every evaluated candidate, one line each."""
    from plainnet.search.runs import exported, opened

    with opened(run) as store, _output(output) as stream:
        lines = exported(store)
        if form == "jsonl":
            for line in lines:
                stream.write(json.dumps(line) + "\n")
            return
        writer: Any = None
        for line in lines:
            if writer is None:
                writer = csv.DictWriter(stream, list(line), lineterminator="\n")
                writer.writeheader()
            writer.writerow(line)


def _output(path: Path | None) -> Any:
    from contextlib import nullcontext

    from plainnet.errors import UsageError

    if path is None:
        return nullcontext(sys.stdout)
    try:
        return path.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from None


@runs_command.command(name="fork")
@click.argument("run", type=Folder)
@click.argument("new", type=Folder)
@click.option("--candidates", type=Count(), help="The new total of candidates.")
@click.option("--seed", type=int, help="Go on with other random numbers.")
@click.option("--max-params", type=Count(), help=LIMITS["max_params"][1])
@click.option("--max-macs", type=Count(), help=LIMITS["max_macs"][1])
@click.option("--max-layers", type=Count(), help=LIMITS["max_layers"][1])
def fork_command(run: Path, new: Path, candidates: int | None, seed: int | None, **limits: int | None) -> None:
    """Copy RUN to NEW, to go on from where it is with more candidates, another seed or other budgets."""
    from plainnet.search.runs import fork

    given = {LIMITS[name][0]: value for name, value in limits.items() if value is not None}
    fork(run, new, candidates=candidates, seed=seed, limits=given)
    click.echo(f"forked; to go on: plainnet search --resume {new}")


@runs_command.command(name="merge")
@click.argument("runs", nargs=-1, required=True, type=Folder)
@click.option("--out", required=True, type=Folder, help="Folder of the merged run.")
def merge_command(runs: tuple[Path, ...], out: Path) -> None:
    """Put the candidates of several RUNS of the same objectives and setting together, each once."""
    from plainnet.search.runs import merge

    count = merge(runs, out)
    click.echo(f"{count:,} candidates in {out}")


@runs_command.command(name="diff")
@click.argument("first", type=Folder)
@click.argument("second", type=Folder)
def diff_command(first: Path, second: Path) -> None:
    """How two runs differ: configuration, rows, best. Exit code 1 if any row does."""
    from plainnet.search.runs import diff

    lines, same = diff(first, second)
    for line in lines:
        click.echo(line)
    sys.exit(0 if same else 1)
