"""Images that are decoded when a batch needs them, and what is done about those that cannot be."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from plainnet.engine.data.decoding import BrokenImageError
from plainnet.engine.data.images import Window, center_crop, random_resized_crop, to_tensor
from plainnet.engine.data.source import Batch
from plainnet.errors import UsageError, nearest

__all__ = ["ON_ERROR", "ImageSamples", "only_readable", "reading"]

ON_ERROR = ("stop", "skip", "keep")
"""What may be done about an image that cannot be read: end the run, leave it out, or let whoever fetches it be told."""


@dataclass(frozen=True)
class ImageSamples:
    """Images that are decoded, cropped and resized when a batch needs them.

    open: the decoded Pillow image of a number. numbers: those that belong here, in order. labels: one for each of `numbers`.
    """

    open: Callable[[int], Any]
    numbers: Sequence[int]
    labels: Sequence[int]
    window: Window

    def __len__(self) -> int:
        return len(self.labels)

    def fetch(self, indices: Sequence[int], draws: Sequence[int]) -> Batch:
        """The batch of these images, each cropped by its own seed."""
        images = [self._image(index, draw) for index, draw in zip(indices, draws, strict=True)]
        labels = torch.tensor([self.labels[index] for index in indices])
        return {"image": torch.stack(images).float().div_(255), "label": labels}

    def targets(self, index: int) -> Batch:
        """What `fetch` gives of one sample beside its image, which is not decoded."""
        return {"label": torch.tensor([self.labels[index]])}

    def _image(self, index: int, draw: int) -> Tensor:
        image, window = self.open(self.numbers[index]), self.window
        if window.scale is None:
            return to_tensor(center_crop(image, size=window.size, share=window.crop))
        generator = np.random.default_rng(draw)
        return to_tensor(random_resized_crop(image, generator, size=window.size, scale=window.scale))


def reading(
    *,
    size: int | Sequence[int] = 224,
    crop: float = 0.875,
    scale: Sequence[float] | None = None,
    channels: int = 3,
    on_error: str = "stop",
    val_share: float = 0.1,
) -> Window:
    """How training images are cut, from the options of image folders and hub data; `UsageError` for one that has no meaning.

    It reads nothing, so that a configuration can be checked without its data.
    """
    if channels not in (1, 3):
        raise UsageError(f"channels is {channels}; accepted: 1 or 3")
    if not 0 < val_share < 1:
        raise UsageError(f"val_share is {val_share}; accepted: a share between 0 and 1")
    if on_error not in ON_ERROR:
        near = nearest(on_error, ON_ERROR)
        raise UsageError(
            f"on_error is {on_error}; accepted: {', '.join(ON_ERROR)}" + (f"; did you mean {near}?" if near else "")
        )
    return Window.of(size, crop, scale)


def only_readable(samples: ImageSamples) -> tuple[ImageSamples, list[BrokenImageError]]:
    """The samples that can be decoded, and what is wrong with the others: every image is decoded once, by threads.

    Before training, not in it: so every process, every resume and every validation sees the same images.
    """

    def broken(number: int) -> BrokenImageError | None:
        try:
            samples.open(number)
        except BrokenImageError as error:
            return error
        return None

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = list(pool.map(broken, samples.numbers))
    kept = [place for place, error in enumerate(found) if error is None]
    whole = replace(
        samples, numbers=[samples.numbers[place] for place in kept], labels=[samples.labels[place] for place in kept]
    )
    return whole, [error for error in found if error is not None]
