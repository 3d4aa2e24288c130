"""Data sets in the format of Pascal VOC: JPEGImages, Annotations, SegmentationClass, ImageSets."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree

import torch

from plainnet.engine.data.annotated import (
    LONGEST_NAME,
    Annotated,
    Listed,
    annotated_source,
    class_map,
    short,
    wanted_parts,
    why_beside,
)
from plainnet.engine.data.image_samples import reading
from plainnet.engine.data.listing import SUFFIXES, leads_out, why_unreadable
from plainnet.engine.data.source import DataSource, Part
from plainnet.errors import RunError, UsageError, nearest
from plainnet.files.text_files import read_text

__all__ = ["VOC_CLASSES", "voc"]

VOC_CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog"),
    *("horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)


def voc(
    *,
    root: str | Path,
    target: Literal["boxes", "masks"] = "boxes",
    train: str = "train",
    val: str = "val",
    classes: list[str] | None = None,
    size: int | list[int] = 320,
    crop: float = 1.0,
    channels: int = 3,
    on_error: str = "stop",
    only: Part = None,
) -> DataSource:
    """The images that ImageSets/Main/`train`.txt and `val`.txt name (for masks ImageSets/Segmentation), in `root`/JPEGImages.

    target: "boxes" from Annotations, whose corners are pixels counted from 1, both inside; objects that are marked as difficult
    are not learned, and neither missed nor wrong where they are found by what is judged, as COCO's crowds. "masks" from
    SegmentationClass, files of class numbers, 255 where none is known. classes: names of the objects; VOC's twenty by default
    (for masks a background comes before them). size, crop, channels, on_error: as for coco.
    """
    if target not in ("boxes", "masks"):
        raise UsageError(f"target is {target!r}; accepted: boxes, masks")
    base, names = Path(os.path.expanduser(root)), tuple(classes or VOC_CLASSES)
    window = reading(size=size, crop=crop, channels=channels, on_error=on_error)
    listed = {part: _part(base, name, target, names) for part, name in wanted_parts(only, train, val).items()}
    found = ("background", *names) if target == "masks" else names
    return annotated_source(listed, found, target=target, window=window, channels=channels, on_error=on_error)


MAX_BYTES = 16 * 1024**2
"""Of an annotation, which has some hundred bytes an object."""
MAX_DEPTH = 64


class _WrongError(Exception):
    """What is wrong with an image's annotation."""


def _listed(file: Path) -> Iterator[str]:
    if why := why_unreadable(file):
        raise RunError(f"cannot read {file}: {why}")
    for line in read_text(file, what="list of images").splitlines():
        if line.strip():
            yield line.split()[0]


def _part(base: Path, name: str, target: str, classes: Sequence[str]) -> Listed:
    file = base / "ImageSets" / ("Main" if target == "boxes" else "Segmentation") / f"{name}.txt"
    found = Listed(file)
    for stem in _listed(file):
        folder = base / "JPEGImages"
        paths = (folder / f"{stem}{suffix}" for suffix in sorted(SUFFIXES))
        path = next((path for path in paths if os.path.exists(path)), folder / f"{stem}.jpg")
        try:
            found.items.append(_item(base, stem, path, file, target, classes))
        except _WrongError as error:
            found.items.append(Annotated(path, broken=str(error)))
    if difficult := sum(0 if item.crowds is None else len(item.crowds) for item in found.items):
        why = f"{difficult:,} difficult objects are not looked for, and are not wrong where they are found"
        found.notes.append(f"{base}, {name}: {why}")
    return found


def _item(base: Path, stem: str, path: Path, file: Path, target: str, classes: Sequence[str]) -> Annotated:
    """An image with its target. stem: its name in the list, folders included."""
    if leads_out(base / "JPEGImages", path):
        raise _WrongError(f"it leads out of JPEGImages, and {file} lists it")
    if why := why_unreadable(path):
        raise _WrongError(f"{why}, and {file} lists it")
    if target == "boxes":
        return _with_boxes(path, base / "Annotations" / f"{stem}.xml", classes)
    mask = base / "SegmentationClass" / f"{stem}.png"
    if why := why_unreadable(mask):
        raise _WrongError(f"{mask}: {why}")
    return Annotated(path, mask=class_map(mask, len(classes) + 1))


def _with_boxes(path: Path, file: Path, classes: Sequence[str]) -> Annotated:
    tree = _parsed(file)
    said = [(tree.findtext(f"size/{side}") or "").strip() for side in ("height", "width")]
    size = (int(said[0]), int(said[1])) if all(each.isdecimal() and len(each) < 10 for each in said) else None
    boxes, difficult = list[list[float]](), list[list[float]]()
    for place, entry in enumerate(tree.iter("object")):
        where = f"{file}: object {place + 1}"
        name = (entry.findtext("name") or "").strip()
        if name not in classes:
            near = nearest(name, classes) if len(name) <= LONGEST_NAME else None
            raise _WrongError(f"{where} is {short(name)}, no class{f'; did you mean {near}?' if near else ''}")
        box = entry.find("bndbox")
        sides = [_side(box, side, where) for side in ("xmin", "ymin", "xmax", "ymax")]
        sides[0], sides[1] = sides[0] - 1, sides[1] - 1
        if not (sides[0] < sides[2] and sides[1] < sides[3]):
            raise _WrongError(f"{where}: its box has no size")
        if why := why_beside(sides, size):
            raise _WrongError(f"{where}: {why}")
        is_difficult = (entry.findtext("difficult") or "0").strip() == "1"
        (difficult if is_difficult else boxes).append([*sides, classes.index(name)])
    found, crowds = (torch.tensor(rows, dtype=torch.float32).reshape(-1, 5) for rows in (boxes, difficult))
    return Annotated(path, found[:, :4], found[:, 4].long(), size=size, crowds=crowds)


class _TooMuchError(Exception):
    """What an annotation of VOC does not have."""


class _Bounded(ElementTree.TreeBuilder):
    """Takes what a parser finds, in whatever encoding: no document type, whose entities may grow, and few levels."""

    depth = 0

    def doctype(self, *_: str | None) -> None:
        raise _TooMuchError("it declares a document type, which annotations do not")

    def start(self, tag: str, attrs: dict[str, str], /) -> ElementTree.Element:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise _TooMuchError(f"it is nested deeper than {MAX_DEPTH} levels")
        return super().start(tag, attrs)

    def end(self, tag: str, /) -> ElementTree.Element:
        self.depth -= 1
        return super().end(tag)


def _parsed(file: Path) -> ElementTree.Element:
    if why := why_unreadable(file):
        raise _WrongError(f"{file}: {why}")
    if (held := file.stat().st_size) > MAX_BYTES:
        raise _WrongError(f"{file}: it holds {held:,} bytes; accepted: {MAX_BYTES:,}")
    parser = ElementTree.XMLParser(target=_Bounded())
    try:
        parser.feed(file.read_bytes())
        found: ElementTree.Element = parser.close()
        return found
    except _TooMuchError as error:
        raise _WrongError(f"{file}: {error}") from None
    except OSError as error:
        raise _WrongError(f"{file}: {error.strerror or error}") from None
    except ElementTree.ParseError as error:
        raise _WrongError(f"{file}: no XML: {error}") from None


def _side(box: ElementTree.Element | None, name: str, where: str) -> float:
    text = None if box is None else box.findtext(name)
    try:
        value = float(text or "")
    except ValueError:
        raise _WrongError(f"{where}: {name} is {short(text)}; accepted: a number of pixels") from None
    if not abs(value) < 1e9:
        raise _WrongError(f"{where}: {name} is {short(text)}; accepted: a number of pixels")
    return value
