"""`plainnet search`: find a network under a budget."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from plainnet.cli.completion import a_space
from plainnet.cli.run_config import refuse_options
from plainnet.cli.screen import verbose_option
from plainnet.cli.search_config import config_from, free_folder, tell_advice
from plainnet.cli.search_options import Count, limits_from, search_options, train_options
from plainnet.cli.search_result import print_result
from plainnet.cli.stopping import leave, stoppable
from plainnet.errors import RunError, UnknownScoreError, UsageError

if TYPE_CHECKING:
    from plainnet.search.runs.search_result import SearchResult
    from plainnet.search.settings.config import SearchConfig
    from plainnet.search.settings.trainer import Trainer

__all__ = ["search_command"]


@click.command(name="search")
@click.argument("space", required=False, shell_complete=a_space)
@click.option("--candidates", type=Count(), default=480_000, show_default=True, help="Candidates to propose.")
@click.option(
    "--out", metavar="RUN", type=click.Path(path_type=Path), help="Folder of the run. [default: runs/SPACE-SEED]"
)
@click.option("--resume", metavar="RUN", type=click.Path(path_type=Path), help="Go on with an interrupted run.")
@click.option("--trust", is_flag=True, help="With --resume: run the Python files that RUN names.")
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Processes.")
@click.option(
    "--executor",
    type=click.Choice(["local", "ray"]),
    default="local",
    show_default=True,
    help="This machine, or a Ray cluster.",
)
@click.option(
    "--max-seconds",
    type=click.FloatRange(min=0, min_open=True),
    help="Propose no more candidates after so long; the ladder comes on top, and --resume goes on with the rest.",
)
@click.option(
    "--bound-seconds",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="Processor time that is taken at the end to prove what the space can give at most; 0 for none. [default: as long as the "
    "search took, 10 at most]",
)
@click.option(
    "--start-seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    metavar="SECONDS",
    help="Processor time for --start optimum; what is known by then is taken. [default: 60]",
)
@click.option("--tensorboard", metavar="DIR", help="Write scalars for TensorBoard (extra: train).")
@verbose_option
@click.option("--quiet", is_flag=True, help="Show no progress.")
@click.option("--json", "as_json", is_flag=True, help="Print a summary as JSON in the last line.")
@train_options
@search_options
def search_command(
    space: str | None,
    candidates: int,
    out: Path | None,
    resume: Path | None,
    trust: bool,
    workers: int,
    executor: str,
    max_seconds: float | None,
    bound_seconds: float | None,
    start_seconds: float,
    tensorboard: str | None,
    quiet: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Search SPACE (a shipped name, or a YAML file) for the best network within budgets.

    Budgets are asked first and the score last; the best candidates climb a ladder of dearer measures, and the winner is
    measured again with fresh seeds. The result depends on the configuration and the seed, never on the workers, and a
    run that was interrupted goes on as if it had not been.

    \b
    plainnet search zennas-resnet --max-params 1e6 --max-layers 18 --out runs/c
    plainnet search zennas-mobile --max-macs 400e6 --max-layers 14
    plainnet search mine.yaml --ladder train@3:8,train:1 --train-config t.yaml
    plainnet search --resume runs/c
    """
    from plainnet.search.runs.session import resume as take_up
    from plainnet.search.runs.session import search
    from plainnet.search.settings.bounds import check_bounds

    if (space is None) == (resume is None):
        raise UsageError("give either a search space, or --resume RUN; `plainnet space list` shows the shipped spaces")
    settings: dict[str, Any] = {"workers": workers, "executor": executor, "max_seconds": max_seconds or math.inf}
    settings["bound_seconds"] = bound_seconds
    with stoppable():
        if resume is not None:
            _refuse_changes()
            config = _config_of(resume)
            result = _run(
                resume,
                config,
                tensorboard,
                lambda **more: take_up(resume, trust=trust, trainer=_trainer(config), **settings, **more),
                quiet=quiet,
            )
        else:
            config = config_from(str(space), candidates, options)
            folder = out or free_folder(f"{config.space.name}-{config.seed}")
            check_bounds(config)
            if not quiet:
                tell_advice(config, limits_from(options), objectives=options["objectives"])
            settings["start_seconds"] = start_seconds
            with _told_of(str(space)):
                result = _run(
                    folder,
                    config,
                    tensorboard,
                    lambda **more: search(config, folder, trainer=_trainer(config), **settings, **more),
                    quiet=quiet,
                )
    print_result(result, quiet=quiet, as_json=as_json)
    if result.unmet is not None:
        sys.exit(1)


def _run(
    folder: Path, config: SearchConfig, tensorboard: str | None, action: Callable[..., SearchResult], *, quiet: bool
) -> SearchResult:
    """Run a search that keeps itself in a folder, watched; what ends it early says how to go on."""
    from plainnet.cli.search_display import watching
    from plainnet.search.runs.trusting import code_of

    again = f"plainnet search --resume {quote(str(folder))}" + " --trust" * bool(code_of(config))
    try:
        with watching(config, quiet=quiet) as watch, _scalars(tensorboard, watch) as watcher:
            return action(watch=watcher)
    except KeyboardInterrupt as stop:
        kept = f"everything up to the last finished epoch is kept{', and each training' * config.trains}. To go on:\n  {again}"
        leave(f"stopped; {kept if _holds_run(folder) else f'there is no run in {folder}'}", stop)
    except RunError as error:
        says_how = "in use" in str(error) or "--resume" in str(error)
        if _holds_run(folder) and "resume" in str(error) and not says_how:
            raise RunError(f"{error}\nto go on: {again}") from error
        raise


@contextmanager
def _told_of(space: str) -> Iterator[None]:
    """That an objective does not fit the start of a space says which space."""
    try:
        yield
    except UnknownScoreError as error:
        raise UsageError(f"{space}: {error}") from None


def _trainer(config: SearchConfig) -> Trainer | None:
    """What trains candidates, where a rung of the ladder does."""
    if not config.trains:
        return None
    from plainnet.engine.run.candidates import CandidateTrainer

    return CandidateTrainer()


def _holds_run(folder: Path) -> bool:
    return os.path.exists(folder / "run.sqlite")


def _config_of(folder: Path) -> SearchConfig:
    from plainnet.search.runs.kept_runs import opened

    with opened(folder) as store:
        return store.config


GOES_WITH_RESUME = {
    "space",
    "resume",
    "trust",
    "workers",
    "executor",
    "max_seconds",
    "bound_seconds",
    "tensorboard",
    "quiet",
    "as_json",
    "blocks",
}
"""What may be said about a run that has its configuration already."""


def _refuse_changes() -> None:
    """A run that is taken up keeps its configuration: what would change it is refused, not passed over."""
    other = "to go on from it with another one: plainnet runs fork RUN NEW"
    refuse_options(GOES_WITH_RESUME, f"does not go with --resume: a run keeps its configuration; {other}")


def _scalars(folder: str | None, watch: Any) -> Any:
    from contextlib import nullcontext

    if folder is None:
        return nullcontext(watch)
    from plainnet.search.runs.scalars import tensorboard_watcher

    return tensorboard_watcher(folder, watch)
