"""The largest learning rate at which fine-tuning can begin without spoiling the weights: a short test of one after another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import torch
from torch import nn

from plainnet.engine.data.loader import Loader
from plainnet.engine.data.source import Batch, DataSource
from plainnet.engine.run.build import build_losses
from plainnet.engine.run.predict import Predictor
from plainnet.engine.run.registry import Registry
from plainnet.engine.run.schema import TrainConfig
from plainnet.engine.seeds import seed_everything
from plainnet.engine.tasks.task import Task
from plainnet.errors import UsageError
from plainnet.store.record import FineTuning

__all__ = ["RATES", "largest_rate"]

RATES = tuple(float(f"{10 ** (power / 2):.3g}") for power in range(-10, 1))
"""1e-5 to 1, two in every factor of ten."""
MARGIN = 0.1
LOOKED_AT = 1024
"""Validation images that the loss is taken on."""
MOMENTUM = 0.9


def largest_rate(
    weights: Path,
    config: TrainConfig,
    data: DataSource,
    *,
    rates: Sequence[float] = RATES,
    updates: int = 20,
    margin: float = MARGIN,
    batch: int = 64,
    imports: Sequence[str] = (),
) -> FineTuning:
    """Begin with the weights at each rate, make some updates of SGD with momentum on the training images, and take the loss on
    validation images: at a loss that is not finite, or more than `margin` above that of the weights as they are, they count as
    spoiled, and no higher rate is tried. The largest rate is the last before that; None where the lowest spoils.

    The same seed for every rate: the same batches. Raises `UsageError` for images of another size than the network's.
    """
    _check(rates, updates, batch, margin)
    predictor = Predictor(weights, imports=imports, platform="torch")
    if tuple(data.shape) != predictor.image_shape:
        raise UsageError(
            f"the images are {tuple(data.shape)} and the network was trained on {tuple(predictor.shape)} (C, H, W)"
        )
    task = _with_losses(predictor.task, config, imports)
    prepared = _Prepared(predictor)
    looked_at = list(islice(Loader(data.val, batch_size=256, shuffle=False).at(0), max(1, LOOKED_AT // 256)))
    batches = list(islice(Loader(data.train, batch_size=batch, shuffle=True, drop_last=True, seed=0).at(0), updates))
    if not batches:
        raise UsageError(f"a batch of {batch} is more than the {len(data.train)} training images")
    kept = {name: value.clone() for name, value in task.state_dict().items()}
    before = _loss(task, looked_at, prepared)
    if not math.isfinite(before):
        raise UsageError("the loss of the weights as they are is not finite on these images")
    limit = before * (1 + margin)
    tried, found, largest = list[float](), list[float | None](), None
    for rate in sorted(set(rates)):
        task.load_state_dict(kept)
        _train(task, islice(cycle(batches), updates), rate, prepared)
        loss = _loss(task, looked_at, prepared)
        tried.append(rate)
        found.append(loss if math.isfinite(loss) else None)
        if not loss <= limit:
            break
        largest = rate
    seen = sum(map(_size, looked_at))
    how = f"SGD with momentum {MOMENTUM:g}; the loss on {seen} validation images, {margin:.0%} above is spoiled"
    return FineTuning(
        largest_lr=largest,
        optimizer="SGD",
        tried=tried,
        losses=found,
        before=before,
        spoiled_above=limit,
        updates=updates,
        batch=batch,
        how=how,
    )


def _check(rates: Sequence[float], updates: int, batch: int, margin: float) -> None:
    if not rates or any(not (math.isfinite(rate) and rate > 0) for rate in rates):
        raise UsageError(f"rates are {list(rates)}; accepted: positive numbers")
    if updates < 1 or batch < 2 or not margin > 0:
        raise UsageError("accepted: updates of 1 or more, a batch of 2 or more, a margin above 0")


def _with_losses(task: Task, config: TrainConfig, imports: Sequence[str]) -> Task:
    losses = build_losses(config.task.losses, Registry(imports))
    task.named_losses = tuple(losses)
    task.loss_modules = nn.ModuleList([loss.module for loss in losses])
    return task


class _Prepared:
    """A batch as the network takes it."""

    def __init__(self, predictor: Predictor) -> None:
        self.normalize = predictor.normalize

    def __call__(self, batch: Batch) -> Batch:
        return {**batch, "image": self.normalize(batch["image"])}


def _train(task: Task, batches: Any, rate: float, prepared: _Prepared) -> None:
    seed_everything(0)
    optimizer = torch.optim.SGD(task.parameters(), lr=rate, momentum=MOMENTUM)
    task.train()
    for batch in map(prepared, batches):
        optimizer.zero_grad(set_to_none=True)
        loss = task.losses(task.train_forward(batch), batch)["loss"]
        if not torch.isfinite(loss):
            return
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()


@torch.no_grad()
def _loss(task: Task, batches: Sequence[Batch], prepared: _Prepared) -> float:
    """The mean over the samples."""
    task.eval()
    total, samples = 0.0, 0
    for batch in map(prepared, batches):
        size = _size(batch)
        total += float(task.val_losses(task.train_forward(batch), batch)["loss"]) * size
        samples += size
    return total / samples


def _size(batch: Batch) -> int:
    return len(batch["image"])
