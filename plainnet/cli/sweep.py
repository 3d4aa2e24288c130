"""`plainnet sweep`: the whole front of networks over a list of budgets."""

from __future__ import annotations

import dataclasses
import json
import shlex
import sys
import time
from os.path import isdir, isfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from plainnet.cli.completion import a_space
from plainnet.cli.run_config import config_of, refuse_options
from plainnet.cli.screen import alarm, full_option, show, tell, verbose_option
from plainnet.cli.search_config import config_from, tell_advice
from plainnet.cli.search_options import Count, limits_from, search_options
from plainnet.cli.stopping import leave, stoppable
from plainnet.cli.sweep_exact import refuse_what_is_not_exact, sweep_exactly
from plainnet.errors import UsageError
from plainnet.files.whole_files import write_whole
from plainnet.results.tables import csv_table
from plainnet.search.candidates.budgets import Costs

if TYPE_CHECKING:
    from plainnet.search.runs.sweep import Outcome, Outcomes
    from plainnet.search.settings.config import SearchConfig

__all__ = ["sweep_command"]

COSTS = Costs._fields
GOES_WITH_RUN = {"space", "vary", "is_exact", "candidates", "out", "workers", "quiet", "as_json", "is_full", "blocks"}


@click.command(name="sweep")
@click.argument("space", shell_complete=a_space)
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
@verbose_option
@full_option
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
    is_full: bool,
    **options: Any,
) -> None:
    """Search SPACE under each of a list of budgets. Writes a run for each, a table (sweep.csv) and a page with the front
    (sweep.html). Asked for again, it goes on where it stopped; --exact begins in a new folder. In place of SPACE, a kept run
    or sweep says what to search for; a sweep gets the limits in addition.

    \b
    plainnet sweep zennas-resnet --vary params=2e5:2e6:20 --workers 2
    plainnet sweep zennas-resnet --vary params=2e5:2e6:20 --max-layers 18 --exact
    plainnet sweep runs/cifar --vary params=5e5,1e6
    """
    from plainnet.search.runs.kept_sweeps import limits_of_sweep
    from plainnet.search.runs.sweep import read_budgets

    budget, limits = read_budgets(vary)
    if isdir(space):
        config, folder = _as_in(Path(space), budget, candidates)
        folder = None if is_exact else folder  # the table of a sweep that was searched stays
        limits = sorted({*limits, *limits_of_sweep(folder)} if folder else limits)
    else:
        config, folder = _as_said(space, budget, limits, candidates, options)
    if out is not None or folder is None:
        folder = out or Path("runs") / f"sweep-{config.space.name}-{config.seed}"
    if is_exact:
        refuse_what_is_not_exact()
    _refuse_other_table(folder, is_exact=is_exact)
    if is_exact:
        sweep_exactly(config, budget, limits, folder, quiet=quiet, as_json=as_json, is_full=is_full)
        return
    _search_all(config, budget, limits, folder, workers=workers, quiet=quiet, as_json=as_json, is_full=is_full)


def _refuse_other_table(folder: Path, *, is_exact: bool) -> None:
    """Refuse a folder with a table that this sweep would not go on with, but write over."""
    from plainnet.search.runs.kept_sweeps import is_sweep

    is_searched, is_kept = is_sweep(folder), isfile(folder / "sweep.csv")
    if is_kept and not is_searched:
        raise UsageError(f"{folder / 'sweep.csv'} is the table of another sweep; accepted: another --out")
    if is_exact and is_searched:
        raise UsageError(f"{folder} holds a sweep that was searched; accepted: another --out for --exact")


def _as_said(
    space: str, budget: str, limits: list[float], candidates: int, options: dict[str, Any]
) -> tuple[SearchConfig, None]:
    """The configuration that a space and options mean."""
    if options["ladder"] is None:
        options["ladder"] = "zen:500:1:1" if not options["objectives"] or options["objectives"][0] == "zen" else "none"
    config = config_from(space, candidates, options)
    if not click.get_current_context().params["quiet"]:
        given = {**limits_from(options), budget: limits[0]}
        told = dataclasses.replace(config, limits={**config.limits, budget: limits[0]})
        tell_advice(told, given, objectives=options["objectives"])
    return config, None


def _as_in(folder: Path, budget: str, candidates: int) -> tuple[SearchConfig, Path | None]:
    """The configuration of a kept run or sweep, and the folder of a sweep, which goes on there."""
    refuse_options(GOES_WITH_RUN, f"does not go with {folder}: the run says what to search for")
    context = click.get_current_context()
    config, varied = config_of(folder, context.params["blocks"])
    if varied is not None and varied != budget:
        raise UsageError(f"{folder} is a sweep over {varied}; accepted: --vary {varied}=..., or another space")
    is_said = context.get_parameter_source("candidates") is not ParameterSource.DEFAULT
    limits = {name: limit for name, limit in config.limits.items() if name != budget}
    config = dataclasses.replace(
        config, limits=limits, latency=(), candidates=candidates if is_said else config.candidates
    )
    return config, folder if varied is not None else None


