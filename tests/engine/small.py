"""A small trainer on random images, which the tests of the loop share."""

from __future__ import annotations

from typing import Any

import torch
from engine_models import Plain
from torch import Tensor, nn

from plainnet.engine import (
    Classification,
    EpochBasedTrainer,
    Loader,
    NamedLoss,
    TensorSamples,
)
from plainnet.engine.loop.trainer import Trainer
from plainnet.engine.tasks.losses import CrossEntropy

IMAGES = torch.randn(50, 1, 8, 8, generator=torch.Generator().manual_seed(1))
LABELS = torch.randint(0, 10, (50,), generator=torch.Generator().manual_seed(2))
SAMPLES = TensorSamples(IMAGES, LABELS)


def task_of(model: nn.Module) -> Classification:
    return Classification(model, losses=[NamedLoss("ce", CrossEntropy())])


def make_trainer(
    model: nn.Module | None = None,
    *,
    batch_size: int = 8,
    lr: float = 0.1,
    shuffle: bool = False,
    kind: type[Trainer] = EpochBasedTrainer,
    **options: Any,
) -> Any:
    if model is None:
        torch.manual_seed(0)
        model = Plain()
    options = {"epochs": 2, **options} if issubclass(kind, EpochBasedTrainer) else options
    trainer: Any = kind(device="cpu", **options)
    task = task_of(model)
    trainer.register_model(task)
    trainer.register_optimizer(torch.optim.SGD(task.parameters(), lr=lr, momentum=0.9))
    trainer.register_loader(
        Loader(SAMPLES, batch_size=batch_size, shuffle=shuffle), Loader(SAMPLES, batch_size=16, shuffle=False)
    )
    return trainer


def parameters_of(trainer: Trainer) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in trainer.module.parameters()]
