"""`plainnet data`: data sets looked at without training."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from plainnet.cli.network_options import imports_option
from plainnet.cli.picture_files import save_picture
from plainnet.cli.progress import progress_bar
from plainnet.cli.screen import tell
from plainnet.files.file_kinds import reading
from plainnet.files.whole_files import own_name

if TYPE_CHECKING:
    from plainnet.engine.data.source import DataSource

__all__ = ["data_command"]


@click.group(name="data")
def data_command() -> None:
    """Look at data sets: check, show."""


def data_arguments(command: Callable[..., Any]) -> Callable[..., Any]:
    """DATA with its values, and code of yours."""
    option = imports_option("Code of yours that DATA names.")
    command = click.argument("values", nargs=-1, metavar="[KEY=VALUE]...")(option(command))
    return click.argument("what", metavar="DATA")(command)


@data_command.command("check")
@data_arguments
@click.option("--limit", type=click.IntRange(min=1), help="Samples of training and of validation. [default: all]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check(what: str, values: tuple[str, ...], imports: tuple[str, ...], limit: int | None, as_json: bool) -> None:
    """Read every sample, and print how many there are of each class, their sizes, and what is broken; exit 1 where something is.

    DATA is a kind of data set (digits, coco, FILE.py:FUNCTION) with KEY=VALUE for its arguments, a folder of images, or
    a training configuration, a recipe or a run, whose data are meant.
    """
    from plainnet.engine.data.checking import check_data

    with progress_bar("samples") as progress:
        name, data = _data(what, values, imports, keep_broken=True)
        found = check_data(data, name, limit=limit, progress=progress)
    click.echo(json.dumps(found.to_dict()) if as_json else found)
    if found.is_broken:
        sys.exit(1)


@data_command.command("show")
@data_arguments
@click.option("--split", type=click.Choice(["train", "val"]), default="train", show_default=True, help="Which images.")
@click.option("--count", type=click.IntRange(min=1), default=16, show_default=True, help="How many.")
@click.option("--first", type=click.IntRange(min=0), default=0, show_default=True, help="The number of the first.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file.  [default: data.png]",
)
def show(
    what: str, values: tuple[str, ...], imports: tuple[str, ...], split: str, count: int, first: int, out: Path | None
) -> None:
    """Write a picture of samples with their targets: boxes, masks or labels. DATA is what `plainnet data check` takes."""
    from plainnet.engine.pictures.data_pictures import data_picture

    out = out or own_name("data.png", "--out")
    name, data = _data(what, values, imports, only=split)
    save_picture(data_picture(data, split=split, count=count, first=first), out)
    tell(f"{out}: {min(count, len(data.train if split == 'train' else data.val) - first)} samples of {name}", indent=4)


def _data(what: str, values: tuple[str, ...], imports: tuple[str, ...], **how: Any) -> tuple[str, DataSource]:
    """What DATA is called, and the data set, built as `how` says it."""
    from plainnet.cli.config import read
    from plainnet.engine.run.data_sources import build_data, section_named
    from plainnet.engine.run.registry import Registry
    from plainnet.engine.run.schema import recipes
    from plainnet.engine.run.training_run import load_config

    overrides = tuple(f"data.{value}" for value in values)
    is_config = (
        what in recipes() or what.endswith((".yaml", ".yml", ".py")) or os.path.isfile(Path(what) / "config.yaml")
    )
    if is_config:
        value = read(what, overrides, imports, names=True).value
    else:
        source = {"_base_": "quick", "data": section_named(what, values)}
        with reading(what, "data set"):
            value = load_config(source, overrides=overrides, imports=imports, called="DATA").value
    name = what if value.data.type == "folder" and not is_config else value.data.type
    return name, build_data(value.data, Registry(value.imports), **how)
