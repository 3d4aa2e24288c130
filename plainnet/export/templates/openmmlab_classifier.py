"""What training with mmengine alone needs: a classifier, the images, the accuracy."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from data import datasets
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, METRICS, MODELS
from torch import Tensor, nn
from torch.utils.data import Dataset


@MODELS.register_module()
class PooledClassifier(BaseModel):
    """Backbone, global average pooling, linear classifier."""

    def __init__(self, backbone: dict, num_classes: int, in_channels: int) -> None:
        super().__init__()
        self.backbone = MODELS.build(backbone)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten(1)
        self.head = nn.Linear(in_channels, num_classes)
        self.loss_function = nn.CrossEntropyLoss(label_smoothing=0.1)

    def forward(self, images: Tensor, labels: Tensor | None = None, mode: str = "tensor") -> Any:
        logits = self.head(self.flatten(self.pool(self.backbone(images)[-1])))
        if mode == "loss":
            return {"loss": self.loss_function(logits, labels)}
        if mode == "predict":
            return [{"logits": a, "label": b} for a, b in zip(logits, labels, strict=True)]
        return logits


@DATASETS.register_module()
class Images(Dataset):
    """The digits, or the images of a folder: images/train/CLASS/* and images/val/CLASS/*."""

    def __init__(self, split: str, folder: str | None = None, size: Sequence[int] | None = None) -> None:
        train_set, val_set, _ = datasets(Path(folder) if folder else None, size)
        self.images = train_set if split == "train" else val_set

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> dict:
        image, label = self.images[index]
        return {"images": image, "labels": torch.as_tensor(label)}


@METRICS.register_module()
class TopOne(BaseMetric):
    """The share of images whose largest logit is their class."""

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        self.results += [int(sample["logits"].argmax() == sample["label"]) for sample in data_samples]

    def compute_metrics(self, results: list) -> dict:
        return {"accuracy": sum(results) / len(results)}
