"""Images with boxes or masks, decoded when a batch needs them, and cut together."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from torch import Tensor

from plainnet.engine.data.decoding import BrokenImageError, image_size, open_image, opened, pillow
from plainnet.engine.data.folder import IMAGENET_MEAN, IMAGENET_STD
from plainnet.engine.data.images import Window, center_crop, cropped, to_tensor
from plainnet.engine.data.listing import named
from plainnet.engine.data.source import Batch, DataSource, Part, Unread
from plainnet.engine.data.targets import NONE, UNKNOWN, sanitized
from plainnet.errors import PlainnetError, RunError, UsageError

__all__ = [
    "LONGEST_NAME", "Annotated", "AnnotatedSamples", "Listed", "annotated_source", "class_map", "short", "wanted_parts",
    "why_beside",
]  # fmt: skip

LONGEST_NAME = 200
"""Characters of a class's name."""
SHOWN = 100
"""Characters of a value in a message."""

T = TypeVar("T")


@dataclass(frozen=True)
class Annotated:
    """An image with its target: for a detection boxes (N, 4), left, top, right, bottom in pixels, and classes (N,), for a
    segmentation `mask`, which gives the classes (H, W) of its pixels when it is called with their size.

    size: (H, W), as the annotations say it. broken: what is wrong with it; then it cannot be read. crowds: boxes with their
    classes (K, 5) of objects that need not be found, nor count as wrong where they are: COCO's crowds, VOC's difficult ones.
    """

    path: Path
    boxes: Tensor | None = None
    classes: Tensor | None = None
    mask: Callable[[tuple[int, int]], Any] | None = None
    size: tuple[int, int] | None = None
    broken: str = ""
    crowds: Tensor | None = None


@dataclass(frozen=True)
class AnnotatedSamples:
    """Annotated images, each cut to the middle `window`."""

    items: Sequence[Annotated]
    window: Window
    channels: int

    def __len__(self) -> int:
        return len(self.items)

    def fetch(self, indices: Sequence[int], draws: Sequence[int]) -> Batch:  # noqa: ARG002
        """The batch: `image`, and `boxes` with `classes` (-1 for none), or `mask`. Where what is judged has crowds, they are the
        rows of `crowds` (N, K, 5): left, top, right, bottom, class (-1 for none).
        """
        parts = [self.sample(self.items[index]) for index in indices]
        return {"image": torch.stack([part["image"] for part in parts]).float().div_(255), **_together(parts)}

    def targets(self, index: int) -> Batch:
        """What `fetch` gives of one sample beside its image, which is not decoded where the annotations say its size."""
        item = self.items[index]
        return _together([self._target(item, item.size or image_size(item.path))])

    def sample(self, item: Annotated) -> dict[str, Tensor]:
        """One image with its target. Raises `BrokenImageError`, with the path, for what cannot be read or does not fit."""
        if item.broken:
            raise BrokenImageError(str(item.path), item.broken)
        image = open_image(item.path, channels=self.channels)
        size = image.height, image.width
        if item.size is not None and item.size != size:
            said, real = (" x ".join(map(str, reversed(each))) for each in (item.size, size))
            raise BrokenImageError(str(item.path), f"it is {real} pixels, and its annotation says {said}")
        window = to_tensor(center_crop(image, size=self.window.size, share=self.window.crop))
        return {"image": window, **self._target(item, size)}

    def _target(self, item: Annotated, size: tuple[int, int]) -> dict[str, Tensor]:
        """Mask, or boxes and classes, of an image (H, W), as they lie in the window."""
        if item.broken:
            raise BrokenImageError(str(item.path), item.broken)
        window, share = self.window.size, self.window.crop
        if item.mask is not None:
            numbers = pillow().fromarray(np.asarray(item.mask(size), dtype=np.uint8))
            kept = center_crop(numbers, size=window, share=share, nearest=True)
            return {"mask": torch.from_numpy(np.array(kept, dtype=np.int64))}
        assert item.boxes is not None
        assert item.classes is not None
        found = self.placed(item.boxes, item.classes, size)
        if item.crowds is None:
            return found
        crowds = self.placed(item.crowds[:, :4], item.crowds[:, 4].long(), size)
        return {**found, "crowds": torch.cat([crowds["boxes"], crowds["classes"][:, None]], 1)}

    def placed(self, boxes: Tensor, classes: Tensor, size: tuple[int, int]) -> dict[str, Tensor]:
        """Boxes of an image (H, W) as they lie in the window, without those outside of it."""
        moved = cropped(boxes, size, size=self.window.size, share=self.window.crop)
        kept = sanitized(moved, classes, self.window.size)
        real = kept["classes"] != NONE
        return {"boxes": kept["boxes"][real], "classes": kept["classes"][real]}


