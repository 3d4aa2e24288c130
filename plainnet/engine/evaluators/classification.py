"""Evaluators of a classification: logits (N, K), or one logit a sample for two classes, against labels (N,)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor

from plainnet.engine.data.source import Batch
from plainnet.engine.evaluators.evaluator import Evaluator
from plainnet.errors import UsageError

__all__ = ["AUC", "F1", "Accuracy", "ClassAccuracy", "ConfusionMatrix"]

Average = Literal["macro", "micro", "weighted", "binary", "none"]


class _OfLogits(Evaluator):
    """Finds logits and labels. logits, label: their names in the outputs and in the batch."""

    def __init__(self, *, logits: str = "logits", label: str = "label") -> None:
        self.keys = logits, label

    def pair(self, outputs: Any, batch: Batch) -> tuple[Tensor, Tensor]:
        """Logits (N, K) and labels (N,). A single logit z is the pair 0, z."""
        found = outputs
        if isinstance(outputs, Mapping):
            found = self._entry(outputs, self.keys[0], "outputs")
        logits, label = found.detach(), self._entry(batch, self.keys[1], "batch")
        if logits.ndim == 1 or logits.shape[1] == 1:
            logits = torch.stack([torch.zeros_like(logits.flatten()), logits.flatten()], dim=1)
        if logits.ndim != 2 or label.ndim != 1 or len(label) != len(logits) or label.is_floating_point():
            shapes = f"{self.keys[0]} are {tuple(logits.shape)}, {self.keys[1]} {tuple(label.shape)} of {label.dtype}"
            raise UsageError(f"{self.name}: {shapes}; accepted: (N, K) and integers (N,)")
        return logits, label

    def _entry(self, values: Mapping[str, Any], key: str, where: str) -> Tensor:
        if key not in values:
            raise UsageError(f"{self.name} takes {key}, and the {where} are {', '.join(values)}")
        value: Tensor = values[key]
        return value


class Accuracy(_OfLogits):
    """The share of samples whose label is among the `top_k` largest logits."""

    def __init__(self, *, top_k: int = 1, logits: str = "logits", label: str = "label") -> None:
        super().__init__(logits=logits, label=label)
        if top_k < 1:
            raise UsageError(f"top_k is {top_k}; accepted: 1 or more")
        self.top_k, self.name = top_k, "accuracy" if top_k == 1 else f"top{top_k}"

    def update(self, outputs: Any, batch: Batch) -> None:
        """Count the hits."""
        logits, label = self.pair(outputs, batch)
        if self.top_k > logits.shape[1]:
            raise UsageError(f"top_k is {self.top_k}, and there are {logits.shape[1]} classes")
        first = logits.argmax(dim=1, keepdim=True) if self.top_k == 1 else logits.topk(self.top_k, dim=1).indices
        self.add("hits", (first == label.unsqueeze(1)).any(dim=1).sum())
        self.add("samples", len(label))

    def compute(self) -> float:
        """hits / samples."""
        return float(self.total("hits")) / float(self.total("samples"))


class ConfusionMatrix(_OfLogits):
    """Counts (K, K): samples of class i (row) that were taken for class j (column). It is a table, not a metric."""

    name = "confusion"

    def update(self, outputs: Any, batch: Batch) -> None:
        """Count."""
        logits, label = self.pair(outputs, batch)
        count = logits.shape[1]
        if len(label) and not 0 <= int(label.min()) <= int(label.max()) < count:
            raise UsageError(
                f"{self.name}: labels go from {int(label.min())} to {int(label.max())}, of {count} classes"
            )
        places = label * count + logits.argmax(dim=1)
        self.add("counts", torch.bincount(places, minlength=count * count).view(count, count))

    def compute(self) -> float | Tensor | Mapping[str, float | Tensor]:
        """The counts."""
        return self.total("counts")


class ClassAccuracy(ConfusionMatrix):
    """The accuracy on the samples of each class (its recall); nan for a class without samples."""

    name = "class_accuracy"

    def compute(self) -> Tensor:
        """Diagonal over row sums."""
        counts = self.total("counts").double()
        return counts.diagonal() / counts.sum(dim=1)


class F1(ConfusionMatrix):
    """F1 = 2 TP / (2 TP + FP + FN) of each class against the others.

    average: "macro", the mean over the classes that occur among labels or answers; "weighted", by the samples of each class;
    "micro", over all decisions together (the accuracy); "binary", of class 1 of two; "none", of each class.
    """

    name = "f1"

    def __init__(self, *, average: Average = "macro", logits: str = "logits", label: str = "label") -> None:
        super().__init__(logits=logits, label=label)
        if average not in Average.__args__:  # type: ignore[attr-defined]
            raise UsageError(f"average is {average!r}; accepted: macro, micro, weighted, binary, none")
        self.average = average

    def compute(self) -> float | Tensor:
        """From the confusion matrix."""
        counts = self.total("counts").double()
        hits, samples, answers = counts.diagonal(), counts.sum(dim=1), counts.sum(dim=0)
        scores = 2 * hits / (samples + answers)  # nan where the class does not occur
        if self.average == "micro":
            return float(hits.sum() / counts.sum())
        if self.average == "macro":
            return float(scores[samples + answers > 0].mean())
        if self.average == "weighted":
            return float((scores * samples)[samples > 0].sum() / samples.sum())
        if self.average == "binary":
            if len(scores) != 2:
                raise UsageError(f"{self.name}: average is binary, and there are {len(scores)} classes")
            return float(scores[1])
        return scores


class AUC(_OfLogits):
    """The area under the ROC curve of each class against the others: the chance that a sample of the class has the higher
    probability (softmax of the logits) than one of the others, ties counted half.

    average: "macro", the mean over the classes that occur among the labels (nan if it is only one); "none", of each class, nan
    where it does not occur. With two classes the macro value is that of class 1 (both are the same).
    """

    name = "auc"

    def __init__(
        self, *, average: Literal["macro", "none"] = "macro", logits: str = "logits", label: str = "label"
    ) -> None:
        super().__init__(logits=logits, label=label)
        if average not in ("macro", "none"):
            raise UsageError(f"average is {average!r}; accepted: macro, none")
        self.average = average

    def update(self, outputs: Any, batch: Batch) -> None:
        """Keep probabilities and labels."""
        logits, label = self.pair(outputs, batch)
        self.keep("probability", logits.double().softmax(dim=1))
        self.keep("label", label)

    def compute(self) -> float | Tensor:
        """(rank sum of the class - n (n + 1) / 2) / (n m), n samples of the class and m others (Mann and Whitney)."""
        probability, label = self.kept("probability"), self.kept("label")
        areas = torch.stack([_area(probability[:, k], label == k) for k in range(probability.shape[1])])
        if self.average == "none":
            return areas
        if len(areas) == 2:
            return float(areas[1])
        occurring = torch.bincount(label, minlength=len(areas)) > 0
        return float(areas[occurring].mean())


def _area(score: Tensor, positive: Tensor) -> Tensor:
    """The area of one class; nan without samples of both kinds."""
    n, m = int(positive.sum()), int((~positive).sum())
    if n == 0 or m == 0 or not bool(score.isfinite().all()):
        return torch.tensor(torch.nan, dtype=torch.float64)
    _, place, count = torch.unique(score, return_inverse=True, return_counts=True)
    last = count.cumsum(0).double()
    rank = (last - (count.double() - 1) / 2)[place]  # the mean rank of equal scores
    area: Tensor = (rank[positive].sum() - n * (n + 1) / 2).cpu() / (n * m)
    return area
