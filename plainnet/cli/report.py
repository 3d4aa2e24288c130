"""`plainnet report`: a page about a search."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["report_command"]


@click.command(name="report")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The page. [default: RUN/report.html]")
@click.option("--trust", is_flag=True, help="Run the Python files with blocks that RUN names, where they are needed.")
def report_command(run: Path, output: Path | None, trust: bool) -> None:
    """Write a self-contained HTML page about RUN: the winner, the front, the best ten, how the search went and how to
    repeat it. It works without a network (extra: report).
    """
    from plainnet.search.report import write_report
    from plainnet.search.runs.kept_runs import opened

    with opened(run) as store:
        path = write_report(store, output or run / "report.html", trust=trust)
    click.echo(path)
