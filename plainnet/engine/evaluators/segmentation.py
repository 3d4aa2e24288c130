"""Evaluators of a segmentation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from plainnet.engine.data.source import Batch
from plainnet.engine.evaluators.evaluator import Evaluator
from plainnet.errors import UsageError

__all__ = ["MeanIoU"]


class MeanIoU(Evaluator):
    """Intersection over union of each class over all pixels of the data set, and their `mean`: TP / (TP + FP + FN).

    From one confusion matrix of integers, not from means of images. A class that no pixel has, and none was taken for, has no
    value and is left out of the mean. Pixels of `ignore_index` are left out.
    """

    name = "iou"

    def __init__(self, *, ignore_index: int = 255) -> None:
        self.ignore_index = ignore_index

    def update(self, outputs: Any, batch: Batch) -> None:
        """Count pairs of classes."""
        logits, mask = outputs["logits"].detach(), batch["mask"]
        if logits.ndim != 4 or mask.shape != logits.shape[:1] + logits.shape[2:]:
            raise UsageError(
                f"{self.name}: logits are {tuple(logits.shape)}, masks {tuple(mask.shape)}; accepted: (N, K, H, W), (N, H, W)"
            )
        count = logits.shape[1]
        known = mask != self.ignore_index
        wanted, given = mask[known], logits.argmax(1)[known]
        if wanted.numel() and not 0 <= int(wanted.min()) <= int(wanted.max()) < count:
            raise UsageError(f"{self.name}: masks hold {int(wanted.min())} to {int(wanted.max())}, of {count} classes")
        self.add("pairs", torch.bincount(wanted * count + given, minlength=count * count).view(count, count))

    def compute(self) -> Mapping[str, float | Tensor]:
        """`iou/mean`, `iou/CLASS`."""
        pairs = self.total("pairs").double()
        hits = pairs.diag()
        union = pairs.sum(0) + pairs.sum(1) - hits
        held = union > 0
        values = {
            str(self.classes[at]) if at < len(self.classes) else str(at): float(hits[at] / union[at])
            for at in held.nonzero().flatten().tolist()
        }
        return {"mean": float((hits[held] / union[held]).mean()), **values}
