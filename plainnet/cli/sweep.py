"""`plainnet sweep`: the whole front of networks over a list of budgets."""

from __future__ import annotations

import dataclasses
import json
import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from plainnet.cli.search_options import Count, config_from, limits_from, search_options, tell_advice
from plainnet.cli.stopping import leave, stoppable
from plainnet.cli.sweep_exact import refuse_what_is_not_exact, sweep_exactly
from plainnet.cli.tables import csv_table, text_table
from plainnet.files.whole_files import write_whole
from plainnet.search.candidates.budgets import Costs

if TYPE_CHECKING:
    from plainnet.search.runs.sweep import Outcome

__all__ = ["sweep_command"]

COSTS = Costs._fields


@click.command(name="sweep")
@click.argument("space")
@click.option(
    "--vary",
    required=True,
    metavar="BUDGET=LIMITS",
    help="The budget that varies: params=2e5,5e5,1e6, or params=2e5:2e6:20 for 20 limits in equal ratios.",
)
@click.option(
    "--exact",
    "is_exact",
    is_flag=True,
    help="Compute the optimum under each limit, with a proven bound; nothing is searched.",
)
@click.option("--candidates", type=Count(), default=100_000, show_default=True, help="Candidates for each limit.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the sweep. [default: runs/sweep-SPACE-SEED]")
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Searches at a time.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON in the last line.")
@search_options
def sweep_command(
    space: str,
    vary: str,
    is_exact: bool,
    candidates: int,
    out: Path | None,
    workers: int,
    quiet: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Search SPACE under each of a list of budgets. Writes a run for each, a table (sweep.csv) and a page with the front
    (sweep.html, extra: report). Asked for again, it goes on where it stopped.

    \b
    plainnet sweep zennas-resnet --vary params=2e5:2e6:20 --max-layers 18 --workers 2
    plainnet sweep zennas-resnet --vary params=2e5:2e6:20 --max-layers 18 --exact
    """
    from plainnet.search.candidates.objectives import is_made_large
    from plainnet.search.report.parts import exact
    from plainnet.search.report.reproduce import search_words
    from plainnet.search.runs.sweep import read_budgets, sweep

    budget, limits = read_budgets(vary)
    if options["ladder"] is None:
        options["ladder"] = "zen:500:1:1" if not options["objectives"] or options["objectives"][0] == "zen" else "none"
    config = config_from(space, candidates, options)
    if not quiet:
        given = {**limits_from(options), budget: limits[0]}
        tell_advice(dataclasses.replace(config, limits={**config.limits, budget: limits[0]}), given)
    folder = out or Path("runs") / f"sweep-{config.space.name}-{config.seed}"
    if is_exact:
        refuse_what_is_not_exact()
        sweep_exactly(config, budget, limits, folder, quiet=quiet, as_json=as_json)
        return
    words = ["plainnet", "sweep", *search_words(config), "--vary", vary, "--candidates", str(candidates)]
    command = shlex.join(words)
    began, done = time.perf_counter(), 0

    def show(outcome: Outcome) -> None:
        nonlocal done
        done += 1
        if not quiet:
            said = outcome.problem.splitlines()[0] if outcome.result is None else _scores(outcome.result["best"])
            seconds = time.perf_counter() - began
            click.echo(
                f"{done} of {len(limits)} ({seconds:.0f} s): {budget} <= {exact(outcome.limit)}: {said}", err=True
            )

    with stoppable():
        try:
            outcomes = sweep(config, budget, limits, folder, workers=workers, on_outcome=show)
        except KeyboardInterrupt as stop:
            leave(
                f"stopped; to go on, give the same command again:\n  {shlex.join([*words, '--out', str(folder)])}", stop
            )
    higher = is_made_large(config.objectives[0])
    _print_outcomes(budget, outcomes, higher=higher)
    seconds, written = time.perf_counter() - began, _write(folder, budget, outcomes, command, higher=higher)
    click.echo(f"{len(limits)} budgets x {candidates:,} candidates in {seconds:.1f} s; {written}")
    if as_json:
        values = [
            {"budget": o.budget, "limit": o.limit, "folder": o.folder, **(o.result or {"problem": o.problem})}
            for o in outcomes
        ]
        click.echo(json.dumps({"schema": "plainnet.sweep/1", "sweep": values}))
    if any(outcome.result and outcome.result["unmet"] for outcome in outcomes):
        sys.exit(1)


def _print_outcomes(budget: str, outcomes: list[Outcome], *, higher: bool) -> None:
    """The table, with the structures last (they have no width), and what is wrong with some."""
    from plainnet.search.report.parts import exact
    from plainnet.search.runs.sweep import beaten

    header, rows = _table(budget, outcomes)
    plain = [[exact(float(row[0])), *row[1:-1]] for row in rows]
    head, line, *lines = text_table(header[:-1], plain, left=0, rule=False).splitlines()
    structures = [row[-1] for row in rows]
    click.echo("\n".join([f"{head}  structure", line, *(f"{a}  {b}" for a, b in zip(lines, structures, strict=True))]))
    for outcome in outcomes:
        if outcome.result and outcome.result["unmet"]:
            missed = outcome.result["unmet"]
            said = f"BUDGET NOT MET: the fastest finalist takes {missed['lowest']:.3f} ms, the budget is {missed['limit']:g} ms"
            click.secho(f"{budget} <= {exact(outcome.limit)}: {said}", fg="red", bold=True, err=True)
        if outcome.problem:
            click.echo(f"{budget} <= {exact(outcome.limit)}: {outcome.problem}", err=True)
    worse = ", ".join(exact(outcome.limit) for outcome in beaten(outcomes, higher=higher))
    if worse:
        click.echo(
            f"note: under {worse} another budget's network is better and within the limit: more --candidates would help",
            err=True,
        )


def _scores(best: dict[str, Any]) -> str:
    known = ("structure", "hash", *COSTS)
    return ", ".join(f"{name} {value:.3f}" for name, value in best.items() if name not in known and value is not None)


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}" if isinstance(value, float) else str(value)


def _table(budget: str, outcomes: list[Outcome]) -> tuple[list[str], list[list[str]]]:
    found = [outcome for outcome in outcomes if outcome.result is not None]
    bests = [outcome.result["best"] for outcome in found if outcome.result is not None]
    names = [name for name in dict.fromkeys(key for best in bests for key in best) if name not in ("structure", "hash")]
    names = [name for name in names if any(best.get(name) is not None for best in bests)]
    rows = []
    for outcome in found:
        assert outcome.result is not None
        best = outcome.result["best"]
        cells = [_cell(best.get(name)) for name in names]
        rows.append([str(outcome.limit), *cells, best["structure"]])
    return [f"{budget} limit", *names, "structure"], rows


def _write(folder: Path, budget: str, outcomes: list[Outcome], command: str, *, higher: bool) -> str:
    """Write the table, and the page with the front where plotly is installed; what to tell."""
    from plainnet.errors import MissingExtraError
    from plainnet.search.report import write_sweep

    path = folder / "sweep.csv"
    write_whole(path, csv_table(*_table(budget, outcomes)) + "\n")
    try:
        page = write_sweep(outcomes, folder / "sweep.html", command=command, higher=higher)
    except MissingExtraError as error:
        return f"table in {path}; no page: {error}"
    return f"table in {path}, page in {page}"
