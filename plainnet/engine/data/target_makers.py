"""What a task is trained on, made of what a batch holds once its images have been augmented."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from plainnet.engine.data.source import Batch
from plainnet.engine.data.targets import NONE, UNKNOWN
from plainnet.errors import UsageError

__all__ = ["ObjectCounts", "TargetMaker", "with_targets"]

TargetMaker = Callable[[Batch], Batch]
"""A batch -> the entries that it gets besides."""


class ObjectCounts:
    """`counts` (N, num_classes): how many objects of each class are in an image (`classes`), or how many pixels (`mask`)."""

    def __init__(self, *, num_classes: int) -> None:
        if num_classes < 1:
            raise UsageError(f"num_classes is {num_classes}; accepted: 1 or more")
        self.num_classes = num_classes

    def __call__(self, batch: Batch) -> Batch:
        """Count them."""
        name, none = ("classes", NONE) if "classes" in batch else ("mask", UNKNOWN)
        if name not in batch:
            raise UsageError(f"ObjectCounts counts classes or pixels of a mask, and a batch holds {', '.join(batch)}")
        numbers = batch[name].flatten(1)
        known = (numbers != none) & (numbers >= 0)
        if bool((numbers[known] >= self.num_classes).any()):
            raise UsageError(
                f"a class is {int(numbers[known].max())}; accepted: 0 to {self.num_classes - 1} (num_classes of ObjectCounts)"
            )
        counts = torch.zeros(len(numbers), self.num_classes, device=numbers.device)
        return {"counts": counts.scatter_add_(1, numbers * known, known.float())}


def with_targets(batch: Batch, makers: Sequence[TargetMaker]) -> Batch:
    """The batch with what the makers, in their order, add to it. Raises `UsageError` for what they would replace."""
    for maker in makers:
        added = maker(batch)
        twice = [name for name in added if name in batch]
        if twice:
            name = getattr(maker, "__name__", type(maker).__name__)
            raise UsageError(f"the target maker {name} gives {twice[0]}, which the batch holds already")
        batch = {**batch, **added}
    return batch
