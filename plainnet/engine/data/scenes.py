"""Scenes of handwritten digits: several on one canvas, with a box and a mask for each; nothing is downloaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from plainnet.engine.data.digits import digits
from plainnet.engine.data.source import Batch, DataSource, Part, Samples, TensorSamples, Unread
from plainnet.engine.seeds import derive
from plainnet.errors import UsageError

__all__ = ["SceneSamples", "digits_scenes"]

INK = 0.25
"""Grey value from which on a pixel belongs to a digit."""
TRIES = 20
"""Places that are tried for a digit; one that fits nowhere is left out."""


@dataclass(frozen=True)
class SceneSamples:
    """Scenes held in memory. images (N, C, H, W) in 0..1; boxes (N, M, 4), left, top, right, bottom in pixels; classes (N, M),
    -1 where there is no object; masks (N, H, W), classes of the pixels.
    """

    images: Tensor
    boxes: Tensor
    classes: Tensor
    masks: Tensor

    def __len__(self) -> int:
        return len(self.images)

    def fetch(self, indices: Sequence[int], draws: Sequence[int]) -> Batch:  # noqa: ARG002
        """The batch of these scenes: `image`, `boxes`, `classes`, `mask`."""
        index = torch.as_tensor(indices)
        return {
            "image": self.images[index],
            "boxes": self.boxes[index],
            "classes": self.classes[index],
            "mask": self.masks[index],
        }


def digits_scenes(
    *,
    target: Literal["masks", "boxes"] = "masks",
    size: int = 64,
    train: int = 1024,
    val: int = 256,
    most: int = 4,
    only: Part = None,
) -> DataSource:
    """`train` and `val` scenes of `size` x `size` pixels with one to `most` digits of 12 to 24 pixels, which do not overlap.

    The digits of training scenes are from the training part of `digits`, those of the others from its test part. target:
    "masks" names eleven classes for segmentation (the background first), "boxes" the ten digits for detection; the batches
    hold both. The same on every machine: a scene depends on its number alone.

    Experimental: what tasks of maps and boxes take may still change.
    """
    if target not in ("masks", "boxes"):
        raise UsageError(f"target is {target!r}; accepted: masks, boxes")
    for name, value, least in (("size", size, 32), ("train", train, 1), ("val", val, 1), ("most", most, 1)):
        if value < least:
            raise UsageError(f"{name} is {value}; accepted: {least} or more")
    source = digits()
    parts: dict[str, Samples] = {"train": Unread("train"), "val": Unread("val")}
    for stream, samples, count in (("train", source.train, train), ("val", source.val, val)):
        assert isinstance(samples, TensorSamples)
        if only in (None, stream):
            parts[stream] = _scenes(samples, stream, count, size=size, most=most)
    names = tuple(map(str, range(10)))
    return DataSource(
        train=parts["train"],
        val=parts["val"],
        classes=("background", *names) if target == "masks" else names,
        shape=(1, size, size),
        mean=(0.06,),
        std=(0.2,),
        target="mask" if target == "masks" else "boxes",
    )


def _scenes(samples: TensorSamples, stream: str, count: int, *, size: int, most: int) -> SceneSamples:
    images = torch.zeros(count, 1, size, size)
    boxes, classes = torch.zeros(count, most, 4), torch.full((count, most), -1)
    masks = torch.zeros(count, size, size, dtype=torch.int64)
    for number in range(count):
        draw = torch.Generator().manual_seed(derive(number, "scene", stream) % 2**63)
        taken = torch.zeros(size, size, dtype=torch.bool)
        for slot in range(int(torch.randint(1, most + 1, (), generator=draw))):
            which = int(torch.randint(len(samples), (), generator=draw))
            side = int(torch.randint(12, 25, (), generator=draw))
            digit = F.interpolate(samples.images[which : which + 1], (side, side), mode="bilinear")[0, 0]
            place = _free_place(taken, side, draw)
            if place is None:
                continue
            top, left = place
            area = (slice(top, top + side), slice(left, left + side))
            ink = digit > INK
            rows, columns = ink.any(1).nonzero().flatten(), ink.any(0).nonzero().flatten()
            label = int(samples.labels[which])
            images[number, 0][area] = digit
            masks[number][area][ink] = label + 1
            taken[area] = True
            corners = (left + columns[0], top + rows[0], left + columns[-1] + 1, top + rows[-1] + 1)
            boxes[number, slot], classes[number, slot] = torch.tensor([float(each) for each in corners]), label
    return SceneSamples(images, boxes, classes, masks)


def _free_place(taken: Tensor, side: int, draw: torch.Generator) -> tuple[int, int] | None:
    for _ in range(TRIES):
        top, left = (int(torch.randint(taken.shape[0] - side + 1, (), generator=draw)) for _ in range(2))
        if not taken[top : top + side, left : left + side].any():
            return top, left
    return None
