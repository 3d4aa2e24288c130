"""The network of model.py as a LightningModule, and its images as a LightningDataModule."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightning
import torch
from data import datasets, load_weights
from model import NUM_CLASSES, Net
from torch import Tensor, nn
from torch.utils.data import DataLoader


class LitNet(lightning.LightningModule):
    """Classification with label smoothing, SGD and a cosine schedule with warm-up."""

    def __init__(
        self,
        num_classes: int = NUM_CLASSES,
        lr: float = 0.05,
        weight_decay: float = 5e-4,
        weights: Path | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.net = Net(num_classes)
        self.loss_function = nn.CrossEntropyLoss(label_smoothing=0.1)
        if weights is not None:
            load_weights(self.net, weights)

    def forward(self, images: Tensor) -> Tensor:
        return self.net(images)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        images, labels = batch
        loss = self.loss_function(self(images), labels)
        self.log("train_loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        images, labels = batch
        correct = (self(images).argmax(dim=1) == labels).float().mean()
        self.log("val_accuracy", correct, prog_bar=True, batch_size=len(labels))

    def configure_optimizers(self) -> dict[str, Any]:
        groups = list(parameter_groups(self.net, self.hparams["weight_decay"]))
        optimizer = torch.optim.SGD(groups, lr=self.hparams["lr"], momentum=0.9, nesterov=True)
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: factor(step, steps))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def parameter_groups(net: nn.Module, weight_decay: float) -> Iterator[dict[str, Any]]:
    """Weights with decay; biases and batch norms without."""
    yield {"params": [p for p in net.parameters() if p.dim() > 1], "weight_decay": weight_decay}
    yield {"params": [p for p in net.parameters() if p.dim() <= 1], "weight_decay": 0.0}


def factor(step: int, steps: int) -> float:
    """Linear warm-up over the first twentieth, then a cosine down to nothing."""
    warmup = max(1, steps // 20)
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 + 0.5 * math.cos(math.pi * (step - warmup) / max(1, steps - warmup))


class Images(lightning.LightningDataModule):
    """The digits, or the images of a folder."""

    def __init__(
        self,
        folder: Path | None = None,
        size: tuple[int, int] | None = None,
        batch_size: int = 64,
        workers: int = 4,
    ) -> None:
        super().__init__()
        self.batch_size = batch_size
        self.workers = workers if folder else 0
        self.train_set, self.val_set, self.num_classes = datasets(folder, size)

    def train_dataloader(self) -> DataLoader[Any]:
        return self.loader(self.train_set, training=True)

    def val_dataloader(self) -> DataLoader[Any]:
        return self.loader(self.val_set, training=False)

    def loader(self, images: Any, *, training: bool) -> DataLoader[Any]:
        return DataLoader(
            images,
            self.batch_size,
            shuffle=training,
            drop_last=training and len(images) > self.batch_size,
            num_workers=self.workers,
            persistent_workers=self.workers > 0,
        )
