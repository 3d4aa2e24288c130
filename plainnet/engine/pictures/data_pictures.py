"""Samples of a data set with their targets, side by side in one picture."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor

from plainnet.engine.data.checking import sample_of
from plainnet.engine.data.decoding import pillow
from plainnet.engine.data.source import Batch, DataSource, Samples
from plainnet.engine.pictures.target_pictures import draw_targets
from plainnet.engine.pictures.visualizer import Visualizer
from plainnet.errors import UsageError

__all__ = ["data_picture"]

SIDE = 160
"""Pixels that the longer side of a small image is enlarged to, about."""
GAP = 4


def data_picture(data: DataSource, *, split: str = "train", count: int = 16, first: int = 0) -> Any:
    """A Pillow image of `count` samples from number `first` on, in rows: boxes with their classes, masks in the colours of
    classes, or the label.

    Raises `RunError` for a sample that cannot be read, `UsageError` for samples that hold no image.
    """
    samples: Samples = data.train if split == "train" else data.val
    if count < 1 or not 0 <= first < len(samples):
        raise UsageError(f"count is {count} and first {first}; accepted: 1 or more, from 0 to {len(samples) - 1}")
    numbers = range(first, min(len(samples), first + count))
    tiles = [_tile(sample_of(samples, number), data) for number in numbers]
    columns = math.ceil(math.sqrt(len(tiles)))
    width, height = (max(getattr(tile, side) for tile in tiles) + GAP for side in ("width", "height"))
    sheet = pillow().new("RGB", (columns * width - GAP, math.ceil(len(tiles) / columns) * height - GAP), "#ffffff")
    for place, tile in enumerate(tiles):
        sheet.paste(tile, (place % columns * width, place // columns * height))
    return sheet


def _tile(batch: Batch, data: DataSource) -> Any:
    image = batch.get("image")
    if not isinstance(image, Tensor) or image.ndim != 4 or image.shape[1] not in (1, 3):
        held = tuple(image.shape) if isinstance(image, Tensor) else ", ".join(map(str, batch))
        raise UsageError(f"there is no picture to show: a sample holds {held}; accepted: image (N, 1 or 3, H, W)")
    drawn = Visualizer(image[0].float().clamp(0, 1), scale=max(1, SIDE // max(image.shape[-2:])))
    draw_targets(drawn, batch, data.classes, target=data.target_in(batch))
    return drawn.picture
