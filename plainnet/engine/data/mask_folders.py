"""Images and masks in two folders beside each other."""

from __future__ import annotations

import os
from pathlib import Path

from plainnet.engine.data.annotated import Annotated, AnnotatedSamples, annotated_source, class_map, readable
from plainnet.engine.data.image_samples import reading
from plainnet.engine.data.listing import SUFFIXES, is_hidden, why_unreadable
from plainnet.engine.data.source import DataSource, Part
from plainnet.errors import RunError, UsageError

__all__ = ["masks"]


def masks(
    *,
    root: str | Path,
    classes: list[str],
    train: str = "train",
    val: str = "val",
    images: str = "images",
    masks: str = "masks",
    size: int | list[int] = 320,
    crop: float = 1.0,
    channels: int = 3,
    on_error: str = "stop",
    only: Part = None,
) -> DataSource:
    """`root`/train/images/NAME.jpg with `root`/train/masks/NAME.png, and the same under val.

    A mask has the number of a class for each pixel (the place of its name in `classes`, from 0), and 255 where none is known.
    size, crop, channels, on_error: as for coco.
    """
    if len(classes) < 2 or len(set(classes)) < len(classes):
        raise UsageError(f"classes are {classes}; accepted: two or more names, all different")
    base = Path(os.path.expanduser(root))
    window = reading(size=size, crop=crop, channels=channels, on_error=on_error)
    notes: list[str] = []
    parts: dict[str, AnnotatedSamples] = {}
    for part, name in (("train", train), ("val", val)):
        if only in (None, part):
            where = base / name / images
            items, wrong = _paired(where, base / name / masks, len(classes))
            parts[part] = readable(items, wrong, window, where=where, channels=channels, on_error=on_error, notes=notes)
    return annotated_source(parts, classes, target="mask", notes=notes)


def _paired(images: Path, masks: Path, classes: int) -> tuple[list[Annotated], list[str]]:
    """The images that have a mask, and what is wrong with the others: an image or a mask alone is a mistake."""
    for folder in (images, masks):
        if not folder.is_dir():
            raise RunError(f"there is no folder {folder}")
    wanted, given = _by_stem(images), _by_stem(masks)
    items, wrong = list[Annotated](), list[str]()
    for stem, path in wanted.items():
        bad = [
            f"{each}: {why}" for each in (path, given.get(stem)) if each is not None and (why := why_unreadable(each))
        ]
        if stem not in given:
            bad.append(f"{path}: there is no mask {masks / stem}.png")
        wrong += bad
        if not bad:
            items.append(Annotated(path, mask=class_map(given[stem], classes)))
    wrong += [
        f"{path}: there is no image of that name in {images}" for stem, path in given.items() if stem not in wanted
    ]
    return items, wrong


def _by_stem(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in SUFFIXES or is_hidden(path.name):
            continue
        if path.stem in found:
            raise RunError(f"{found[path.stem]} and {path} have one name; accepted: one file of each")
        found[path.stem] = path
    return found
