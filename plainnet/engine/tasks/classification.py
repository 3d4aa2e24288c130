"""One class for each image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from plainnet.engine.data.source import Batch
from plainnet.engine.means import Ratio
from plainnet.engine.tasks.task import Task

__all__ = ["Classification"]


class Classification(Task):
    """Logits (N, K) of images (N, C, H, W); metrics: `accuracy`, and `top5` where there are more than ten classes."""

    def postprocess(self, outputs: Mapping[str, Any]) -> dict[str, Tensor]:
        """`probabilities` (N, K) and `prediction` (N,)."""
        probabilities = outputs["logits"].softmax(dim=1)
        return {"probabilities": probabilities, "prediction": probabilities.argmax(dim=1)}

    @torch.no_grad()
    def metrics(self, outputs: Mapping[str, Any], batch: Batch) -> dict[str, Ratio]:
        """Correct answers, counted."""
        logits, label = outputs["logits"], batch["label"]
        found = {"accuracy": Ratio((logits.argmax(dim=1) == label).sum(), len(label))}
        if logits.shape[1] > 10:
            hits = (logits.topk(5, dim=1).indices == label.unsqueeze(1)).any(dim=1)
            found["top5"] = Ratio(hits.sum(), len(label))
        return found
