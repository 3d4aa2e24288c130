"""`plainnet report`: a page about what was kept: a run, a store, a calibration, what a command printed with --json."""

from __future__ import annotations

import json
from pathlib import Path

import click

from plainnet.errors import UsageError

__all__ = ["report_command"]


@click.command(name="report")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="The page. [default: one in RUN, or beside a file; needed for several]",
)
@click.option("--trust", is_flag=True, help="Run the Python files with blocks that RUN names, where they are needed.")
@click.option(
    "--images",
    type=click.IntRange(min=1, max=50),
    metavar="N",
    help="Of a training: the N worst and the N best images of its validation, too; the network is run over them.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what the pages tell, as JSON; write nothing.")
def report_command(runs: tuple[Path, ...], output: Path | None, trust: bool, images: int | None, as_json: bool) -> None:
    """Write a self-contained HTML page about RUN. Of a search: the winner, the front, the best ten, how it went and how to
    repeat it; of a sweep: a page of each run, and one of the sweep; of a training: its curves, what it reached, what was
    changed; of a folder with several trainings: all of them side by side; of a store, or the folder of a stored network: what
    is in it; of a file that `plainnet calibrate` wrote: what such a score is worth; of what `report`, `analyze`, `compare`,
    `validate` or `support table` printed with --json: their page. Of several RUNs, all searches or all trainings: one page with
    them side by side. It works without a network.
    """
    from plainnet.pages.found_pages import write_pages
    from plainnet.pages.parts import finite
    from plainnet.reports import facts_of, side_by_side, write_reports

    if as_json and output is not None:
        raise UsageError("--json prints, and --output is a page; leave one of the two out")
    if len(runs) > 1:
        if images:
            raise UsageError("--images is for one training; leave it out, or name one RUN")
        if output is None and not as_json:
            raise UsageError("a page about several runs lies in none of them; accepted: -o PAGE.html")
        facts = side_by_side({str(run): run for run in runs}, "Side by side", trust=trust)
    elif as_json:
        facts = facts_of(runs[0], trust=trust, images=images or 0)
    if as_json:
        click.echo(json.dumps(finite(facts._asdict()), indent=1, allow_nan=False))
        return
    written = (
        write_pages(facts, output)
        if output is not None and len(runs) > 1
        else write_reports(runs[0], output, trust=trust, images=images or 0)
    )
    for page in written:
        click.echo(page)
