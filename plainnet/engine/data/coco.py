"""Data sets in COCO's format: a JSON file of images, categories and annotations, and a folder of images."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from plainnet.engine.data.annotated import (
    LONGEST_NAME,
    Annotated,
    Listed,
    annotated_source,
    short,
    wanted_parts,
    why_beside,
)
from plainnet.engine.data.coco_masks import Painted, is_number, is_segmentation
from plainnet.engine.data.image_samples import reading
from plainnet.engine.data.listing import leads_out, named, why_unreadable
from plainnet.engine.data.source import DataSource, Part
from plainnet.errors import RunError, UsageError

__all__ = ["MAX_BYTES", "coco"]

MAX_BYTES = 4 * 1024**3
"""Of a file: the largest of the large data sets have one to two GiB."""


def coco(
    *,
    root: str | Path,
    train: str = "annotations/instances_train2017.json",
    val: str = "annotations/instances_val2017.json",
    train_images: str = "train2017",
    val_images: str = "val2017",
    target: Literal["boxes", "masks"] = "boxes",
    size: int | list[int] = 320,
    crop: float = 1.0,
    channels: int = 3,
    on_error: str = "stop",
    only: Part = None,
) -> DataSource:
    """Images of `root`/`train_images` with the objects that `root`/`train` lists, and the same for validation.

    target: "boxes" for a detection; "masks" for a segmentation, whose class 0 is the background, painted from the polygons and
    run lengths (of overlapping objects the later counts). Crowds are painted; as boxes they are not learned, and neither missed
    nor wrong where they are found by what is judged. size, crop, channels, on_error: as for image folders; the shorter side is
    resized, and what lies outside of the middle is not seen.
    """
    if target not in ("boxes", "masks"):
        raise UsageError(f"target is {target!r}; accepted: boxes, masks")
    base = Path(os.path.expanduser(root))
    window = reading(size=size, crop=crop, channels=channels, on_error=on_error)
    files = wanted_parts(only, (train, train_images), (val, val_images))
    read = {part: _File.read(base / name, base / images) for part, (name, images) in files.items()}
    first = next(iter(read.values()))
    classes, known = first.classes, set(first.classes)
    for each in read.values():
        if strange := [name for name in each.classes if name not in known]:
            each.astray.append(f"{each.file} has categories that {first.file} does not have: {named(strange)}")
            if on_error != "keep":
                raise RunError(each.astray[-1])
    return annotated_source(
        {part: each.listed(classes, target) for part, each in read.items()},
        ("background", *classes) if target == "masks" else classes,
        target=target,
        window=window,
        channels=channels,
        on_error=on_error,
    )


@dataclass
class _File:
    """What a file says: image id -> its entry; category id -> name; then image id -> its objects, and what is wrong with them."""

    file: Path
    folder: Path
    tree: Mapping[str, Any]
    images: dict[Any, Mapping[str, Any]] = field(default_factory=dict)
    categories: dict[Any, str] = field(default_factory=dict)
    objects: dict[Any, list[tuple[Any, int]]] = field(default_factory=dict)
    wrong: dict[Any, list[str]] = field(default_factory=dict)
    astray: list[str] = field(default_factory=list)
    crowds: dict[Any, list[tuple[Any, int]]] = field(default_factory=dict)

    @staticmethod
    def read(file: Path, folder: Path) -> _File:
        tree = _tree(file)
        if not isinstance(tree, dict):
            raise RunError(f"{file} is no COCO file: it holds a {type(tree).__name__}, not an object")
        for name in ("images", "annotations", "categories"):
            if not isinstance(tree.get(name), list) or not all(isinstance(item, dict) for item in tree[name]):
                raise RunError(f"{file} is no COCO file: {name} is no list of objects")
        if not folder.is_dir():
            raise RunError(f"there is no folder {folder}")
        found = _File(file, folder, tree)
        found._read_lists()
        return found

    def _read_lists(self) -> None:
        names = set[str]()
        for number, entry in enumerate(self.tree["categories"]):
            name = entry.get("name")
            if (
                not isinstance(name, str)
                or not _is_id(entry.get("id"))
                or name in names
                or entry["id"] in self.categories
            ):
                raise RunError(f"{self.file}: categories.{number} has no name or id of its own")
            if len(name) > LONGEST_NAME:
                raise RunError(
                    f"{self.file}: categories.{number}: a name of {len(name):,} characters; accepted: {LONGEST_NAME}"
                )
            self.categories[entry["id"]] = name
            names.add(name)
        for number, entry in enumerate(self.tree["images"]):
            if not isinstance(entry.get("file_name"), str) or not _is_id(entry.get("id")):
                self.astray.append(f"{self.file}: images.{number} has no file_name or no id")
            elif entry["id"] in self.images:
                self.astray.append(f"{self.file}: images.{number}: the id {entry['id']} is there twice")
            else:
                self.images[entry["id"]] = entry
        if not self.categories:
            raise RunError(f"{self.file} has no categories")

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the categories, by id."""
        return tuple(self.categories[key] for key in sorted(self.categories, key=_order))

    def listed(self, classes: Sequence[str], target: str) -> Listed:
        """The images, in the file's order, with their objects; an image that has a broken annotation is broken."""
        self._read_annotations(classes, target)
        items = [self._item(key, self.folder / entry["file_name"], entry, target) for key, entry in self.images.items()]
        crowds = sum(map(len, self.crowds.values()))
        notes = [f"{self.file}: {crowds:,} crowds are not looked for, and are not wrong where they are found"]
        return Listed(self.file, items, self.astray, notes if crowds else [])

    def _read_annotations(self, classes: Sequence[str], target: str) -> None:
        places = {name: number for number, name in enumerate(classes)}
        numbers = {key: places[name] for key, name in self.categories.items() if name in places}
        for place, entry in enumerate(self.tree["annotations"]):
            why, image = self._why_wrong(entry, target, numbers), entry.get("image_id")
            if why:
                sentence = f"{self.file}: annotations.{place} (id {short(entry.get('id'))}): {why}"
                is_listed = _is_id(image) and image in self.images
                (self.wrong.setdefault(image, []) if is_listed else self.astray).append(sentence)
                continue
            what = entry["bbox"] if target == "boxes" else entry["segmentation"]
            kept = self.crowds if entry.get("iscrowd") and target == "boxes" else self.objects
            kept.setdefault(image, []).append((what, numbers[entry["category_id"]]))

    def _why_wrong(self, entry: Mapping[str, Any], target: str, numbers: Mapping[Any, int]) -> str:
        for name, known in (("image_id", self.images), ("category_id", self.categories)):
            if not _is_id(entry.get(name)) or entry[name] not in known:
                return f"{name} {short(entry.get(name))} is of nothing that the file lists"
        if (kind := entry["category_id"]) not in numbers:
            return f"category_id {kind!r} is {self.categories[kind]}, which is no class of the training"
        if target == "masks":
            return (
                "" if is_segmentation(entry.get("segmentation")) else "segmentation is no polygons and no run lengths"
            )
        box = entry.get("bbox")
        if not isinstance(box, list) or len(box) != 4 or not all(map(is_number, box)):
            return f"bbox is {short(box)}; accepted: [left, top, width, height]"
        if not (box[2] > 0 and box[3] > 0):
            return f"bbox {box} has no size"
        corners = [box[0], box[1], box[0] + box[2], box[1] + box[3]]
        return why_beside(corners, _size(self.images[entry["image_id"]]))

    def _item(self, key: Any, path: Path, entry: Mapping[str, Any], target: str) -> Annotated:
        why = f"it leads out of {self.folder}" if leads_out(self.folder, path) else why_unreadable(path)
        unreadable = [f"{why}, and {self.file} lists it"] if why else []
        if wrong := [*unreadable, *self.wrong.get(key, [])]:
            return Annotated(path, broken="; ".join(wrong))
        objects, size = self.objects.get(key, []), _size(entry)
        if target == "masks":
            return Annotated(path, mask=Painted(path, tuple(objects)), size=size)
        (boxes, classes), crowds = _corners(objects), torch.cat(_corners(self.crowds.get(key, [])), 1)
        return Annotated(path, boxes, classes[:, 0].long(), size=size, crowds=crowds)


