"""`plainnet runs trained`: what a search trained."""

from __future__ import annotations

import json
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import click

from plainnet.cli.runs_show import refuse_training
from plainnet.cli.screen import show, tell
from plainnet.results.tables import Table

if TYPE_CHECKING:
    from plainnet.search.ladder.trainings import Training

__all__ = ["trained_command"]


@click.command(name="trained")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines.")
def trained_command(run: Path, as_json: bool) -> None:
    """What the ladder trained, rung by rung, the best first: accuracy over its seeds, seconds, where the weights are."""
    from plainnet.search.ladder.trainings import trainings
    from plainnet.search.runs.kept_runs import opened

    refuse_training(run)
    with opened(run) as store:
        found = trainings(store)
    if as_json:
        for each in found:
            click.echo(json.dumps(each.as_dict()))
        return
    if not found:
        tell(f"{run} has trained nothing; to train: plainnet search SPACE --ladder ...,train:8 --train-config FILE")
        return
    header = ["rung", "hash", "accuracy", "±", "seeds", "seconds", "weights in"]
    show(
        Table(
            header,
            [_row(each, run) for each in found],
            left=2,
            drop=("seconds", "seeds"),
            cut=("weights in",),
            hint="a pipe",
        )
    )
    failed = sum(each.accuracy is None for each in found)
    if failed:
        tell(f"{failed} failed; why: plainnet report {quote(str(run))}")


def _row(each: Training, run: Path) -> list[str]:
    folder = "" if each.folder is None else str(each.folder.relative_to(run))
    return [
        f"{each.rung} {each.name}",
        each.hash,
        "failed" if each.accuracy is None else f"{each.accuracy:.4f}",
        "" if each.stderr is None else f"{each.stderr:.4f}",
        str(each.seeds),
        "" if each.seconds is None else f"{each.seconds:.1f}",
        folder,
    ]
