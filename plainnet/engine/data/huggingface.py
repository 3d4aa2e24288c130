"""Image classification data sets of the Hugging Face hub, or saved on disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plainnet.engine.data.decoding import BrokenImageError, open_image
from plainnet.engine.data.folder import IMAGENET_MEAN, IMAGENET_STD
from plainnet.engine.data.image_samples import ImageSamples, only_readable, reading
from plainnet.engine.data.images import Window
from plainnet.engine.data.source import DataSource, NameOrPath, Part, Samples, Unread
from plainnet.errors import MissingExtraError, RunError, UsageError, nearest

__all__ = ["huggingface"]


@dataclass(frozen=True)
class _FromRows:
    rows: Any
    column: str
    channels: int
    what: str

    def __call__(self, index: int) -> Any:
        what = f"image {index} of {self.what}"
        try:
            image = self.rows[index][self.column]
        except Exception as error:  # the library decodes, and damaged bytes make a decoder fail in any way
            raise BrokenImageError(what, str(error) or type(error).__name__) from None
        return open_image(image, channels=self.channels, what=what)


def huggingface(
    *,
    path: NameOrPath,
    name: str | None = None,
    train: str = "train",
    val: str = "test",
    image: str = "image",
    label: str = "label",
    size: int | list[int] = 224,
    crop: float = 0.875,
    scale: list[float] | None = None,
    channels: int = 3,
    on_error: str = "stop",
    only: Part = None,
) -> DataSource:
    """The data set `path` (a name on the hub, or a folder that `save_to_disk` wrote), with its splits and columns.

    size, crop, scale, channels and on_error as for image folders.
    """
    window = reading(size=size, crop=crop, scale=scale, channels=channels, on_error=on_error)
    wanted = {part: split for part, split in (("train", train), ("val", val)) if only in (None, part)}
    splits = _splits(str(path), name, tuple(wanted.values()), (image, label))
    labels = {split: _labels(splits[split][label], f"{path} ({split}), column {label}") for split in wanted.values()}
    first = next(iter(wanted.values()))
    names = getattr(splits[first].features[label], "names", None)
    classes = tuple(names or map(str, range(max(labels[first]) + 1)))
    notes: list[str] = []
    parts: dict[str, Samples] = {"train": Unread("train"), "val": Unread("val")}
    for key, split in wanted.items():
        cut = window if key == "train" else Window(window.size, window.crop, None)
        if max(labels[split]) >= len(classes):
            raise RunError(f"{path} ({split}): label {max(labels[split])}, and there are {len(classes)} classes")
        opener = _FromRows(splits[split], image, channels, f"{path} ({split})")
        part = ImageSamples(opener, range(len(labels[split])), labels[split], cut)
        if on_error == "skip":
            part, errors = only_readable(part)
            if errors:
                said = "; ".join(f"{error.what}: {error.why}" for error in errors)
                notes.append(f"{len(errors):,} images left out that cannot be read: {said}")
        parts[key] = part
    return DataSource(
        train=parts["train"],
        val=parts["val"],
        classes=classes,
        shape=(channels, *window.size),
        mean=IMAGENET_MEAN if channels == 3 else (0.5,),
        std=IMAGENET_STD if channels == 3 else (0.5,),
        reader={"crop": crop},
        notes=tuple(notes),
        version=_version(splits[first]),
    )


def _splits(path: str, name: str | None, parts: tuple[str, ...], columns: tuple[str, ...]) -> Any:
    try:
        import datasets
    except ImportError as error:
        raise MissingExtraError("datasets", "datasets") from error
    try:
        splits = datasets.load_from_disk(path) if Path(path).is_dir() else datasets.load_dataset(path, name)
    except (OSError, ValueError, ConnectionError) as error:
        raise RunError(f"cannot load the data set {path}: {error}") from error
    if not isinstance(splits, dict):
        raise UsageError(f"{path} holds a single data set; accepted: one with splits, as a DatasetDict saves them")
    for split in parts:
        if split not in splits:
            raise UsageError(f"{path} has no split {split}{_hint(split, splits)}")
        for column in columns:
            if column not in splits[split].column_names:
                raise UsageError(f"{path} ({split}) has no column {column}{_hint(column, splits[split].column_names)}")
    return splits


def _version(split: Any) -> str:
    """What the data set says of its version; "" for nothing."""
    found = getattr(getattr(split, "info", None), "version", None)
    return "" if found is None else str(found)


def _labels(values: Any, where: str) -> list[int]:
    """The labels as integers; a missing one, a word and the -1 of unlabelled test images are errors."""
    labels = list(values)
    if not labels:
        raise RunError(f"{where}: there are no images")
    for number, value in enumerate(labels):
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise RunError(f"{where}: row {number} says {value!r}; accepted: integers from 0, one for each image")
    return labels


def _hint(name: str, known: Any) -> str:
    near = nearest(name, known)
    return f"; did you mean {near}?" if near else f"; it has {', '.join(known)}"
