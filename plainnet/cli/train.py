"""`plainnet train`: a configuration, a structure or a run folder, trained."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from types import FrameType
from typing import TYPE_CHECKING

import click

from plainnet.cli.completion import a_recipe_or_network
from plainnet.cli.config_help import CommandWithKeys
from plainnet.cli.network_options import imports_option, tell_network, trust_option
from plainnet.cli.screen import verbose_option
from plainnet.errors import PlainnetError, RunError, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from plainnet.configs import Config
    from plainnet.engine.run.run_summary import RunSummary
    from plainnet.engine.run.schema import TrainConfig

__all__ = ["train_command"]

STOPPED = {"SIGTERM": 143}
"""Signal -> exit code of a run that it stopped, as shells count them; 130 for Ctrl-C, and where another process was stopped."""


@click.command(name="train", cls=CommandWithKeys)
@click.argument("what", metavar="CONFIG|NETWORK|RUN", shell_complete=a_recipe_or_network)
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--recipe", default="quick", show_default=True, help="The recipe that a NETWORK is trained with.")
@click.option("--out", "run_folder", type=click.Path(path_type=Path), help="The run folder; the same as run=FOLDER.")
@click.option("--resume", "continue_existing", is_flag=True, help="Continue the run in the folder if there is one.")
@imports_option("Code of yours that the config names.")
@trust_option
@click.option(
    "--processes",
    type=click.IntRange(min=1),
    help="Start so many processes on this machine, one for each GPU (on CPUs as many as you like).",
)
@click.option("--dry-run", "is_dry", is_flag=True, help="Print the plan, try one batch, and write nothing.")
@click.option("--debug", is_flag=True, help="One process, no workers, anomaly detection; breakpoints work.")
@verbose_option
@click.option("--json", "as_json", is_flag=True, help="Print the summary (or the plan) as JSON on standard output.")
def train_command(
    what: str,
    overrides: tuple[str, ...],
    recipe: str,
    run_folder: Path | None,
    continue_existing: bool,
    imports: tuple[str, ...],
    trust: bool,
    processes: int | None,
    is_dry: bool,
    debug: bool,
    as_json: bool,
) -> None:
    """Train a network.

    CONFIG is a YAML or Python file, or the name of a recipe (`plainnet config list`); a NETWORK, named in any way that `plainnet
    analyze` takes (a string, a published name, a search run), is trained with --recipe, and weights that it has are begun
    with. KEY=VALUE overrides any key: optim.lr=1e-3.

    The folder of a training RUN is continued from its last checkpoint, to the last bit as if it had never stopped;
    KEY=VALUE changes the run from there on, or is refused. Ctrl-C stops after the current update and saves. Several processes
    (--processes 2, torchrun, accelerate launch, mpirun or srun) compute what one does.

    --dry-run makes everything that a training begins with, takes one batch through it, and prints the plan: the pieces, who is
    called at each event, which parameters a pattern matched, the learning rate over the run, and the shapes of a batch.
    """
    from plainnet.engine.processes.process_group import join_launcher, leave_the_others
    from plainnet.engine.processes.spawning import follow_parent

    if processes is not None and processes > 1:
        sys.exit(_spawn(processes, debug=debug))
    follow_parent()
    stopped_by = ""
    with _stopped_early():
        join_launcher()
        extra = (*overrides, *([f"run={json.dumps(str(run_folder))}"] if run_folder else []))
        _check_text(what, *overrides, str(run_folder))
        with _told_failures(debug=debug):
            with _told_once():
                config, continues = _config(what, extra, recipe, imports, named_run=run_folder is not None, trust=trust)
            continues = continues or continue_existing
            if is_dry:
                _show_plan(config, as_json, debug=debug, continues=continues)
            else:
                stopped_by = _train(config, as_json, debug=debug, continues=continues)
        leave_the_others()
    if stopped_by:
        sys.exit(STOPPED.get(stopped_by, 130))


def _spawn(processes: int, *, debug: bool) -> int:
    """The exit code of this command in several processes."""
    from plainnet.cli.again import same_command
    from plainnet.engine.processes.process_group import join_launcher, process_count
    from plainnet.engine.processes.spawning import run_together

    join_launcher()
    if process_count() > 1:
        raise UsageError(f"{process_count()} processes were started by a launcher already: leave --processes out")
    if debug:
        raise UsageError("--debug is for one process: leave --processes out")
    return run_together(same_command(without=("processes",)), processes)


def _config(
    what: str, overrides: tuple[str, ...], recipe: str, imports: tuple[str, ...], *, named_run: bool, trust: bool
) -> tuple[Config[TrainConfig], bool]:
    """What is to be trained, and whether it is a run that is taken up."""
    from plainnet.engine.processes.process_group import is_main_process
    from plainnet.engine.run.run_files import CONFIG
    from plainnet.engine.run.training_run import resumed_config
    from plainnet.naming.training import training_config

    if os.path.isfile(Path(what) / CONFIG):
        _check_own_folder(Path(what), overrides)
        return resumed_config(what, overrides=overrides, imports=imports), True
    config, subject = training_config(what, overrides, recipe=recipe, imports=imports, named_run=named_run, trust=trust)
    if subject is not None and is_main_process():
        tell_network(subject, sizes=False)
    return config, False


def _train(config: Config[TrainConfig], as_json: bool, *, debug: bool, continues: bool) -> str:
    """Train, and print how it ended; the signal that stopped it, if one did."""
    from rich.console import Console

    from plainnet.engine.run.training_run import train

    console = Console(stderr=True)
    summary = train(config, console=console, debug=debug, continue_existing=continues)
    _show_summary(console, summary, as_json)
    return summary.stopped_by


def _show_plan(config: Config[TrainConfig], as_json: bool, *, debug: bool, continues: bool) -> None:
    from plainnet.engine.processes.process_group import is_main_process
    from plainnet.engine.run.dry_run import dry_run

    plan = dry_run(config, debug=debug, continues=continues)
    if is_main_process():
        click.echo(json.dumps(plan.to_dict(), allow_nan=False) if as_json else plan)


@contextmanager
def _told_once() -> Iterator[None]:
    """What is wrong with what was asked for is told by the first process: the others were asked for the same."""
    from plainnet.engine.processes.process_group import is_main_process

    try:
        yield
    except PlainnetError as error:
        if is_main_process():
            raise
        sys.exit(1 if isinstance(error, RunError) else 2)


@contextmanager
def _told_failures(*, debug: bool) -> Iterator[None]:
    """What breaks a training off, told in short: plainnet's own errors are told elsewhere."""
    try:
        yield
    except PlainnetError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and not getattr(error, "__notes__", None):  # not from inside the training
            raise RunError(f"{error.filename or 'the run'}: {error.strerror or error}") from error
        if debug:
            raise
        _show_failure(error)
        sys.exit(1)


