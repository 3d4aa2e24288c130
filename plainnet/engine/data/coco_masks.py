"""Objects of COCO's files painted as pixels: polygons, and run lengths as numbers or as text."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from plainnet.engine.data.decoding import BrokenImageError
from plainnet.errors import MissingExtraError

__all__ = ["Painted", "is_number", "is_segmentation"]

LARGEST = 1e9
"""Pixels, far beyond every image; an integer of JSON may have any length."""
FAR = 1 << 20
"""Pixels from the image's corner at which an object's corner may lie."""


@dataclass(frozen=True)
class Painted:
    """Segmentations with numbers of classes, painted one over the other, from 1, when it is called with a size (H, W).

    Raises `BrokenImageError`, with the path of the image, for what does not fit it.
    """

    path: Path
    objects: tuple[tuple[Any, int], ...]

    def __call__(self, size: tuple[int, int]) -> Any:
        painted = np.zeros(size, dtype=np.uint8)
        for what, number in self.objects:
            try:
                inside = _filled(what, size) if isinstance(what, list) else _unrolled(what, size)
            except ValueError as error:
                raise BrokenImageError(str(self.path), f"a segmentation that cannot be read: {error}") from None
            painted[inside] = number + 1
        return painted


def is_segmentation(value: Any) -> bool:
    """Polygons with three corners or more, or run lengths as numbers or as text."""
    if isinstance(value, list):
        shapes: Iterator[bool] = (
            isinstance(shape, list) and len(shape) >= 6 and len(shape) % 2 == 0 and all(map(is_number, shape))
            for shape in value
        )
        return bool(value) and all(shapes)
    return (
        isinstance(value, dict) and isinstance(value.get("counts"), (list, str)) and isinstance(value.get("size"), list)
    )


def is_number(value: Any) -> bool:
    """Whether a value of JSON is a number of pixels."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= LARGEST


def _filled(polygons: Sequence[Sequence[float]], size: tuple[int, int]) -> Any:
    """What lies in polygons, by pycocotools, whose memory goes with the length of an outline."""
    allowed = 4 * size[0] * size[1] + 8 * sum(size)
    for polygon in polygons:
        corners = np.array(polygon, dtype=np.float64).reshape(-1, 2)
        if np.abs(corners).max() > FAR:
            raise ValueError(f"a corner lies more than {FAR:,} pixels away")
        length = float(np.abs(corners - np.roll(corners, 1, axis=0)).max(1).sum())
        if length > allowed:
            raise ValueError(f"an outline of {length:,.0f} pixels; accepted in this image: {allowed:,}")
    module = _coco_mask()
    return module.decode(module.merge(module.frPyObjects(polygons, *size))).astype(bool)


def _unrolled(runs: Mapping[str, Any], size: tuple[int, int]) -> Any:
    """What run lengths say, column by column, outside first."""
    if runs["size"] != list(size):
        raise ValueError(f"run lengths of {runs['size']} pixels for an image of {list(size)}")
    counts = _counts(runs["counts"]) if isinstance(runs["counts"], str) else runs["counts"]
    if not all(isinstance(count, int) and not isinstance(count, bool) and count >= 0 for count in counts):
        raise ValueError("run lengths that are no counts of pixels")
    if sum(counts) != size[0] * size[1]:
        raise ValueError(f"run lengths of {sum(counts):,} pixels for an image of {size[0] * size[1]:,}")
    inside = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
    return inside.reshape(size[1], size[0]).T


def _counts(text: str) -> list[int]:
    """The numbers of COCO's text: five bits a letter from "0" on, the lowest first, a sixth for those that go on; from the
    fourth on each is the difference from the one before the last.
    """
    found: list[int] = []
    value = shift = 0
    for letter in text:
        bits = ord(letter) - 48
        if not 0 <= bits < 64 or shift > 60:
            raise ValueError(f"{letter!r} is no letter of run lengths")
        value |= (bits & 31) << shift
        shift += 5
        if not bits & 32:
            value -= (bits >> 4 & 1) << shift
            found.append(value + found[-2] if len(found) > 2 else value)
            value = shift = 0
    if shift:
        raise ValueError("run lengths that break off")
    return found


def _coco_mask() -> Any:
    """pycocotools' module of polygons and run lengths."""
    try:
        from pycocotools import mask
    except ImportError as error:
        raise MissingExtraError("pycocotools", "detect") from error
    # what pycocotools 2.0 has not learnt of numpy 2; `catch_warnings` would not do in several threads
    warnings.filterwarnings("ignore", message="__array__ implementation doesn't accept a copy keyword")
    return mask
