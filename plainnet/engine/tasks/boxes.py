"""Boxes (..., 4): left, top, right, bottom, in pixels of the image; a pixel is a square of side 1, the first from 0 to 1."""

from __future__ import annotations

import torch
from torch import Tensor

from plainnet.errors import UsageError

__all__ = ["area", "generalized_iou", "iou", "non_maximum_suppression"]


def area(boxes: Tensor) -> Tensor:
    """Pixels inside: (...,); 0 for a box that is turned inside out."""
    return (boxes[..., 2] - boxes[..., 0]).clamp_min(0) * (boxes[..., 3] - boxes[..., 1]).clamp_min(0)


def _overlap(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    low, high = torch.maximum(one[..., :2], other[..., :2]), torch.minimum(one[..., 2:], other[..., 2:])
    both = (high - low).clamp_min(0).prod(-1)
    return both, area(one) + area(other) - both


def iou(one: Tensor, other: Tensor) -> Tensor:
    """Intersection over union of boxes (A, 4) with boxes (B, 4): (A, B); 0 where both are empty."""
    both, union = _overlap(one[:, None], other[None])
    return torch.where(union > 0, both / union.clamp_min(torch.finfo(union.dtype).tiny), 0)


def generalized_iou(one: Tensor, other: Tensor) -> Tensor:
    """iou - (hull - union) / hull of boxes (..., 4) with their partners: (...,), from -1 to 1; hull is the smallest box around
    both. Where the hull is empty it is 0.

    Source: Rezatofighi et al., Generalized Intersection over Union (2019), algorithm 1.
    """
    both, union = _overlap(one, other)
    low, high = torch.minimum(one[..., :2], other[..., :2]), torch.maximum(one[..., 2:], other[..., 2:])
    hull = (high - low).clamp_min(0).prod(-1)
    tiny = torch.finfo(union.dtype).tiny
    return torch.where(hull > 0, both / union.clamp_min(tiny) - (hull - union) / hull.clamp_min(tiny), 0)


def non_maximum_suppression(boxes: Tensor, scores: Tensor, classes: Tensor, *, overlap: float = 0.5) -> Tensor:
    """The numbers of the boxes (N, 4) that stay, best score first: a box goes where a better one of its class, which stays,
    covers more than `overlap` of their union. Of equal scores the first one counts as better.
    """
    if not 0 <= overlap <= 1:
        raise UsageError(f"overlap is {overlap}; accepted: 0 to 1")
    order = scores.argsort(descending=True, stable=True)
    boxes, classes = boxes[order], classes[order]
    covered = ((iou(boxes, boxes) > overlap) & (classes[:, None] == classes[None])).cpu()
    stays = torch.ones(len(order), dtype=torch.bool)
    for number in range(len(order)):  # a better one is decided before it is asked
        if stays[number]:
            stays[number + 1 :] &= ~covered[number, number + 1 :]
    return order[stays.to(order.device)]
