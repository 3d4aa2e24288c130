"""`plainnet calibrate`: a score for one's own space, from networks of it that were trained."""

from __future__ import annotations

import json
import os
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import click

from plainnet.cli.network_options import Resolution, blocks_option
from plainnet.cli.progress import progress_bar
from plainnet.cli.screen import tell
from plainnet.errors import RunError, UsageError
from plainnet.files.whole_files import refuse_unwritable

if TYPE_CHECKING:
    from plainnet.validation.calibrating import TrainedNetworks

__all__ = ["calibrate_command"]

Size = int | tuple[int, int]


@click.command(name="calibrate")
@click.argument("what", metavar="TABLE|RUN")
@click.option("--out", metavar="FILE", help="Write the calibration, to be used as calibrated:FILE.")
@click.option("--resolution", type=Resolution(), help="Input size of the trainings, R or HxW; a RUN knows its own.")
@click.option("--use-se", is_flag=True, help="The table's networks were trained with squeeze-excite.")
@click.option("--seed", default=0, show_default=True, help="Of the intervals' resamples.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--trust", is_flag=True, help="Run the Python files that RUN names.")
@blocks_option
def calibrate_command(
    what: str, out: str | None, resolution: Size | None, use_se: bool, seed: int, as_json: bool, trust: bool
) -> None:
    """Fit a score to trained networks of one space: it ranks the others of that space.

    TABLE is a CSV file with the columns structure and accuracy, of 15 networks at least, trained alike; RUN is a search that
    trained candidates. Printed is how well the model ranks networks that it has not seen (leave-one-out), beside params,
    MACs and single scores. A model that is no better than those is refused, with exit code 1, and nothing is written.

    \b
    plainnet calibrate trained.csv --resolution 32 --out mine.json
    plainnet score NETWORKS.txt --proxy calibrated:mine.json --resolution 32
    plainnet search zennas-resnet --objective calibrated:mine.json
    """
    from plainnet.validation.calibrating import calibrate

    if out is not None:
        refuse_unwritable(out)
    report = calibrate(_networks(what, resolution, use_se=use_se, trust=trust), seed=seed)
    click.echo(json.dumps(report.to_dict(), indent=1, allow_nan=False) if as_json else report)
    try:
        report.refuse()
    except RunError as error:
        raise RunError(f"{error}; nothing is written") from None
    if out is not None:
        report.calibration.write(out)
        tell(f"written to {out}; use it as --objective or --proxy {quote(f'calibrated:{out}')}", err=True, indent=4)
        tell(f"a page about it: plainnet report {quote(out)}", err=True, indent=4)


def _networks(what: str, resolution: Size | None, *, use_se: bool, trust: bool) -> TrainedNetworks:
    """The trained networks of a table or a run."""
    if os.path.isdir(what):
        if resolution is not None or use_se:
            raise UsageError(
                "a run knows the size and the variant of its networks; accepted: no --resolution, no --use-se"
            )
        return _of_run(Path(what), trust=trust)
    from plainnet.blocks.rows.variants import Variant
    from plainnet.validation.calibration_table import read_trained

    if resolution is None:
        raise UsageError("a table does not say the input size of its trainings; give --resolution, such as 32 or 224")
    with progress_bar("features") as progress:
        return read_trained(what, resolution=resolution, variant=Variant(use_se=use_se), progress=progress)


def _of_run(folder: Path, *, trust: bool) -> TrainedNetworks:
    from plainnet.blocks.structure import parse
    from plainnet.search.ladder.trainings import trained_in
    from plainnet.search.runs.kept_runs import opened
    from plainnet.search.runs.trusting import need_blocks
    from plainnet.validation.calibrating import of_structures

    with opened(folder) as store:
        rung, found = trained_in(store)
        need_blocks(store, [structure for structure, _ in found], trust=trust)
        setting = store.config.setting
    tell(f"{len(found)} networks of {folder}, trained on its rung {rung}", err=True, indent=4)
    return of_structures(
        folder.name,
        [parse(structure) for structure, _ in found],
        [accuracy for _, accuracy in found],
        resolution=(setting.shape.height, setting.shape.width),
        variant=setting.variant,
    )