def _together(parts: Sequence[Mapping[str, Tensor]]) -> Batch:
    """The targets of a batch; where one has fewer boxes than another, empty ones of class -1 follow."""
    if "mask" in parts[0]:
        return {"mask": torch.stack([part["mask"] for part in parts])}
    return {
        name: _filled([part[name] for part in parts], empty)
        for name, empty in (("boxes", 0), ("classes", NONE), ("crowds", NONE))
        if name in parts[0]
    }


def _filled(parts: Sequence[Tensor], empty: int) -> Tensor:
    """Rows of each image, filled up to as many as the image with most has, and to one at least."""
    most = max(1, *map(len, parts))
    found = parts[0].new_full((len(parts), most, *parts[0].shape[1:]), empty)
    for rows, part in zip(found, parts, strict=True):
        rows[: len(part)] = part
    return found


def class_map(path: Path, classes: int) -> Callable[[tuple[int, int]], Any]:
    """A file whose pixels are numbers of classes, or 255 where none is known; it is read when it is called."""
    return _ClassMap(path, classes)


@dataclass(frozen=True)
class _ClassMap:
    path: Path
    classes: int

    def __call__(self, size: tuple[int, int]) -> Any:
        try:
            with opened(self.path) as image:
                if image.width * image.height != size[0] * size[1]:  # not decoded: it may be far larger
                    self._check_size((image.height, image.width), size)
                image.load()
                mode, numbers = image.mode, np.array(image)
        except PlainnetError:
            raise
        except Exception as error:  # damaged bytes make a decoder fail in any way
            why = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise BrokenImageError(str(self.path), why) from None
        if mode not in ("1", "L", "P", "I", "I;16"):
            raise BrokenImageError(str(self.path), f"a mask has one number for each pixel, and this is {mode}")
        self._check_size(numbers.shape, size)
        odd = np.unique(numbers[(numbers < 0) | (numbers >= self.classes) & (numbers != UNKNOWN)])
        if odd.size:
            raise BrokenImageError(
                str(self.path), f"pixels of class {odd[0]}; accepted: 0 to {self.classes - 1}, {UNKNOWN} for unknown"
            )
        return numbers

    def _check_size(self, found: tuple[int, ...], size: tuple[int, int]) -> None:
        if found != size:
            mask, image = (f"{each[1]} x {each[0]}" for each in (found, size))
            raise BrokenImageError(str(self.path), f"the mask is {mask} pixels, and its image {image}")


@dataclass
class Listed:
    """What the files of a part say: its images, the broken ones among them, in order, and what else is wrong.

    where: the file or folder that lists them. astray: what is wrong and of no image, a sentence each. notes: what is left out.
    """

    where: Path
    items: list[Annotated] = field(default_factory=list)
    astray: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def annotated_source(
    listed: Mapping[str, Listed],
    classes: Sequence[str],
    *,
    target: Literal["boxes", "masks"],
    window: Window,
    channels: int,
    on_error: str,
) -> DataSource:
    """The data set of its parts, "train" and "val", or one of them; for masks a background may be among the classes.

    Validation images say their crowds, and so do training images that are asked for alone, which are judged and not trained on.
    What is broken ends it with `on_error` stop; with skip it is left out and noted, after every image was decoded; with
    keep whoever fetches it is told. Objects that lie outside of every window are counted in a note. Raises `RunError` where
    nothing is left.
    """
    if target == "masks" and len(classes) > UNKNOWN:
        raise UsageError(f"{len(classes)} classes; accepted: up to {UNKNOWN}, the number of unknown pixels")
    notes: list[str] = []
    parts = {
        part: _samples(_with_crowds(each, wanted=part == "val" or len(listed) == 1), window, channels, on_error, notes)
        for part, each in listed.items()
    }
    return DataSource(
        train=parts.get("train", Unread("train")),
        val=parts.get("val", Unread("val")),
        classes=tuple(classes),
        shape=(channels, *window.size),
        mean=(0.5,) if channels == 1 else IMAGENET_MEAN,
        std=(0.5,) if channels == 1 else IMAGENET_STD,
        reader={"crop": window.crop},
        notes=tuple(notes),
        target="mask" if target == "masks" else "boxes",
        astray={part: tuple(each.astray) for part, each in listed.items()} if on_error == "keep" else {},
    )


