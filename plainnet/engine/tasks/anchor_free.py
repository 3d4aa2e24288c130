"""Which place of which map answers for which box: anchor-free detection, as pure functions of places and boxes.

A place is the centre of a cell of a map, in pixels of the image: ((x + 1/2) stride, (y + 1/2) stride). Each place predicts the
class of the object that it answers for, and its distances (left, top, right, bottom) to the four sides.
Source: Tian, Shen, Chen, He, FCOS (2019), section 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from plainnet.engine.tasks.boxes import area

__all__ = ["Places", "boxes_at", "centredness", "distances_to", "match", "places_of"]

NONE = -1
"""The class of a place that answers for nothing, and of an object that is not there (filled up to a common number)."""


@dataclass(frozen=True)
class Places:
    """points: (P, 2), x and y in pixels; strides: (P,), pixels between neighbours; levels: (P,), the number of the map."""

    points: Tensor
    strides: Tensor
    levels: Tensor


def places_of(sizes: Sequence[tuple[int, int]], image: tuple[int, int], device: torch.device) -> Places:
    """All places of maps of `sizes` (H, W) over an image (H, W), map after map, row after row.

    The stride of a map is the image's side over the map's, for each side by itself; `strides` hold their larger one.
    """
    points, strides, levels = [], [], []
    for level, (height, width) in enumerate(sizes):
        down, right = image[0] / height, image[1] / width
        y = (torch.arange(height, device=device) + 0.5) * down
        x = (torch.arange(width, device=device) + 0.5) * right
        points.append(torch.stack([x.expand(height, width), y[:, None].expand(height, width)], -1).reshape(-1, 2))
        strides.append(torch.full((height * width,), max(down, right), device=device))
        levels.append(torch.full((height * width,), level, device=device))
    return Places(torch.cat(points), torch.cat(strides), torch.cat(levels))


def distances_to(boxes: Tensor, points: Tensor) -> Tensor:
    """Distances (..., 4) of points (..., 2) to the left, top, right and bottom side of boxes (..., 4): negative outside."""
    return torch.cat([points - boxes[..., :2], boxes[..., 2:] - points], -1)


def boxes_at(points: Tensor, distances: Tensor) -> Tensor:
    """The boxes (..., 4) that lie at `distances` (..., 4) around points (..., 2)."""
    return torch.cat([points - distances[..., :2], points + distances[..., 2:]], -1)


def centredness(distances: Tensor) -> Tensor:
    """sqrt(min(l, r) / max(l, r) * min(t, b) / max(t, b)) of distances (..., 4): 1 in the middle of the box, 0 at its sides."""
    sides = torch.stack([distances[..., 0::2], distances[..., 1::2]], -2).clamp_min(0)  # (..., axis, 2)
    ratio = sides.amin(-1) / sides.amax(-1).clamp_min(torch.finfo(distances.dtype).tiny)
    return ratio.prod(-1).sqrt()


def match(places: Places, boxes: Tensor, classes: Tensor, *, scale: float = 8.0, radius: float = 1.5) -> Tensor:
    """Which object (P,) each place answers for, `NONE` for none: boxes (M, 4), classes (M,).

    A place may answer for a box that it lies inside of, on the map that fits the box (its larger side is at most `scale` strides,
    on the finest such map; the coarsest map takes what is larger), no further than `radius` strides from its centre. Of several
    boxes the smallest counts. A box that so finds no place takes the one inside it that is nearest to its centre, from whichever
    map, unless another box has no other: so every box with a place inside is answered for where there are enough places.
    """
    count = len(places.points)
    answers = torch.full((count,), NONE, dtype=torch.int64, device=boxes.device)
    real = (classes != NONE).nonzero().flatten()
    if not len(real) or not count:
        return answers
    boxes = boxes[real]
    distances = distances_to(boxes[None], places.points[:, None])  # (P, M, 4)
    inside = distances.amin(-1) > 0
    away = ((boxes[:, :2] + boxes[:, 2:]) / 2 - places.points[:, None]).abs().amax(-1)  # (P, M)
    fits = places.levels[:, None] == _level_of(places, boxes, scale)[None]
    size = torch.where(inside & fits & (away <= radius * places.strides[:, None]), area(boxes)[None], torch.inf)
    least, chosen = size.min(1)
    taken = torch.where(least < torch.inf, chosen, NONE)
    return torch.where((found := _with_the_rest(taken, inside, away)) == NONE, answers, real[found.clamp_min(0)])


def _level_of(places: Places, boxes: Tensor, scale: float) -> Tensor:
    """The number (M,) of the map that fits each box."""
    side = (boxes[:, 2:] - boxes[:, :2]).amax(-1)
    levels = int(places.levels.max()) + 1
    strides = torch.stack([places.strides[places.levels == level].amax() for level in range(levels)])
    return (side[:, None] > scale * strides[None, :-1]).sum(1)


def _with_the_rest(taken: Tensor, inside: Tensor, away: Tensor) -> Tensor:
    """`taken`, with a place for each box that has none yet and could have one."""
    for box in range(inside.shape[1]):
        if bool((taken == box).any()) or not bool(inside[:, box].any()):
            continue
        owners = torch.bincount(taken[taken != NONE], minlength=inside.shape[1])
        free = inside[:, box] & ((taken == NONE) | (owners[taken.clamp_min(0)] > 1))
        if bool(free.any()):
            taken = taken.clone()
            taken[torch.where(free, away[:, box], torch.inf).argmin()] = box
    return taken
