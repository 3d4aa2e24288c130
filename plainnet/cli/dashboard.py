"""`plainnet dashboard`: everything that is kept in a folder, in the browser."""

from __future__ import annotations

from pathlib import Path

import click

from plainnet.cli.screen import tell

__all__ = ["dashboard_command"]


@click.command(name="dashboard")
@click.argument("folder", type=click.Path(path_type=Path), default=Path())
@click.option("--port", type=click.IntRange(0, 65_535), default=8000, help="0 takes one that is free.  [default: 8000]")
@click.option(
    "--host", metavar="NAME", default="127.0.0.1", help="Where to listen. [default: 127.0.0.1, this machine alone]"
)
def dashboard_command(folder: Path, port: int, host: str) -> None:
    """Show all searches, sweeps, trainings and stored networks under FOLDER (here by default) in the browser, live while they
    run. Pages are read only, and no Python file that a run names is run (extra: dashboard).
    """
    from plainnet.dashboard.app import serve

    serve(folder, host=host, port=port, said=lambda text: tell(text, err=True))
