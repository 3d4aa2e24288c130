"""`plainnet report`: a page about a search."""

from __future__ import annotations

from os.path import isfile
from pathlib import Path

import click

from plainnet.errors import UsageError

__all__ = ["report_command"]


@click.command(name="report")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The page. [default: RUN/report.html]")
@click.option("--trust", is_flag=True, help="Run the Python files with blocks that RUN names, where they are needed.")
def report_command(run: Path, output: Path | None, trust: bool) -> None:
    """Write a self-contained HTML page about RUN: the winner, the front, the best ten, how the search went and how to
    repeat it. It works without a network (extra: report). Of a folder of runs (a sweep) each gets its page.
    """
    from plainnet.search.report import write_report
    from plainnet.search.runs.kept_runs import opened
    from plainnet.search.store import FILE_NAME

    inside = [] if isfile(run / FILE_NAME) else [path.parent for path in sorted(run.glob(f"*/{FILE_NAME}"))]
    if inside and output is not None:
        raise UsageError(
            f"{run} holds {len(inside)} runs, and --output names one page; accepted: one of them, or no --output"
        )
    for folder in inside or [run]:
        with opened(folder) as store:
            click.echo(write_report(store, output or folder / "report.html", trust=trust))
