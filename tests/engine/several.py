"""What a training computes, as numbers that can be compared between one process and several; a script for launchers as well.

python several.py FILE: the first process writes the numbers to FILE.
"""

# ruff: noqa: ARG002 (hooks and evaluators take what they are given)
from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from small import IMAGES, LABELS, task_of
from test_samples import Clouds, Counting, PointNet, Points, dropping, said
from torch import Tensor, nn

from plainnet.engine import AUC, F1, ConfusionMatrix, EpochBasedTrainer, Hook, Loader, TensorSamples
from plainnet.engine.data.source import MapSamples
from plainnet.engine.evaluators.evaluator import Evaluator
from plainnet.errors import UsageError

SAMPLES = TensorSamples(IMAGES.double(), LABELS)


class OwnNorm(nn.BatchNorm2d):
    """A subclass that computes as its base does."""


class OtherNorm(nn.BatchNorm2d):
    """A subclass that computes in its own way."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + 1


class AllNorms(nn.Module):
    """Batch norms over one, two and three dimensions, in float64, where rounding stays rounding."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.two, self.plain = nn.Conv2d(1, 4, 3), OwnNorm(4), nn.BatchNorm2d(4, momentum=None)
        self.three, self.one = nn.BatchNorm3d(2, affine=False), nn.BatchNorm1d(4)
        self.head = nn.Linear(4 * 36, 10)
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        x = self.plain(torch.tanh(self.two(self.conv(x))))
        x = torch.tanh(self.three(x.view(-1, 2, 2, 6, 6)))
        out: Tensor = self.head(self.one(x.reshape(-1, 4, 36)).flatten(1))
        return out


class Order(Evaluator):
    """Tells the order in which samples come, and how many."""

    name = "order"

    def update(self, outputs: Any, batch: Any) -> None:
        self.keep("label", batch["label"])

    def compute(self) -> Tensor:
        return torch.stack([self.kept("label"), self.kept("label")])


class Lines(Hook):
    """What the log would hold."""

    def __init__(self) -> None:
        self.lines: list[dict[str, float]] = []

    def log(self, trainer: Any, result: Any) -> None:
        self.lines.append(dict(result))


def trained(*, accumulate: int = 1, **options: Any) -> dict[str, Any]:
    """Batches of 7 of 50 images: the last holds one image, fewer than there are processes. Validation: the same."""
    lines = Lines()
    trainer = EpochBasedTrainer(epochs=2, device="cpu", accumulate=accumulate, log_every=1, hooks=[lines], **options)
    task = task_of(AllNorms())
    trainer.register_model(task)
    trainer.register_optimizer(torch.optim.SGD(task.parameters(), lr=0.05, momentum=0.9))
    trainer.register_loader(Loader(SAMPLES, batch_size=7, shuffle=True), Loader(SAMPLES, batch_size=7, shuffle=False))
    for evaluator in (F1(), AUC(), ConfusionMatrix(), Order()):
        trainer.register_evaluator(evaluator)
    history = trainer.fit()
    with torch.no_grad():
        logits = task.eval()({"image": IMAGES.double()})["logits"]
        alone = float(nn.functional.cross_entropy(logits, LABELS))
    weights = [value for tensor in task.state_dict().values() for value in tensor.double().flatten().tolist()]
    return {
        "updates": trainer.iteration,
        "history": [{**entry["train"], **{f"val/{k}": v for k, v in entry["val"].items()}} for entry in history],
        "lines": lines.lines,
        "weights": weights,
        "tables": trainer.tables,
        "alone": alone,
    }


def clouds(kind: Any, collate: Any) -> dict[str, Any]:
    """Point clouds, some of which are dropped: not all of a batch of 6 come."""
    trainer = kind(epochs=1, device="cpu", accumulate=2)
    model = PointNet()
    trainer.register_model(model)
    trainer.register_optimizer(torch.optim.SGD(model.parameters(), lr=0.5))
    samples = MapSamples(Clouds(), collate)
    trainer.register_loader(Loader(samples, batch_size=6, shuffle=False), Loader(samples, batch_size=6, shuffle=False))
    (entry,) = trainer.fit()
    return {"weights": [value for p in model.parameters() for value in p.flatten().tolist()], **entry["val"]}


def refused() -> str:
    """What is said of a batch norm that cannot be synchronised."""
    try:
        EpochBasedTrainer(epochs=1, device="cpu").register_model(nn.Sequential(OtherNorm(3)))
    except UsageError as error:
        return str(error)
    return ""


def everything() -> dict[str, Any]:
    return {
        "plain": trained(),
        "accumulated": trained(accumulate=3),
        "windowed": trained(log_window=4),
        "own statistics": trained(sync_batch_norm=False),
        "said": clouds(Points, said),
        "counted": clouds(Counting, dropping),
        "refused": refused(),
    }


def main() -> None:
    found = everything()
    if not torch.distributed.is_initialized() or torch.distributed.get_rank() == 0:
        Path(sys.argv[1]).write_text(json.dumps(found))
    if torch.distributed.is_initialized():
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
