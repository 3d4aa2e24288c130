"""Masks and boxes that go where their image goes.

A batch may hold `mask` (N, H, W), classes of pixels, and `boxes` (N, M, 4) with `classes` (N, M), -1 for none. Boxes count
edges: a pixel is a square of side 1, the first from 0 to 1. What comes in from outside of an image is of no known class,
`UNKNOWN`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from plainnet.engine.data.source import Batch
from plainnet.errors import UsageError

__all__ = ["UNKNOWN", "flipped", "has_targets", "sanitized", "shifted", "transformed", "warped_boxes"]

TARGETS = ("mask", "boxes")
UNKNOWN = 255
NONE = -1


def has_targets(batch: Batch) -> bool:
    """Whether something in the batch lies at places of the image."""
    return any(name in batch for name in TARGETS)


def transformed(transform: Any, batch: Batch, image: Callable[[], Tensor], draws: Any) -> Batch:
    """A batch with targets after a transform: it moves them itself (`move(batch, draws)`), or it moves nothing in an image
    (`keeps_places = True`). Raises `UsageError` for any other, and where crowds would have to move: the targets would lie beside
    what they mean.
    """
    if hasattr(transform, "move"):
        if "crowds" in batch:
            raise UsageError(
                "crowds are moved by no transform; accepted: transforms for training alone, which has none"
            )
        moved: Batch = transform.move(batch, draws)
        return moved
    if getattr(transform, "keeps_places", False):
        return {**batch, "image": image()}
    name = getattr(transform, "__name__", type(transform).__name__)
    held = " and ".join(name for name in TARGETS if name in batch)
    raise UsageError(
        f"the transform {name} does not say where it moves {held} to; accepted: Flip, RandomCrop, Kornia, and transforms "
        "with a method move(batch, draws), or with keeps_places = True"
    )


def flipped(batch: Batch, chosen: Tensor) -> Batch:
    """The batch with left and right exchanged in the chosen (N,) images."""
    image = batch["image"]
    width = image.shape[-1]
    moved = {"image": torch.where(chosen.view(-1, 1, 1, 1), image.flip(3), image)}
    if "mask" in batch:
        moved["mask"] = torch.where(chosen.view(-1, 1, 1), batch["mask"].flip(2), batch["mask"])
    if "boxes" in batch:
        left, top, right, bottom = batch["boxes"].unbind(-1)
        other = torch.stack([width - right, top, width - left, bottom], -1)
        real = chosen.view(-1, 1) & (batch["classes"] != NONE)
        moved["boxes"] = torch.where(real[..., None], other, batch["boxes"])
    return {**batch, **moved}


def shifted(batch: Batch, image: Tensor, down: Tensor, right: Tensor) -> Batch:
    """The batch with `image`, which was moved `down` and `right` (N,) by whole pixels."""
    moved: Batch = {"image": image}
    height, width = image.shape[-2:]
    if "mask" in batch:
        rows = torch.arange(height, device=image.device) - down.view(-1, 1)
        columns = torch.arange(width, device=image.device) - right.view(-1, 1)
        inside = _within(rows, height)[:, :, None] & _within(columns, width)[:, None]
        number = torch.arange(len(image), device=image.device).view(-1, 1, 1)
        found = batch["mask"][number, rows.clamp(0, height - 1)[:, :, None], columns.clamp(0, width - 1)[:, None]]
        moved["mask"] = torch.where(inside, found, UNKNOWN)
    if "boxes" in batch:
        by = torch.stack([right, down, right, down], -1)[:, None].to(batch["boxes"])
        moved |= sanitized(batch["boxes"] + by, batch["classes"], (height, width))
    return {**batch, **moved}


def _within(numbers: Tensor, size: int) -> Tensor:
    return (numbers >= 0) & (numbers < size)


def warped_boxes(boxes: Tensor, matrices: Tensor, size: tuple[int, int]) -> Tensor:
    """The boxes (N, M, 4) around what an image of `size` (H, W) shows of boxes after matrices (N, 3, 3) between centres of pixels
    (0, 0 is the first); empty ones where it shows nothing.

    A turned box is cut before it is boxed in again: a corner that lies outside says nothing about the sides of what is inside.
    """
    left, top, right, bottom = (boxes - 0.5).unbind(-1)
    corners = torch.stack([left, top, right, top, right, bottom, left, bottom], -1)
    corners = corners.reshape(*boxes.shape[:-1], 4, 2)
    points = F.pad(corners, (0, 1), value=1.0) @ matrices[:, None].mT.to(boxes)
    points, valid = _cut(points[..., :2] / points[..., 2:] + 0.5, size)
    low = points.where(valid[..., None], torch.inf).amin(-2)
    high = points.where(valid[..., None], -torch.inf).amax(-2)
    return torch.cat([low, high], -1).where(valid.any(-1, keepdim=True), 0)


NEAR = 1e-3
"""Pixels that a corner may be outside by rounding."""


def _cut(points: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """The corners (..., 24, 2), and which of them there are, of convex quadrilaterals (..., 4, 2) cut to an image (H, W): their
    own corners, where their sides cross those of the image, and the image's corners.
    """
    sides = torch.tensor([size[1], size[0]], dtype=points.dtype, device=points.device)
    along = points.roll(-1, -2) - points
    found = [points]
    for axis in range(2):
        for limit in (0.0, float(sides[axis])):
            share = (limit - points[..., axis]) / along[..., axis]  # of a side; not finite where it is parallel
            crossing = points + share[..., None] * along
            crossing[..., axis] = limit
            found.append(crossing.where(((share >= 0) & (share <= 1))[..., None], torch.inf))
    every = torch.cat(found, -2)
    own = ((every >= -NEAR) & (every <= sides + NEAR)).all(-1)
    of_image = torch.tensor([[0.0, 0], [1, 0], [1, 1], [0, 1]], dtype=points.dtype, device=points.device) * sides
    away = of_image[:, None] - points[..., None, :, :]  # (..., image's corner, side, 2)
    turned = along[..., None, :, 0] * away[..., 1] - along[..., None, :, 1] * away[..., 0]
    inside = (turned >= 0).all(-1) | (turned <= 0).all(-1)
    return torch.cat([every, of_image.expand(*points.shape)], -2), torch.cat([own, inside], -1)


def sanitized(boxes: Tensor, classes: Tensor, size: tuple[int, int], *, least: float = 1.0) -> Batch:
    """`boxes` clipped to an image of `size` (H, W), and `classes`: -1, with an empty box, where less than `least` pixels are left
    on a side.
    """
    height, width = size
    limits = torch.tensor([width, height, width, height], dtype=boxes.dtype, device=boxes.device)
    clipped = boxes.clamp(min=torch.zeros_like(limits), max=limits)
    sides = clipped[..., 2:] - clipped[..., :2]
    stays = (sides >= least).all(-1) & (classes != NONE)
    return {"boxes": clipped * stays[..., None], "classes": torch.where(stays, classes, NONE)}
