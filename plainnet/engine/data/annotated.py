"""Images with boxes or masks, decoded when a batch needs them, and cut together."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from plainnet.engine.data.decoding import BrokenImageError, open_image, pillow
from plainnet.engine.data.folder import IMAGENET_MEAN, IMAGENET_STD
from plainnet.engine.data.images import Window, center_crop, cropped, to_tensor
from plainnet.engine.data.listing import named
from plainnet.engine.data.source import Batch, DataSource, Unread
from plainnet.engine.data.targets import NONE, UNKNOWN, sanitized
from plainnet.errors import RunError, UsageError

__all__ = ["Annotated", "AnnotatedSamples", "annotated_source", "class_map", "readable"]


@dataclass(frozen=True)
class Annotated:
    """An image with its target: for a detection boxes (N, 4), left, top, right, bottom in pixels, and classes (N,), for a
    segmentation `mask`, which gives the classes (H, W) of its pixels when it is called with their size.

    size: (H, W), as the annotations say it.
    """

    path: Path
    boxes: Tensor | None = None
    classes: Tensor | None = None
    mask: Callable[[tuple[int, int]], Any] | None = None
    size: tuple[int, int] | None = None


@dataclass(frozen=True)
class AnnotatedSamples:
    """Annotated images, each cut to the middle `window`."""

    items: Sequence[Annotated]
    window: Window
    channels: int

    def __len__(self) -> int:
        return len(self.items)

    def fetch(self, indices: Sequence[int], draws: Sequence[int]) -> Batch:  # noqa: ARG002
        """The batch: `image`, and `boxes` with `classes` (-1 for none), or `mask`."""
        parts = [self.sample(self.items[index]) for index in indices]
        batch: Batch = {"image": torch.stack([part["image"] for part in parts]).float().div_(255)}
        if "mask" in parts[0]:
            return {**batch, "mask": torch.stack([part["mask"] for part in parts])}
        most = max(1, *(len(part["classes"]) for part in parts))
        boxes, classes = torch.zeros(len(parts), most, 4), torch.full((len(parts), most), NONE)
        for number, part in enumerate(parts):
            boxes[number, : len(part["boxes"])], classes[number, : len(part["classes"])] = (
                part["boxes"],
                part["classes"],
            )
        return {**batch, "boxes": boxes, "classes": classes}

    def sample(self, item: Annotated) -> dict[str, Tensor]:
        """One image with its target. Raises `BrokenImageError`, with the path, for what cannot be read or does not fit."""
        image = open_image(item.path, channels=self.channels)
        size = image.height, image.width
        if item.size is not None and item.size != size:
            said, real = (" x ".join(map(str, reversed(each))) for each in (item.size, size))
            raise BrokenImageError(str(item.path), f"it is {real} pixels, and its annotation says {said}")
        window, share = self.window.size, self.window.crop
        found = {"image": to_tensor(center_crop(image, size=window, share=share))}
        if item.mask is not None:
            numbers = pillow().fromarray(np.asarray(item.mask(size), dtype=np.uint8))
            found["mask"] = torch.from_numpy(
                np.array(center_crop(numbers, size=window, share=share, nearest=True), dtype=np.int64)
            )
            return found
        assert item.boxes is not None
        assert item.classes is not None
        kept = sanitized(cropped(item.boxes, size, size=window, share=share), item.classes, window)
        real = kept["classes"] != NONE
        return {**found, "boxes": kept["boxes"][real], "classes": kept["classes"][real]}


def class_map(path: Path, classes: int) -> Callable[[tuple[int, int]], Any]:
    """A file whose pixels are numbers of classes, or 255 where none is known; it is read when it is called."""
    return _ClassMap(path, classes)


@dataclass(frozen=True)
class _ClassMap:
    path: Path
    classes: int

    def __call__(self, size: tuple[int, int]) -> Any:
        module = pillow()
        try:
            with module.open(self.path) as image:
                image.load()
                mode, numbers = image.mode, np.array(image)
        except Exception as error:  # damaged bytes make a decoder fail in any way
            why = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise BrokenImageError(str(self.path), why) from None
        if mode not in ("1", "L", "P", "I", "I;16"):
            raise BrokenImageError(str(self.path), f"a mask has one number for each pixel, and this is {mode}")
        if numbers.shape != size:
            mask, own = (f"{each[1]} x {each[0]}" for each in (numbers.shape, size))
            raise BrokenImageError(str(self.path), f"the mask is {mask} pixels, and its image {own}")
        odd = np.unique(numbers[(numbers < 0) | (numbers >= self.classes) & (numbers != UNKNOWN)])
        if odd.size:
            raise BrokenImageError(
                str(self.path), f"pixels of class {odd[0]}; accepted: 0 to {self.classes - 1}, {UNKNOWN} for unknown"
            )
        return numbers


def readable(
    items: Sequence[Annotated],
    wrong: Sequence[str],
    window: Window,
    *,
    where: Path,
    channels: int,
    on_error: str,
    notes: list[str],
) -> AnnotatedSamples:
    """The samples; what is wrong ends it with `on_error` stop, and is left out and noted with skip, which decodes every image.

    wrong: what is wrong with items that are not among `items`. where: the file or folder that lists them. Raises `RunError`
    where nothing is left.
    """
    samples = AnnotatedSamples(items, window, channels)
    if wrong and on_error == "stop":
        what = f"{len(wrong)} annotations are broken" if len(wrong) > 1 else "an annotation is broken"
        raise RunError(f"{what}: {named(wrong)}; data.on_error: skip leaves them out")
    if not items and not wrong:
        raise RunError(f"{where} lists no images")
    if on_error != "skip":
        return samples
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = list(pool.map(lambda item: _error(samples, item), items))
    bad = [*wrong, *(str(error) for error in found if error is not None)]
    if bad:
        notes.append(f"{len(bad):,} images or annotations left out that cannot be read: {'; '.join(bad)}")
    kept = [item for item, error in zip(items, found, strict=True) if error is None]
    if not kept:
        raise RunError(f"{where} lists no images that can be read: {named(bad)}")
    return AnnotatedSamples(kept, window, channels)


def _error(samples: AnnotatedSamples, item: Annotated) -> BrokenImageError | None:
    try:
        samples.sample(item)
    except BrokenImageError as error:
        return error
    return None


def annotated_source(
    parts: Mapping[str, AnnotatedSamples], classes: Sequence[str], *, target: str, notes: Sequence[str]
) -> DataSource:
    """The data set of its parts, "train" and "val", or one of them."""
    if target == "mask" and len(classes) > UNKNOWN:
        raise UsageError(f"{len(classes)} classes; accepted: up to {UNKNOWN}, the number of unknown pixels")
    some = next(iter(parts.values()))
    is_grey = some.channels == 1
    return DataSource(
        train=parts.get("train", Unread("train")),
        val=parts.get("val", Unread("val")),
        classes=tuple(classes),
        shape=(some.channels, *some.window.size),
        mean=(0.5,) if is_grey else IMAGENET_MEAN,
        std=(0.5,) if is_grey else IMAGENET_STD,
        reader={"crop": some.window.crop},
        notes=tuple(notes),
        target=target,
    )
