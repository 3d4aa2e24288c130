"""The command line: `plainnet` and `analyze_model`. Commands are imported when they are called, so that `--help` stays quick."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any

import click
from click.shell_completion import add_completion_class

from plainnet import __version__
from plainnet.cli.completion import Fish
from plainnet.cli.screen import tell_error
from plainnet.cli.stopping import leave, listen
from plainnet.errors import PlainnetError, RunError, nearest
from plainnet.files.text_files import printable

__all__ = ["analyze_model", "cli", "main"]

COMMANDS = {
    "analyze": ("plainnet.cli.analyze", "What a network costs: params, MACs, memory, latency, Zen-score."),
    "compare": ("plainnet.cli.compare", "Networks side by side: counts, memory, scores, block by block."),
    "score": ("plainnet.cli.score", "Rank networks by zero-cost proxies, with confidence intervals."),
    "validate": ("plainnet.cli.validate", "How far to trust a proxy: its ranking of trained networks."),
    "calibrate": ("plainnet.cli.calibrate", "A score for your own space, from networks of it that were trained."),
    "search": ("plainnet.cli.search", "Search for the best network within budgets."),
    "optimum": ("plainnet.cli.optimum", "Compute the best network within budgets, with a proven bound."),
    "sweep": ("plainnet.cli.sweep", "Search under a list of budgets: a whole front of networks."),
    "runs": ("plainnet.cli.runs", "List and show searches and trainings; compare, fork and merge searches."),
    "report": ("plainnet.cli.report", "A page about a search, a sweep or trainings."),
    "dashboard": ("plainnet.cli.dashboard", "All that is kept in a folder, in the browser."),
    "machine": ("plainnet.cli.machine", "Peak arithmetic and memory of this machine."),
    "lut": ("plainnet.cli.lut", "Latency of a string from a table of this machine: build, check, predict."),
    "space": ("plainnet.cli.space", "Show, check and sample search spaces."),
    "list": ("plainnet.cli.listing", "The published networks that can be used by name."),
    "blocks": ("plainnet.cli.listing", "The blocks that a network string can be made of."),
    "registry": ("plainnet.cli.registry", "All that can be named: losses, hooks, data, proxies, blocks, targets, ..."),
    "new": ("plainnet.cli.new", "Begin a block, proxy, task, hook or configuration of your own, with its test."),
    "draw": ("plainnet.cli.draw", "A picture of a network: its stages as blocks, as SVG."),
    "fmt": ("plainnet.cli.language", "Print a network string in its canonical form."),
    "lint": ("plainnet.cli.language", "Warn about what is legal but hardly meant."),
    "export": ("plainnet.cli.export", "Write a network as source, config or graph for another place."),
    "train": ("plainnet.cli.train", "Train a network from a configuration."),
    "tune": ("plainnet.cli.tune", "Search for good settings of a training."),
    "evaluate": ("plainnet.cli.evaluate", "The metrics of a trained network on a data set."),
    "predict": ("plainnet.cli.predict", "What a trained network says of images: classes, masks, boxes."),
    "store": ("plainnet.cli.store", "Keep trained networks with their story, find them again, reuse their parts."),
    "support": ("plainnet.cli.support", "Which networks run on which platforms, kept up to date."),
    "config": ("plainnet.cli.config", "Show, check, explain or start a training configuration."),
    "data": ("plainnet.cli.data", "Look through a data set: counts, sizes, classes, what is broken; pictures."),
    "convert": ("plainnet.cli.language", "Turn a TinyNAS structure file into a network string."),
}
"""Command -> (the module that holds it under its own name, one line of help)."""
add_completion_class(Fish)
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF}
"""Where output cannot go on, through no fault of ours: a full disk, a quota, a limit, standard output that is closed."""
_NAMES = {
    **dict.fromkeys((errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR, errno.EISDIR), 2),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), 1),
}
"""What is wrong with a name that was given, or may not be done with it -> the exit code."""


class _ClosedOutput(io.StringIO):
    """In place of a standard output that was closed before the program began, which Python takes for one to be silent on."""

    def write(self, text: str) -> int:  # noqa: ARG002
        raise OSError(errno.EBADF, "standard output is closed")


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def invoke(self, ctx: click.Context) -> Any:
        listen()
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as stop:  # before the command itself could say more
            leave("stopped", stop)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        command = getattr(import_module(COMMANDS[cmd_name][0]), f"{cmd_name}_command")
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            near = nearest(args[0], COMMANDS)
            raise click.UsageError(f"no command {args[0]!r}" + (f"; did you mean {near}?" if near else ""), ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="plainnet")
def cli() -> None:
    """Convolutional networks written as strings: read, count, score, search, export and train them."""


def main(args: Sequence[str] | None = None) -> None:
    """Run `plainnet`; exit codes: 0, 1 for a failed assertion or run, 2 for misuse."""
    _run(cli, args, "plainnet")


def analyze_model(args: Sequence[str] | None = None) -> None:
    """Run `analyze_model`, the same as `plainnet analyze`."""
    from plainnet.cli.analyze import analyze_command

    _run(analyze_command, args, "analyze_model")


def _called(command: click.Command, args: Sequence[str] | None, name: str) -> int:
    """The exit code of a command; what click has to say of its options is told in the width of the terminal."""
    try:
        found = command.main(args=args, prog_name=name, standalone_mode=False)
    except click.ClickException as error:
        context = error.ctx if isinstance(error, click.UsageError) else None
        if context is not None:
            tell_error(context.get_usage())
            tell_error(f"Try '{context.command_path} --help' for help.")
            click.echo(err=True)
        tell_error(f"Error: {error.format_message()}")
        return error.exit_code
    except click.Abort:
        click.echo("Aborted!", err=True)
        return 1
    return found if isinstance(found, int) else 0


def _run(command: click.Command, args: Sequence[str] | None, name: str) -> None:
    if sys.stdout is None:
        sys.stdout = _ClosedOutput()
    for stream in (sys.stdout, sys.stderr):  # names of files may be no text, and terminals lack letters
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        sys.exit(_called(command, args, name))
    except PlainnetError as error:
        tell_error(f"{type(error).__name__}: {printable(str(error), keep=chr(10) + chr(9))}")
        sys.exit(1 if isinstance(error, RunError) else 2)
    except MemoryError as error:
        tell_error(f"RunError: not enough memory{f': {error}' if str(error) else ''}")
        sys.exit(1)
    except OSError as error:
        if error.errno in _NAMES and error.filename:
            shown = os.fsencode(error.filename).decode("utf-8", "backslashreplace")
            tell_error(f"{shown if len(shown) <= 80 else f'{shown[:79]}…'}: {error.strerror}")
            sys.exit(_NAMES[error.errno])
        if error.errno not in _NO_SPACE:
            raise
        _abandon_output()
        where = f" to {error.filename}" if error.filename else ""
        tell_error(f"the output cannot be written{where}: {error.strerror}")
        sys.exit(1)


def _abandon_output() -> None:
    """Send what is left in the buffer of standard output nowhere: it cannot be written, and Python would try again."""
    with suppress(AttributeError, OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
