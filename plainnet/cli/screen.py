"""What commands print, in the width that there is: tables that fit, sentences broken between words."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from plainnet.files.run_log import shown_on
from plainnet.results.tables import Table, terminal_width, wrapped

__all__ = ["alarm", "full_option", "show", "tell", "tell_error", "verbose_option"]

Command = TypeVar("Command", bound=Callable[..., Any])


def full_option(command: Command) -> Command:
    """`--full`: tables as wide as they are, whatever the terminal is."""
    return click.option("--full", "is_full", is_flag=True, help="Show all columns and strings, however wide.")(command)


def verbose_option(command: Command) -> Command:
    """`--verbose`: what the log of the run gets, with time stamps, on standard error, too."""

    def listen(ctx: click.Context, param: click.Parameter, value: bool) -> None:  # noqa: ARG001
        ctx.with_resource(shown_on(sys.stderr, is_shown=value))

    option = click.option(
        "--verbose", is_flag=True, expose_value=False, callback=listen, help="Show what log.txt of the run gets, too."
    )
    return option(command)


def show(table: Table, *, is_full: bool = False) -> None:
    """Print a table that fits the terminal; a complete one into a pipe, or when it is asked for."""
    click.echo(table.text(None if is_full else terminal_width()))


def tell(line: str, *, err: bool = False, indent: int = 0) -> None:
    """Print a sentence, broken between words where the terminal ends."""
    click.echo(wrapped(line, terminal_width(err=err), indent=indent), err=err)


def alarm(line: str) -> None:
    """Print in red, on standard error, what a result is not: a budget that is missed."""
    click.secho(wrapped(line, terminal_width(err=True), indent=4), fg="red", bold=True, err=True)


def tell_error(text: str) -> None:
    """Print what went wrong on standard error; what is indented by four, a place in a text with its caret, stays as it is."""
    for line in text.splitlines():
        click.echo(line, err=True) if line.startswith("    ") else tell(line, err=True, indent=4)
