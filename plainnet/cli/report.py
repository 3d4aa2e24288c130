"""`plainnet report`: a page about a search, or pages about a sweep."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

__all__ = ["report_command"]


@click.command(name="report")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="The page. [default: RUN/report.html, SWEEP/sweep.html]"
)
@click.option("--trust", is_flag=True, help="Run the Python files with blocks that RUN names, where they are needed.")
def report_command(run: Path, output: Path | None, trust: bool) -> None:
    """Write a self-contained HTML page about RUN: the winner, the front, the best ten, how the search went and how to
    repeat it. It works without a network (extra: report). Of a sweep, each run gets its page, and the sweep one.
    """
    from plainnet.search.report import write_report
    from plainnet.search.runs.kept_runs import opened
    from plainnet.search.runs.kept_sweeps import runs_of_sweep

    runs = [path for path, _, _ in runs_of_sweep(run)]
    for folder in runs or [run]:
        with opened(folder) as store:
            page = folder / "report.html" if runs or output is None else output
            click.echo(write_report(store, page, trust=trust))
    if runs:
        click.echo(_sweep_page(run, output))


def _sweep_page(folder: Path, output: Path | None) -> Path:
    """The page with the front of a sweep, as the sweep itself writes it."""
    from plainnet.search.candidates.objectives import is_made_large
    from plainnet.search.report import write_sweep
    from plainnet.search.report.reproduce import search_words
    from plainnet.search.runs.kept_sweeps import config_of_sweep, read_sweep

    config, budget = config_of_sweep(folder)
    outcomes = read_sweep(folder)
    vary = f"{budget}={','.join(f'{each.limit:.12g}' for each in outcomes)}"
    words = ["plainnet", "sweep", *search_words(config), "--vary", vary, "--candidates", str(config.candidates)]
    higher = is_made_large(config.objectives[0])
    return write_sweep(outcomes, output or folder / "sweep.html", command=shlex.join(words), higher=higher)