@contextmanager
def _stopped_early() -> Iterator[None]:
    """Ctrl-C and SIGTERM outside of the loop, which has its own way to stop: while everything is imported and built, or once
    more while it stops.
    """

    def end(_number: int, _frame: FrameType | None) -> None:
        raise _Terminated

    main = threading.current_thread() is threading.main_thread()
    previous = signal.signal(signal.SIGTERM, end) if main else None
    try:
        yield
    except (KeyboardInterrupt, _Terminated) as stop:
        click.echo("stopped at once; what was saved before is whole", err=True)
        sys.exit(143 if isinstance(stop, _Terminated) else 130)
    finally:
        if main:
            signal.signal(signal.SIGTERM, previous)


class _Terminated(BaseException):
    """SIGTERM came."""


def _check_text(*texts: str) -> None:
    """A configuration is UTF-8, and holds the folder's name."""
    for text in texts:
        try:
            text.encode()
        except UnicodeEncodeError:
            shown = text.encode("utf-8", "backslashreplace").decode()
            raise UsageError(f"{shown} is no UTF-8 text, so that no configuration can hold it: rename it") from None


def _check_own_folder(folder: Path, overrides: tuple[str, ...]) -> None:
    if any(item.partition("=")[0].strip() == "run" for item in overrides):
        raise UsageError(
            f"{folder} is a run, which goes on in its own folder; to begin another like it: "
            f"plainnet train {quote(str(folder / 'config.yaml'))} run=FOLDER"
        )


def _show_failure(error: Exception) -> None:
    from rich.console import Console
    from rich.panel import Panel
    from rich.text import Text

    from plainnet.engine.run.failure_report import FAILED_FIRST

    notes = getattr(error, "__notes__", [])
    first = [note for note in notes if FAILED_FIRST in note]  # the cause of this one
    others = [note for note in notes if note not in first]
    text = Text(
        "\n".join([*first, f"{type(error).__name__}: {error}", *others, "--debug stops at the place of the error"])
    )
    Console(stderr=True).print(Panel(text, title="the run broke off", border_style="red"))


def _show_summary(console: Console, summary: RunSummary, as_json: bool) -> None:
    from dataclasses import asdict

    from rich.table import Table

    from plainnet.engine.processes.process_group import is_main_process

    if not is_main_process():
        return
    if as_json:
        click.echo(json.dumps(asdict(summary)))
        return
    table = Table(title=None, box=None)
    for column, justify in (("metric", "left"), ("training", "right"), ("validation", "right")):
        table.add_column(column, justify=justify)  # type: ignore[arg-type]
    names = dict.fromkeys(key.partition("/")[2] for key in summary.metrics)
    for name in names:
        cells = [summary.metrics.get(f"{part}/{name}") for part in ("train", "val")]
        table.add_row(name, *("" if cell is None else f"{cell:.4f}" for cell in cells))
    console.print(table)
    if summary.best:
        best = summary.best
        console.print(
            f"best {best['value']:.4f} in round {best['round']}: {summary.run}/best.safetensors", highlight=False
        )
    if summary.stopped_by:
        console.print(
            f"stopped after {summary.iterations} updates; continue with: plainnet train {quote(summary.run)}",
            highlight=False,
        )
    else:
        console.print(
            f"run {summary.run}: {summary.params:,} parameters, {summary.iterations} updates, {summary.seconds:.1f} s",
            highlight=False,
        )
        console.print(f"use it with: plainnet predict {quote(summary.run)} IMAGE...", highlight=False)
