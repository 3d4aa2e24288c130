"""Image classification data sets of the Hugging Face hub, or saved on disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plainnet.engine.data.folder import IMAGENET_MEAN, IMAGENET_STD, ImageSamples
from plainnet.engine.data.images import MODES, BrokenImageError
from plainnet.engine.data.source import DataSource
from plainnet.errors import MissingExtraError, RunError, UsageError, nearest

__all__ = ["huggingface"]


@dataclass(frozen=True)
class _FromRows:
    rows: Any
    column: str
    channels: int
    what: str

    def __call__(self, index: int) -> Any:
        try:
            return self.rows[index][self.column].convert(MODES[self.channels])
        except (OSError, ValueError, AttributeError) as error:
            raise BrokenImageError(f"image {index} of {self.what}", str(error)) from None


def huggingface(
    *,
    path: str,
    name: str | None = None,
    train: str = "train",
    val: str = "test",
    image: str = "image",
    label: str = "label",
    size: int = 224,
    crop: float = 0.875,
    scale: list[float] | None = None,
    channels: int = 3,
) -> DataSource:
    """The data set `path` (a name on the hub, or a folder that `save_to_disk` wrote), with its splits and columns.

    size, crop, scale and channels as for image folders.
    """
    try:
        import datasets
    except ImportError as error:
        raise MissingExtraError("datasets", "datasets") from error
    try:
        splits = datasets.load_from_disk(path) if Path(path).is_dir() else datasets.load_dataset(path, name)
    except (OSError, ValueError, ConnectionError) as error:
        raise RunError(f"cannot load the data set {path}: {error}") from error
    for split in (train, val):
        if split not in splits:
            raise UsageError(f"{path} has no split {split}{_hint(split, splits)}")
    for column in (image, label):
        if column not in splits[train].column_names:
            raise UsageError(f"{path} has no column {column}{_hint(column, splits[train].column_names)}")
    feature = splits[train].features[label]
    names = getattr(feature, "names", None)
    classes = tuple(names or map(str, range(max(splits[train][label]) + 1)))
    shape, window = (size, size), ((scale[0], scale[1]) if scale else None)

    def samples(split: str, crop_scale: tuple[float, float] | None) -> ImageSamples:
        opener = _FromRows(splits[split], image, channels, f"{path} ({split})")
        return ImageSamples(opener, list(splits[split][label]), shape, crop, crop_scale)

    return DataSource(
        train=samples(train, window),
        val=samples(val, None),
        classes=classes,
        shape=(channels, size, size),
        mean=IMAGENET_MEAN if channels == 3 else (0.5,),
        std=IMAGENET_STD if channels == 3 else (0.5,),
        reader={"crop": crop},
    )


def _hint(name: str, known: Any) -> str:
    near = nearest(name, known)
    return f"; did you mean {near}?" if near else f"; it has {', '.join(known)}"