def why_beside(box: Sequence[float], size: tuple[int, int] | None) -> str:
    """What is wrong with a box (left, top, right, bottom) without a pixel in its image (H, W); "" where it has one, or no size is
    known. One that reaches out of the image is cut.
    """
    if size is None or (box[0] < size[1] and box[1] < size[0] and box[2] > 0 and box[3] > 0):
        return ""
    return f"its box lies beside the image of {size[1]} x {size[0]} pixels"


def wanted_parts(only: Part, train: T, val: T) -> dict[str, T]:
    """What is said of training and of validation, as far as it is wanted."""
    return {part: said for part, said in (("train", train), ("val", val)) if only in (None, part)}


def _with_crowds(listed: Listed, *, wanted: bool) -> Listed:
    """A part whose images all say their crowds, or none does: where they are not wanted, or there are none."""
    if wanted and any(item.crowds is not None and len(item.crowds) for item in listed.items):
        return listed
    return replace(listed, items=[replace(item, crowds=None) for item in listed.items])


def _samples(listed: Listed, window: Window, channels: int, on_error: str, notes: list[str]) -> AnnotatedSamples:
    samples = AnnotatedSamples(listed.items, window, channels)
    broken = [f"{item.path}: {item.broken}" for item in listed.items if item.broken]
    if (broken or listed.astray) and on_error == "stop":
        wrong = [*broken, *listed.astray]
        what = f"{len(wrong)} annotations are broken" if len(wrong) > 1 else "an annotation is broken"
        raise RunError(f"{what}: {named(wrong)}; data.on_error: skip leaves them out")
    if not listed.items and not listed.astray:
        raise RunError(f"{listed.where} lists no images")
    if on_error == "skip":
        samples = _only_readable(samples, listed, notes)
    notes += listed.notes
    count, unseen = _unseen(samples)
    if unseen:
        high, wide = window.size
        notes.append(
            f"{listed.where}: {unseen:,} of {count:,} objects lie outside of the middle of their images that is seen "
            f"({wide} x {high} pixels), and are neither learned nor looked for"
        )
    return samples


def _unseen(samples: AnnotatedSamples) -> tuple[int, int]:
    """How many objects there are in images whose annotations say their size, and how many of them have no place in the window."""
    alike: dict[tuple[int, int], list[Tensor]] = {}
    for item in samples.items:
        if item.boxes is not None and item.size is not None:
            alike.setdefault(item.size, []).append(item.boxes)
    count = unseen = 0
    for size, boxes in alike.items():
        every = torch.cat(boxes)
        count += len(every)
        unseen += len(every) - len(samples.placed(every, torch.zeros(len(every)), size)["classes"])
    return count, unseen


def _only_readable(samples: AnnotatedSamples, listed: Listed, notes: list[str]) -> AnnotatedSamples:
    """The samples that can be decoded: every image is decoded once, by threads."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        errors = list(pool.map(lambda item: _error(samples, item), samples.items))
    bad = [*(str(error) for error in errors if error is not None), *listed.astray]
    if bad:
        notes.append(f"{len(bad):,} images or annotations left out that cannot be read: {'; '.join(bad)}")
    kept = [item for item, error in zip(samples.items, errors, strict=True) if error is None]
    if not kept:
        raise RunError(f"{listed.where} lists no images that can be read: {named(bad)}")
    return replace(samples, items=kept)


def _error(samples: AnnotatedSamples, item: Annotated) -> BrokenImageError | None:
    try:
        samples.sample(item)
    except BrokenImageError as error:
        return error
    return None


def short(value: Any) -> str:
    """A value of an annotation for a message; "..." where it is long."""
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
