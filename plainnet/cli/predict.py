"""`plainnet predict`: a trained network on image files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from plainnet.cli.completion import a_run
from plainnet.cli.network_options import imports_option, trained_weights, trust_option
from plainnet.cli.picture_files import save_picture
from plainnet.cli.screen import tell
from plainnet.errors import not_written
from plainnet.files.text_files import printable

if TYPE_CHECKING:
    from plainnet.engine.run.predict import Answer

__all__ = ["predict_command"]


@click.command(name="predict")
@click.argument("network", metavar="RUN|WEIGHTS|EXPORTED_FOLDER", shell_complete=a_run)
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="IMAGE...")
@click.option("--top", default=3, show_default=True, type=click.IntRange(min=1), help="Classes for each image.")
@imports_option("Code of yours that the network needs.")
@trust_option
@click.option(
    "--draw",
    "pictures",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Write each image with what was found in it: NUMBER_NAME.png.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON: one object for each image.")
def predict_command(
    network: str,
    images: tuple[Path, ...],
    top: int,
    imports: tuple[str, ...],
    trust: bool,
    pictures: Path | None,
    as_json: bool,
) -> None:
    """Print what trained weights say about images: files, or folders of them. The weights are the best ones of a training RUN (or
    of a search run that trained its winner; RUN:2 for the second best), a safetensors file of one, or those of
    a folder exported with them.

    For a classification these are the most probable classes, for a segmentation the share of each class, for a detection
    the objects with their boxes in pixels of the image, for a task of your own what its postprocess gives. The
    network and the task of the file are plainnet's own, or those of a FILE that --import names.
    """
    from plainnet.engine.run.predict import Predictor

    path = trained_weights(network, imports, trust=trust)
    predictor = Predictor(path, imports=imports)
    if pictures is not None:
        predictor.check_drawing()
        _make(pictures)
    tell(f"images are scaled to {predictor.input_size}", err=True)
    number = 0
    for image in images:  # one by one, so that a broken image does not cost the answers before it
        for answer in predictor.each([image], top=top):
            if as_json:
                click.echo(json.dumps(answer.to_dict()))
            else:
                tell(printable(f"{answer.path}: {_said(answer)}"), indent=4)
            if pictures is not None:
                drawn = predictor.draw(Path(answer.path), name=answer.path)
                save_picture(drawn, pictures / f"{number}_{Path(answer.path).stem[:100]}.png")
                number += 1


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise not_written(folder, error, done="made") from None


def _said(answer: Answer) -> str:
    if answer.classes:
        pairs = zip(answer.classes, answer.probabilities, strict=True)
        return ", ".join(f"{name} {100 * share:.1f} %" for name, share in pairs)
    if answer.text:
        return answer.text
    return ", ".join(f"{name} {json.dumps(value)}" for name, value in answer.outputs.items())
