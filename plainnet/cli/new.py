"""`plainnet new`: begin something of one's own."""

from __future__ import annotations

from pathlib import Path
from shlex import quote

import click

from plainnet.cli.completion import a_starter
from plainnet.cli.screen import tell
from plainnet.starters import STARTERS, write_starter

__all__ = ["new_command"]

_EPILOG = "\n".join(["\b", "Kinds:", *(f"  {kind:8} {starter.summary}" for kind, starter in STARTERS.items())])


@click.command(name="new", epilog=_EPILOG)
@click.argument("kind", metavar="|".join(STARTERS), shell_complete=a_starter)
@click.argument("name")
@click.option("--in", "folder", type=click.Path(path_type=Path), default=Path(), help="The folder. [default: this one]")
def new_command(kind: str, name: str, folder: Path) -> None:
    """Write a small working file of a KIND called NAME, and its test, to begin with.

    \b
    plainnet new block MyBlock
    plainnet new hook CountUpdates --in mine
    """
    file, test, use = write_starter(kind, name, folder)
    for path in (file, test):
        click.echo(click.format_filename(path))
    for line in (f"test it with: python -m pytest {quote(str(test))}", f"use it with: {use}"):
        tell(line, err=True, indent=4)