def _search_all(
    config: SearchConfig,
    budget: str,
    limits: list[float],
    folder: Path,
    *,
    workers: int,
    quiet: bool,
    as_json: bool,
    is_full: bool,
) -> None:
    """Search under each limit, tell of each, print the table and write it; exit code 1 where a budget is not met."""
    from plainnet.search.candidates.objectives import is_made_large
    from plainnet.search.report.reproduce import search_words
    from plainnet.search.runs.sweep import sweep

    vary = f"{budget}={','.join(f'{limit:.12g}' for limit in limits)}"
    words = ["plainnet", "sweep", *search_words(config), "--vary", vary, "--candidates", str(config.candidates)]
    began, told = time.perf_counter(), _Telling(budget, len(limits), quiet=quiet)
    with stoppable():
        try:
            outcomes = sweep(config, budget, limits, folder, workers=workers, on_outcome=told)
        except KeyboardInterrupt as stop:
            again = shlex.join([*words, "--out", str(folder)])
            leave(f"stopped; to go on, give the same command again:\n  {again}", stop)
    higher = is_made_large(config.objectives[0])
    _print_outcomes(budget, outcomes, higher=higher, is_full=is_full)
    seconds = time.perf_counter() - began
    written = _write(folder, outcomes, shlex.join(words), config)
    tell(f"{len(limits)} budgets x {config.candidates:,} candidates in {seconds:.1f} s; {written}")
    if as_json:
        click.echo(json.dumps(outcomes.to_dict()))
    if any(outcome.result and outcome.result["unmet"] for outcome in outcomes):
        sys.exit(1)


class _Telling:
    """Says of each outcome, as it comes, what it is."""

    def __init__(self, budget: str, count: int, *, quiet: bool) -> None:
        self.budget, self.count, self.quiet = budget, count, quiet
        self.began, self.done = time.perf_counter(), 0

    def __call__(self, outcome: Outcome) -> None:
        """Tell of one."""
        from plainnet.pages.parts import exact

        self.done += 1
        if self.quiet:
            return
        said = outcome.problem.splitlines()[0] if outcome.result is None else _scores(outcome.result["best"])
        seconds = time.perf_counter() - self.began
        limit = f"{self.budget} <= {exact(outcome.limit)}"
        tell(f"{self.done} of {self.count} ({seconds:.0f} s): {limit}: {said}", err=True)


def _print_outcomes(budget: str, outcomes: Outcomes, *, higher: bool, is_full: bool) -> None:
    """The table, and what is wrong with some."""
    from plainnet.pages.parts import exact
    from plainnet.search.runs.sweep import beaten

    for table in outcomes.view().tables:
        show(table, is_full=is_full)
    for outcome in outcomes:
        if outcome.result and outcome.result["unmet"]:
            missed = outcome.result["unmet"]
            said = f"BUDGET NOT MET: the fastest finalist takes {missed['lowest']:.3f} ms, the budget is {missed['limit']:g} ms"
            alarm(f"{budget} <= {exact(outcome.limit)}: {said}")
        if outcome.problem:
            tell(f"{budget} <= {exact(outcome.limit)}: {outcome.problem}", err=True)
    worse = ", ".join(exact(outcome.limit) for outcome in beaten(outcomes, higher=higher))
    if worse:
        tell(
            f"note: under {worse} another budget's network is better and within the limit: more --candidates would help",
            err=True,
        )


def _scores(best: dict[str, Any]) -> str:
    from plainnet.search.runs.networks_table import ABOUT

    known = (*ABOUT, *COSTS)
    return ", ".join(f"{name} {value:.3f}" for name, value in best.items() if name not in known and value is not None)


def _csv(outcomes: Outcomes) -> str:
    """The table, unrounded, with the structures last."""
    table = next(iter(outcomes.view().tables), None)
    columns = [] if table is None else [name for name in table.columns if name != "hash"]
    rows = [["" if each.get(name) is None else str(each[name]) for name in columns] for each in outcomes.records()]
    return csv_table(columns, rows)


def _write(folder: Path, outcomes: Outcomes, command: str, config: SearchConfig) -> str:
    """Write the table, and the page with the front; what to tell."""
    from plainnet.pages.found_pages import write_pages
    from plainnet.search.candidates.objectives import is_made_large
    from plainnet.search.report import sweep_facts

    path = folder / "sweep.csv"
    write_whole(path, f"{_csv(outcomes)}\n")
    higher = is_made_large(config.objectives[0])
    facts = sweep_facts(outcomes, command=command, higher=higher, config=config)
    pages = write_pages(facts, folder / "sweep.html")
    return f"table in {path}, page in {pages[0]}"
