"""Images in folders named after their classes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from plainnet.engine.data.images import center_crop, open_image, random_resized_crop, to_tensor
from plainnet.engine.data.source import Batch, DataSource
from plainnet.errors import RunError, UsageError

__all__ = ["IMAGENET_MEAN", "IMAGENET_STD", "ImageSamples", "folder"]

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}


@dataclass(frozen=True)
class ImageSamples:
    """Images that are decoded, cropped and resized when a batch needs them.

    open: the Pillow image of a number. scale: shares of the area for a random crop in training; empty: the middle.
    """

    open: Callable[[int], Any]
    labels: Sequence[int]
    size: tuple[int, int]
    crop: float
    scale: tuple[float, float] | None

    def __len__(self) -> int:
        return len(self.labels)

    def fetch(self, indices: Sequence[int], draws: Sequence[int]) -> Batch:
        """The batch of these images, each cropped by its own seed."""
        images = [self._image(index, draw) for index, draw in zip(indices, draws, strict=True)]
        labels = torch.tensor([self.labels[index] for index in indices])
        return {"image": torch.stack(images).float().div_(255), "label": labels}

    def _image(self, index: int, draw: int) -> Tensor:
        image = self.open(index)
        if self.scale is None:
            return to_tensor(center_crop(image, size=self.size, share=self.crop))
        generator = np.random.default_rng(draw)
        return to_tensor(random_resized_crop(image, generator, size=self.size, scale=self.scale))


@dataclass(frozen=True)
class _FromFiles:
    paths: Sequence[Path]
    channels: int

    def __call__(self, index: int) -> Any:
        return open_image(self.paths[index], channels=self.channels)


def folder(
    *,
    root: str,
    train: str = "train",
    val: str = "val",
    val_share: float = 0.1,
    size: int | list[int] = 224,
    crop: float = 0.875,
    scale: list[float] | None = None,
    channels: int = 3,
) -> DataSource:
    """Images under `root`/train/CLASS and `root`/val/CLASS, or under `root`/CLASS, of which `val_share` validate.

    size: height and width of the network's input. crop: the share of the resized image that validation sees. scale: shares
    of the area of a random training crop, [0.08, 1] for ImageNet; none for the middle. channels: 1 (grey) or 3.
    """
    base = Path(root).expanduser()
    if not base.is_dir():
        raise RunError(f"there is no folder {base}")
    if channels not in (1, 3):
        raise UsageError(f"channels is {channels}; accepted: 1 or 3")
    if (base / train).is_dir() and (base / val).is_dir():
        classes = _classes(base / train)
        train_files, val_files = _listed(base / train, classes), _listed(base / val, classes)
    else:
        classes = _classes(base)
        files = _listed(base, classes)
        chosen = [_share(path.relative_to(base)) < val_share for path, _ in files]
        train_files = [file for file, held in zip(files, chosen, strict=True) if not held]
        val_files = [file for file, held in zip(files, chosen, strict=True) if held]
    if not train_files or not val_files:
        raise RunError(f"{base} gives {len(train_files)} training and {len(val_files)} validation images")
    shape = (size, size) if isinstance(size, int) else (size[0], size[1])
    window = (scale[0], scale[1]) if scale else None
    return DataSource(
        train=_samples(train_files, channels, shape, crop, window),
        val=_samples(val_files, channels, shape, crop, None),
        classes=classes,
        shape=(channels, *shape),
        mean=IMAGENET_MEAN if channels == 3 else (0.5,),
        std=IMAGENET_STD if channels == 3 else (0.5,),
        reader={"crop": crop},
    )


def _samples(
    files: list[tuple[Path, int]], channels: int, size: tuple[int, int], crop: float, scale: tuple[float, float] | None
) -> ImageSamples:
    opener = _FromFiles([path for path, _ in files], channels)
    return ImageSamples(opener, [label for _, label in files], size, crop, scale)


def _classes(base: Path) -> tuple[str, ...]:
    classes = tuple(sorted(path.name for path in base.iterdir() if path.is_dir() and not path.name.startswith(".")))
    if not classes:
        raise RunError(f"{base} holds no folders of classes")
    return classes


def _listed(base: Path, classes: Sequence[str]) -> list[tuple[Path, int]]:
    known = {name: number for number, name in enumerate(classes)}
    strange = sorted(path.name for path in base.iterdir() if path.is_dir() and path.name not in known)
    if strange and strange[0][:1] != ".":
        raise RunError(f"{base / strange[0]} is a class that the training images do not have")
    return [
        (path, number)
        for name, number in known.items()
        for path in sorted((base / name).rglob("*"))
        if path.suffix.lower() in SUFFIXES
    ]


def _share(path: Path) -> float:
    """A number in 0..1 from a path alone, so that a split stays when files are added."""
    digest = hashlib.blake2b(path.as_posix().encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") / 2**64
