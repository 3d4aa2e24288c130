"""`plainnet search`: find a network under a budget."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from plainnet.cli.search_options import Count, config_from, search_options, tell_advice
from plainnet.errors import RunError, UsageError

if TYPE_CHECKING:
    from plainnet.search.session import SearchResult

__all__ = ["search_command"]


@click.command(name="search")
@click.argument("space", required=False)
@click.option("--candidates", type=Count(), default=480_000, show_default=True, help="Candidates to propose.")
@click.option(
    "--out", metavar="RUN", type=click.Path(path_type=Path), help="Folder of the run. [default: runs/SPACE-SEED]"
)
@click.option("--resume", metavar="RUN", type=click.Path(path_type=Path), help="Go on with an interrupted run.")
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Processes.")
@click.option(
    "--executor",
    type=click.Choice(["local", "ray"]),
    default="local",
    show_default=True,
    help="This machine, or a Ray cluster.",
)
@click.option("--tensorboard", metavar="DIR", help="Write scalars for TensorBoard (extra: train).")
@click.option("--quiet", is_flag=True, help="Show no progress.")
@click.option("--json", "as_json", is_flag=True, help="Print a summary as JSON in the last line.")
@search_options
def search_command(
    space: str | None,
    candidates: int,
    out: Path | None,
    resume: Path | None,
    workers: int,
    executor: str,
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
    plainnet search zennas-resnet --max-params 1e6 --max-layers 18 --workers 2 --out runs/cifar
    plainnet search zennas-mobile --max-macs 400e6 --max-layers 14
    plainnet search --resume runs/cifar
    """
    from plainnet.cli.search_display import leave, watching
    from plainnet.search.session import resume as take_up
    from plainnet.search.session import search
    from plainnet.search.store import RunStore

    if (space is None) == (resume is None):
        raise UsageError("give either a search space, or --resume RUN; `plainnet space list` shows the shipped spaces")
    if resume is not None:
        _refuse_changes()
        folder = resume
        store = RunStore.open(folder)
        config = store.config
        store.close()
    else:
        assert space is not None
        config = config_from(space, candidates, options)
        folder = out or _free_folder(config.space.name, config.seed)
        if not quiet:
            tell_advice(config)
    try:
        with watching(config, quiet=quiet) as watch, _scalars(tensorboard, watch) as watcher:
            if resume is not None:
                result = take_up(folder, workers=workers, executor=executor, watch=watcher)
            else:
                result = search(config, folder, workers=workers, executor=executor, watch=watcher)
    except KeyboardInterrupt:
        kept = f"everything up to the last finished epoch is kept. To go on:\n  {_again(folder)}"
        leave(f"stopped; {kept if (folder / 'run.sqlite').exists() else 'nothing had begun'}")
    except OSError as error:
        if error.errno not in NOT_OURS:
            raise
        raise RunError(f"{error.filename or folder} cannot be written: {error.strerror}") from None
    except RunError as error:
        if (folder / "run.sqlite").exists() and "resume" in str(error) and "in use" not in str(error):
            raise RunError(f"{error}\nto go on: {_again(folder)}") from error
        raise
    _print_result(result, quiet=quiet, as_json=as_json)


NOT_OURS = {errno.EACCES, errno.EPERM, errno.EROFS}
"""A folder that may not be written."""
GOES_WITH_RESUME = {"space", "resume", "workers", "executor", "tensorboard", "quiet", "as_json", "blocks"}
"""What may be said about a run that has its configuration already."""


def _refuse_changes() -> None:
    """A run that is taken up keeps its configuration: what would change it is refused, not passed over."""
    context = click.get_current_context()
    for option in context.command.params:
        given = context.get_parameter_source(option.name or "") not in (None, ParameterSource.DEFAULT)
        if given and option.name not in GOES_WITH_RESUME:
            raise UsageError(
                f"{option.opts[0]} does not go with --resume: a run keeps its configuration; to go on from it with another "
                "one: plainnet runs fork RUN NEW"
            )


def _again(folder: Path) -> str:
    return f"plainnet search --resume {folder}"


def _free_folder(name: str, seed: int) -> Path:
    """runs/NAME-SEED, or the first such name with a number that is not taken."""
    folder = Path("runs") / f"{name}-{seed}"
    number = 2
    while folder.exists():
        folder = Path("runs") / f"{name}-{seed}-{number}"
        number += 1
    return folder


def _scalars(folder: str | None, watch: Any) -> Any:
    from contextlib import nullcontext

    if folder is None:
        return nullcontext(watch)
    from plainnet.search.scalars import tensorboard_watcher

    return tensorboard_watcher(folder, watch)


def _print_result(result: SearchResult, *, quiet: bool, as_json: bool) -> None:
    best = result.best
    if not quiet or not as_json:
        scores = "  ".join(f"{name} {value:.4g}" for name, value in best.scores.items())
        click.echo(best.structure)
        click.echo(f"hash {best.hash}  params {best.params:,}  macs {best.macs:,}  layers {best.layers}  {scores}")
        rate = result.candidates / result.seconds if result.seconds else 0.0
        click.echo(
            f"{result.candidates:,} candidates in {result.seconds:.1f} s ({rate:,.0f}/s): {result.evaluated:,} evaluated, "
            f"{result.rejected:,} rejected, {result.duplicates:,} duplicates"
            + (f", {result.failed:,} failed" if result.failed else "")
        )
        if result.folder is not None:
            click.echo(f"kept in {result.folder}; a page about it: plainnet report {result.folder}")
    if as_json:
        click.echo(json.dumps(result.as_dict()))
