"""A data set looked through: how many samples, of which classes, of which sizes, and what is wrong with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from plainnet.engine.data.listing import SHOWN
from plainnet.engine.data.pipeline import check_pixels
from plainnet.engine.data.source import Batch, BrokenSample, DataSource, Samples, Shape
from plainnet.engine.data.targets import NONE, UNKNOWN
from plainnet.engine.seeds import derive
from plainnet.errors import RunError, UsageError
from plainnet.results.result import Result, View
from plainnet.results.tables import Table

__all__ = ["DataCheck", "PartCheck", "check_data", "sample_of"]


@dataclass
class PartCheck:
    """Training or validation samples.

    samples: how many there are; seen: how many were read. sizes: (C, H, W) as text -> samples. counted: what `counts` counts,
    "images", "pixels" or "objects"; counts: class -> how many. empty: images without an object. sides: the shortest, the median
    and the longest side of a box, in pixels. broken: what cannot be read or has no meaning, a sentence each, whether it is a
    sample or not (an annotation of an image that is not there).
    """

    samples: int
    seen: int = 0
    sizes: dict[str, int] = field(default_factory=dict)
    counted: str = ""
    counts: dict[str, int] = field(default_factory=dict)
    unknown_pixels: int = 0
    empty: int = 0
    sides: tuple[float, float, float] | None = None
    broken: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class DataCheck(Result):
    """What a look through a data set found. notes: what was left out when it was opened."""

    data: str
    shape: Shape
    classes: tuple[str, ...]
    parts: Mapping[str, PartCheck]
    notes: tuple[str, ...] = ()

    @property
    def is_broken(self) -> bool:
        """Whether something cannot be read, or has no meaning."""
        return any(part.broken for part in self.parts.values())

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "schema": "plainnet.data_check/1",
            **vars(self),
            "parts": {name: vars(part) for name, part in self.parts.items()},
        }

    def records(self) -> list[Mapping[str, Any]]:
        """A record for each class."""
        return [
            {"class": name, **{part: found.counts.get(name, 0) for part, found in self.parts.items()}}
            for name in self.classes
        ]

    def view(self) -> View:
        """What was found, and a table of the classes."""
        size = " x ".join(map(str, self.shape)) or "no images"
        before = [("", f"{self.data}: {len(self.classes)} classes, {size}")]
        before += [("", f"note: {note}") for note in self.notes]
        for name, part in self.parts.items():
            before += [(name, line) for line in _lines(part)]
        columns = [f"{name} {part.counted}" for name, part in self.parts.items() if part.counted]
        counted = [part for part in self.parts.values() if part.counted]
        table = Table(
            ["class", *(c for name in columns for c in (name, "share"))], [_row(c, counted) for c in self.classes]
        )
        after = [("", f"broken: {line}") for part in self.parts.values() for line in part.broken[:SHOWN]]
        rest = sum(max(0, len(part.broken) - SHOWN) for part in self.parts.values())
        after += [("", f"and {rest:,} more")] if rest else []
        return View(before, [table] if counted else [], after)


def _lines(part: PartCheck) -> Iterator[str]:
    looked = "" if part.seen == part.samples else f", {part.seen:,} of them looked at"
    yield f"{part.samples:,} samples{looked}, {len(part.broken):,} broken"
    if len(part.sizes) > 1:
        yield f"sizes: {', '.join(f'{size} ({count:,})' for size, count in part.sizes.items())}"
    if part.sides is not None:
        shortest, median, longest = part.sides
        yield f"sides of boxes: {shortest:g} to {longest:g} pixels, {median:g} in the middle; {part.empty:,} images hold none"
    if part.unknown_pixels:
        yield f"{part.unknown_pixels:,} pixels of no known class ({UNKNOWN})"


def _row(name: str, parts: Sequence[PartCheck]) -> list[str]:
    row = [name]
    for part in parts:
        count, total = part.counts.get(name, 0), sum(part.counts.values())
        row += [f"{count:,}", f"{100 * count / total:.1f} %" if total else ""]
    return row


def check_data(
    data: DataSource,
    name: str,
    *,
    limit: int | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> DataCheck:
    """Read every sample (the first `limit` of training and of validation, where it is given), one by one.

    A sample is broken where it cannot be read, where its image is not finite or not in 0..1, or where its label, mask or boxes
    are of no class, or beside the image. progress: told before each sample how many were read, of how many.
    """
    if limit is not None and limit < 1:
        raise UsageError(f"limit is {limit}; accepted: 1 or more samples")
    both = {"training": data.train, "validation": data.val}
    wanted = {part: min(len(samples), limit or len(samples)) for part, samples in both.items()}
    total, parts = sum(wanted.values()), dict[str, PartCheck]()
    for part, samples in both.items():
        indices = _told(range(wanted[part]), sum(each.seen for each in parts.values()), total, progress)
        parts[part] = _looked_through(samples, data, part, indices, seed=seed)
        parts[part].broken += data.astray.get("train" if samples is data.train else "val", ())
    return DataCheck(name, data.shape, data.classes, parts, data.notes)


def sample_of(samples: Samples, index: int, *, seed: int = 0) -> Batch:
    """One sample as a batch, drawn as the first epoch of a training draws it. Raises `RunError` for a broken one."""
    batch = samples.fetch([index], [(derive("sample", seed, 0) + index) % 2**63])
    broken = batch.get("broken")
    if isinstance(broken, BrokenSample):
        raise RunError(f"cannot read {broken.what}: {broken.why}")
    return batch


def _told(
    indices: Iterable[int], before: int, total: int, progress: Callable[[int, int], None] | None
) -> Iterator[int]:
    for index in indices:
        if progress is not None:
            progress(before + index, total)
        yield index


def _looked_through(samples: Samples, data: DataSource, part: str, indices: Iterable[int], *, seed: int) -> PartCheck:
    found = PartCheck(len(samples))
    counts, sizes, sides = Counter[int](), Counter[str](), list[Tensor]()
    for index in indices:
        found.seen += 1
        try:
            batch = sample_of(samples, index, seed=seed)
        except RunError as error:
            found.broken.append(f"{part} {index}: {error}")
            continue
        found.broken += [f"{part} {index}: {what}" for what in _wrong(batch, data)]
        _count(batch, data.target_in(batch), found, counts, sizes, sides)
    found.counts = {data.classes[number]: counts[number] for number in range(len(data.classes))}
    found.sizes = dict(sizes.most_common())
    if sides:
        lengths = torch.cat(sides).flatten()
        found.sides = (float(lengths.min()), float(lengths.median()), float(lengths.max()))
    return found


def _count(
    batch: Batch, target: str, found: PartCheck, counts: Counter[int], sizes: Counter[str], sides: list[Tensor]
) -> None:
    if isinstance(batch.get("image"), Tensor):
        sizes[" x ".join(map(str, batch["image"].shape[1:]))] += 1
    if target == "boxes":
        real = batch["classes"] != NONE
        found.counted, found.empty = "objects", found.empty + int(not bool(real.any()))
        counts.update(batch["classes"][real].tolist())
        boxes = batch["boxes"][real]
        if len(boxes):
            sides.append(boxes[:, 2:] - boxes[:, :2])
    elif target == "mask":
        numbers, pixels = batch["mask"].unique(return_counts=True)
        held = dict(zip(numbers.tolist(), pixels.tolist(), strict=True))
        found.counted, found.unknown_pixels = "pixels", found.unknown_pixels + held.pop(UNKNOWN, 0)
        counts.update(held)
    elif target == "label" and not batch["label"].is_floating_point():
        found.counted = "images"
        counts.update(batch["label"].flatten().tolist())


def _wrong(batch: Batch, data: DataSource) -> Iterator[str]:
    """What has no meaning in a sample."""
    if "image" in batch:
        try:
            check_pixels(batch["image"], normalized=bool(data.mean), where="pixels")
        except UsageError as error:
            yield str(error)
        else:
            if not bool(torch.isfinite(batch["image"]).all()):
                yield "pixels are not all finite"
    target, count = data.target_in(batch), len(data.classes)
    name, none = {"boxes": ("classes", NONE), "mask": ("mask", UNKNOWN)}.get(target, (target, None))
    values = batch.get(name)
    if isinstance(values, Tensor) and not values.is_floating_point():
        is_odd = (values < 0) | (values >= count)
        odd = values[is_odd if none is None else is_odd & (values != none)]
        if odd.numel():
            or_none = "" if none is None else f", {none} for none"
            yield f"{name} is {odd.flatten()[0].item()}; accepted: 0 to {count - 1}{or_none}"
    if target == "boxes" and "image" in batch:
        yield from _wrong_boxes(batch["boxes"][batch["classes"] != NONE], batch["image"].shape[-2:])


def _wrong_boxes(boxes: Tensor, size: Sequence[int]) -> Iterator[str]:
    height, width = size
    for box in boxes.tolist():
        left, top, right, bottom = box
        shown = ", ".join(f"{side:g}" for side in box)
        if not (left < right and top < bottom):
            yield f"a box of no size ({shown})"
        elif left < 0 or top < 0 or right > width or bottom > height:
            yield f"a box ({shown}) reaches out of an image of {width} x {height} pixels"