def _corners(objects: Sequence[tuple[Any, int]]) -> tuple[Tensor, Tensor]:
    """Boxes (N, 4) by their corners, and classes (N, 1), of left, top, width and height with a class."""
    rows = torch.tensor([[*box, number] for box, number in objects], dtype=torch.float32).reshape(-1, 5)
    return torch.cat([rows[:, :2], rows[:, :2] + rows[:, 2:4]], 1), rows[:, 4:]


def _tree(file: Path) -> Any:
    """What a JSON file says; `RunError` for one that cannot be read, or is larger or deeper than is accepted."""
    if why := why_unreadable(file):
        raise RunError(f"cannot read {file}: {why}")
    if (held := file.stat().st_size) > MAX_BYTES:
        raise RunError(f"cannot read {file}: it holds {held:,} bytes; accepted: {MAX_BYTES:,}")
    try:
        return json.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise RunError(f"cannot read {file}: {error.strerror or error}") from None
    except RecursionError:
        raise RunError(f"{file} is no COCO file: its JSON is nested too deep") from None
    except ValueError as error:
        raise RunError(f"{file} is no JSON: {error}") from None
    except MemoryError:
        raise RunError(f"cannot read {file}: its {held:,} bytes do not fit into the memory") from None


def _is_id(value: Any) -> bool:
    """Whether an image or a category can be found by it. Integers of any length could all have one place in a table."""
    return isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63)


def _size(image: Mapping[str, Any]) -> tuple[int, int] | None:
    """Height and width of an image, as its entry says them."""
    sides = image.get("height"), image.get("width")
    return (int(sides[0]), int(sides[1])) if all(map(is_number, sides)) else None  # type: ignore[arg-type]


def _order(key: Any) -> tuple[bool, Any]:
    return isinstance(key, str), key
