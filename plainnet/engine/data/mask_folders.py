"""Images and masks in two folders beside each other."""

from __future__ import annotations

import os
from pathlib import Path

from plainnet.engine.data.annotated import Annotated, Listed, annotated_source, class_map, wanted_parts
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
    folders = wanted_parts(only, base / train, base / val)
    listed = {part: _paired(folder / images, folder / masks, len(classes)) for part, folder in folders.items()}
    return annotated_source(listed, classes, target="masks", window=window, channels=channels, on_error=on_error)


def _paired(images: Path, masks: Path, classes: int) -> Listed:
    """The images with their masks: an image or a mask alone is a mistake."""
    for folder in (images, masks):
        if not folder.is_dir():
            raise RunError(f"there is no folder {folder}")
    found, twice = Listed(images), dict[str, str]()
    wanted, given = (_by_stem(folder, twice) for folder in (images, masks))
    for stem, path in wanted.items():
        mask = given.get(stem)
        wrong = [why_unreadable(path), f"there is no mask {masks / stem}.png"]
        if mask is not None:
            wrong[1] = f"{mask}: {why}" if (why := why_unreadable(mask)) else ""
        wrong.append(twice.get(stem, ""))
        broken = "; ".join(filter(None, wrong))
        item = Annotated(path, mask=class_map(mask, classes)) if mask and not broken else Annotated(path, broken=broken)
        found.items.append(item)
    alone = [path for stem, path in given.items() if stem not in wanted]
    found.astray += [f"{path}: there is no image of that name in {images}" for path in alone]
    return found


def _by_stem(folder: Path, twice: dict[str, str]) -> dict[str, Path]:
    """The images of a folder by their names without suffix; of which name there are several is told in `twice`."""
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in SUFFIXES or is_hidden(path.name):
            continue
        if path.stem in found:
            twice[path.stem] = f"{found[path.stem]} and {path} have one name; accepted: one file of each"
        found.setdefault(path.stem, path)
    return found
