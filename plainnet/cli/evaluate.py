"""`plainnet evaluate`: the metrics of a trained network on a data set."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import click

from plainnet.cli.completion import a_run
from plainnet.cli.network_options import imports_option, trained_weights, trust_option
from plainnet.cli.screen import tell
from plainnet.files.whole_files import write_whole

__all__ = ["evaluate_command"]


@click.command(name="evaluate")
@click.argument("network", metavar="RUN|WEIGHTS|EXPORTED_FOLDER", shell_complete=a_run)
@click.argument("values", nargs=-1, metavar="[KEY=VALUE]...")
@click.option(
    "--data",
    metavar="KIND|FOLDER",
    help="The data set: digits, folder, cifar10, FILE.py:FUNCTION, ... or a folder of images. [default: as trained]",
)
@click.option("--split", type=click.Choice(["val", "train"]), default="val", show_default=True, help="Which images.")
@click.option(
    "--metric", "metrics", multiple=True, metavar="NAME", help="A further metric: F1, AUC, ConfusionMatrix, ..."
)
@click.option("--batch", type=click.IntRange(min=1), help="Images at once. [default: as trained, 256 otherwise]")
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda or mps.")
@imports_option("Code of yours that the network or the data set needs.")
@trust_option
@click.option(
    "--samples",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write what was found for each sample: a JSON object a line.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def evaluate_command(
    network: str,
    values: tuple[str, ...],
    data: str | None,
    split: str,
    metrics: tuple[str, ...],
    batch: int | None,
    device: str,
    imports: tuple[str, ...],
    trust: bool,
    samples: Path | None,
    as_json: bool,
) -> None:
    """Print the metrics of trained weights: the best ones of a training RUN, a safetensors file of one, or those of a folder
    exported with them; on the images that it was validated with (a stored network: those that its record names), or
    on any data set. KEY=VALUE are arguments of the data set.

    \b
    plainnet evaluate runs/mine
    plainnet evaluate runs/mine --data folder root=photos
    """
    from plainnet.engine.run.evaluation import evaluate

    path = trained_weights(network, imports, trust=trust)
    found = evaluate(
        path,
        data=data,
        values=values,
        split=split,
        evaluators=metrics,
        imports=imports,
        batch_size=batch,
        device=device,
        cases=None if samples is None else partial(_write, samples),
    )
    for _, line in found.view().before if as_json else ():  # data for programs stand alone on standard output
        tell(line, err=True, indent=4)
    click.echo(json.dumps(found.to_dict(), allow_nan=False) if as_json else found)


def _write(path: Path, cases: list[dict[str, Any]]) -> None:
    write_whole(path, "".join(json.dumps(case, allow_nan=False) + "\n" for case in cases))
