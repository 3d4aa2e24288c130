"""`plainnet predict`: a trained network on image files."""

from __future__ import annotations

import json
from pathlib import Path

import click

__all__ = ["predict_command"]


@click.command(name="predict")
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="IMAGE...")
@click.option("--top", default=3, show_default=True, type=click.IntRange(min=1), help="Classes for each image.")
@click.option(
    "--import",
    "--blocks",
    "imports",
    multiple=True,
    metavar="FILE|MODULE",
    help="Code of yours that the network needs.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON: one object for each image.")
def predict_command(run: Path, images: tuple[Path, ...], top: int, imports: tuple[str, ...], as_json: bool) -> None:
    """Print the most probable classes of images, by the best weights of a RUN folder (or a safetensors file of one)."""
    from dataclasses import asdict

    from plainnet.engine.predict import Predictor

    predictor = Predictor(run, imports=imports)
    for image in images:  # one by one, so that a broken image does not cost the answers before it
        (answer,) = predictor.predict([image], top=top)
        if as_json:
            click.echo(json.dumps(asdict(answer)))
            continue
        pairs = zip(answer.classes, answer.probabilities, strict=True)
        click.echo(f"{answer.path}: " + ", ".join(f"{name} {100 * share:.1f} %" for name, share in pairs))
