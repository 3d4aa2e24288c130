"""`plainnet evaluate`: the metrics of a trained network on a data set."""

from __future__ import annotations

import json

import click

from plainnet.cli.screen import show, tell
from plainnet.cli.structures import trained_weights
from plainnet.files.text_files import printable
from plainnet.results.tables import Table

__all__ = ["evaluate_command"]


@click.command(name="evaluate")
@click.argument("network", metavar="RUN|WEIGHTS|EXPORTED_FOLDER")
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
@click.option(
    "--import",
    "--blocks",
    "imports",
    multiple=True,
    metavar="FILE|MODULE",
    help="Code of yours that the network or the data set needs.",
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
    as_json: bool,
) -> None:
    """Print the metrics of trained weights: the best ones of a training RUN, a safetensors file of one, or those of an exported
    folder; on the images that it was validated with, or on any data set. KEY=VALUE are arguments of the data set.

    \b
    plainnet evaluate runs/mine
    plainnet evaluate runs/mine --data folder root=photos
    """
    from plainnet.engine.run.evaluation import evaluate

    path = trained_weights(network, imports)
    found = evaluate(
        path,
        data=data,
        values=values,
        split=split,
        evaluators=metrics,
        imports=imports,
        batch_size=batch,
        device=device,
    )
    kind = found.data.get("type", "digits")
    tell(f"data {printable(str(kind))} ({found.source}), {split}: {found.samples:,} images", err=True)
    for note in found.notes:
        tell(f"note: {printable(note)}", err=True, indent=4)
    if as_json:
        click.echo(json.dumps(found.as_dict(), allow_nan=False))
        return
    rows = [[name, "not finite" if value is None else f"{value:.4f}"] for name, value in found.metrics.items()]
    show(Table(["metric", "value"], rows))
    for name, table in found.tables.items():
        click.echo(f"{name}:")
        for row in table:
            click.echo("  " + " ".join(f"{value:6}" if isinstance(value, int) else str(value) for value in row))
