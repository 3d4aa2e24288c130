"""`plainnet runs`: look at kept searches, compare them, take them further."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any, TextIO

import click

from plainnet.cli.runs_list import list_command
from plainnet.cli.runs_show import refuse_training, show_command
from plainnet.cli.runs_trained import trained_command
from plainnet.cli.screen import alarm, full_option, show, tell
from plainnet.cli.search_options import Count, budget_options, limits_from
from plainnet.errors import UsageError
from plainnet.files.whole_files import whole_file

if TYPE_CHECKING:
    from plainnet.search.store import Candidate, RunStore

__all__ = ["runs_command"]

Folder = click.Path(path_type=Path)


@click.group(name="runs")
def runs_command() -> None:
    """Runs that were kept: searches, a folder with one SQLite file each; list and show know sweeps, trainings and tunes, too."""


for command in (list_command, show_command, trained_command):
    runs_command.add_command(command)


def _show(store: RunStore, candidates: list[Candidate], *, as_json: bool, is_full: bool) -> None:
    """One line each, with the rank by which other commands know it (RUN:2)."""
    from plainnet.search.ladder.ranking import explanations, unmet
    from plainnet.search.runs.networks_table import networks_table
    from plainnet.search.runs.session import as_best

    records = [each.as_dict() for each in as_best(store, candidates)]
    if as_json:
        for record in records:
            click.echo(json.dumps(record))
        return
    if not candidates:
        click.echo("no candidate within the budgets")
        return
    ranks = [str(rank) for rank in range(1, len(records) + 1)]
    show(networks_table(records, first="rank", firsts=ranks), is_full=is_full)
    shown = {name for record in records for name in record}
    for name, text in explanations(store).items():
        if name in shown and len(shown) > 1:
            tell(f"{name}: {text}", indent=4)
    missed = unmet(store)
    if missed is not None:
        alarm(f"budget not met: {missed}")


def _show_limits(runs: Sequence[tuple[Path, str, float]], count: int, *, as_json: bool, is_full: bool) -> None:
    """The best of each run of a sweep, a line each with the limit that it was found under."""
    from plainnet.search.runs.kept_runs import best_of, opened
    from plainnet.search.runs.networks_table import networks_table
    from plainnet.search.runs.session import as_best

    records, limits = [], []
    for path, budget, limit in runs:
        with opened(path) as store:
            found = [each.as_dict() for each in as_best(store, best_of(store, count))]
        for record in found if as_json else ():
            click.echo(json.dumps({"budget": budget, "limit": limit, "run": str(path), **record}))
        records += found
        limits += [f"{limit:,.12g}"] * len(found)
        if not found:
            tell(f"{path}: no candidate within the budgets", err=True, indent=4)
    if records and not as_json:
        show(networks_table(records, first=f"{runs[0][1]} limit", firsts=limits), is_full=is_full)


def _show_best_optima(run: Path, count: int | None, *, trust: bool, as_json: bool, is_full: bool) -> None:
    """The optimum of each limit of an exact sweep, a line each."""
    from plainnet.cli.sweep_exact import optima_table
    from plainnet.search.runs.kept_optima import read_optima

    if count not in (None, 1):
        raise UsageError(f"{run} is a sweep of optima, which keeps the best of each limit; accepted: -n 1")
    optima = read_optima(run, trust=trust)
    if not as_json:
        show(optima_table(optima), is_full=is_full)
        return
    for limit, network in optima.networks:
        click.echo(json.dumps({"budget": optima.budget, "limit": limit, **network.as_dict()}))


@runs_command.command(name="best")
@click.argument("run", type=Folder)
@click.option("-n", "--count", type=click.IntRange(min=1), help="How many. [default: 10; of a sweep, 1 of each limit]")
@click.option("--trust", is_flag=True, help="Of a sweep of optima: run the Python files with blocks that RUN names.")
@full_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines.")
def best_command(run: Path, count: int | None, trust: bool, as_json: bool, is_full: bool) -> None:
    """The best candidates: those of the last rung of the ladder first. Of a sweep, the best under each limit."""
    from plainnet.search.runs.kept_optima import is_exact_sweep
    from plainnet.search.runs.kept_runs import best_of, opened
    from plainnet.search.runs.kept_sweeps import runs_of_sweep

    refuse_training(run)
    if is_exact_sweep(run):
        _show_best_optima(run, count, trust=trust, as_json=as_json, is_full=is_full)
        return
    runs = runs_of_sweep(run)
    if runs:
        _show_limits(runs, count or 1, as_json=as_json, is_full=is_full)
        return
    count = count or 10
    with opened(run) as store:
        _show(store, best_of(store, count), as_json=as_json, is_full=is_full)


@runs_command.command(name="pareto")
@click.argument("run", type=Folder)
@click.option("--axis", "axes", multiple=True, metavar="COLUMN", help="max:COLUMN or min:COLUMN. [default: objectives]")
@full_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines.")
def pareto_command(run: Path, axes: tuple[str, ...], as_json: bool, is_full: bool) -> None:
    """The candidates that no other one beats on all axes (the objectives; with one, the macs beside it)."""
    from plainnet.search.ladder.fronts import front_of
    from plainnet.search.runs.kept_runs import opened

    refuse_training(run)
    with opened(run) as store:
        _show(store, front_of(store, axes), as_json=as_json, is_full=is_full)


@runs_command.command(name="export")
@click.argument("run", type=Folder)
@click.option("--format", "form", type=click.Choice(["csv", "jsonl"]), default="csv", show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="A file. [default: standard output]")
def export_command(run: Path, form: str, output: Path | None) -> None:
    """Every evaluated candidate, one line each."""
    from plainnet.search.runs.kept_runs import exported, exported_columns, opened

    refuse_training(run)
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

    refuse_training(run)
    fork(run, new, candidates=candidates, seed=seed, limits=limits_from(options), trust=trust)
    tell(f"forked; to go on: plainnet search --resume {quote(str(new))}" + " --trust" * trust, indent=4)


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

    refuse_training(*runs)
    count = merge(runs, out, limits=limits_from(options))
    with opened(out) as store:
        budgets = ", ".join(f"{name} {limit:,.12g}" for name, limit in store.config.limits.items()) or "none"
    tell(f"{count:,} candidates in {out}; budgets: {budgets}", indent=4)


@runs_command.command(name="diff")
@click.argument("first", type=Folder)
@click.argument("second", type=Folder)
def diff_command(first: Path, second: Path) -> None:
    """How two runs differ: configuration, rows, best. Exit code 1 if any row does."""
    from plainnet.search.runs.kept_runs import diff

    refuse_training(first, second)
    lines, same = diff(first, second)
    for line in lines:
        tell(line, indent=4)
    sys.exit(0 if same else 1)
