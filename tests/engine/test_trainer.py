"""Trainers as a whole: what they need, what stops them, what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from engine_models import Plain
from small import IMAGES, LABELS, SAMPLES, make_trainer, parameters_of
from torch import Tensor, nn

from plainnet.engine import (
    EpochBasedTrainer,
    IterBasedTrainer,
    Loader,
)
from plainnet.engine.run.build import build_trainer
from plainnet.engine.run.registry import Registry
from plainnet.errors import RunError, UsageError


def test_pieces_that_are_missing_are_named() -> None:
    with pytest.raises(UsageError, match=r"register a model and an optimizer and training batches"):
        EpochBasedTrainer(epochs=1, device="cpu").fit()
    with pytest.raises(UsageError, match=r"device is 'gpu'; accepted"):
        EpochBasedTrainer(epochs=1, device="gpu")
    trainer = EpochBasedTrainer(epochs=1, device="cpu")
    model = Plain()
    trainer.register_model(model)
    trainer.register_optimizer(torch.optim.SGD(model.parameters(), lr=0.1))
    trainer.register_loader(Loader(SAMPLES, batch_size=8, shuffle=True))
    with pytest.raises(UsageError, match=r"needs a train_step: Plain is no Task"):
        trainer.fit()
    with pytest.raises(UsageError, match=r"no validation data"):
        trainer.validate()


def test_validation_is_exact_with_an_uneven_last_batch() -> None:
    trainer = make_trainer()
    summary = trainer.validate()
    with torch.no_grad():
        logits = trainer.module.model(IMAGES)
    assert summary["accuracy"] == int((logits.argmax(1) == LABELS).sum()) / 50
    assert summary["loss"] == pytest.approx(float(nn.functional.cross_entropy(logits.double(), LABELS)), abs=1e-6)


def test_a_loss_that_is_no_number_stops_with_the_learning_rate() -> None:
    trainer = make_trainer(lr=1e38, log_every=1)
    with pytest.raises(RunError, match=r"the loss is (nan|inf) after \d+ updates \(learning rate 1e\+38\): lower"):
        trainer.fit()


def test_a_loss_that_is_no_number_from_the_first_on_is_not_put_down_to_the_learning_rate() -> None:
    trainer = make_trainer(log_every=1)
    trainer.register_transform(lambda batch: {**batch, "image": batch["image"] / 0})
    with pytest.raises(RunError, match=r"the loss of the first batch is nan, .* look at the data and the loss"):
        trainer.fit()
    assert trainer.iteration == 0


def test_debug_mode_finds_the_operation_that_made_a_nan() -> None:
    class Bad(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(64, 10)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.head(x.flatten(1))
            return torch.sqrt(out - out)

    trainer = make_trainer(Bad(), debug=True)
    warned = pytest.warns(UserWarning, match=r"Error detected in AddmmBackward0")
    with pytest.raises(RuntimeError, match=r"returned nan values"), warned:
        trainer.fit()


def test_a_trainer_from_a_configuration_is_the_same_each_time(configured: Callable[..., Any]) -> None:
    runs = []
    for _ in range(2):
        trainer = build_trainer(configured("data.mixup=0.2"), Registry()).trainer
        trainer.fit()
        runs.append(parameters_of(trainer))
    assert all(torch.equal(one, other) for one, other in zip(*runs, strict=True))


def test_another_seed_gives_another_network(trained: Callable[..., Any]) -> None:
    assert trained("seed=1", run="a").metrics != trained("seed=2", run="b").metrics


def test_processes_that_cannot_join_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or else each would train alone, and all of them would write to the same folder."""
    from accelerate import Accelerator

    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(Accelerator, "__init__", lambda *_, **__: None)
    monkeypatch.setattr(Accelerator, "device", torch.device("cpu"))
    monkeypatch.setattr(Accelerator, "num_processes", 1)
    with pytest.raises(UsageError, match=r"2 processes were started, and they cannot work together on device auto"):
        EpochBasedTrainer(epochs=1)


def test_a_precision_that_the_device_has_not_is_refused() -> None:
    with pytest.raises(UsageError, match=r"precision is fp16, which needs a GPU"):
        make_trainer(precision="fp16")


def test_other_ways_to_share_the_work_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from accelerate import Accelerator, DistributedType

    monkeypatch.setattr(Accelerator, "distributed_type", DistributedType.DEEPSPEED)
    with pytest.raises(UsageError, match=r"trains with data parallelism \(DDP, FSDP\), not with DEEPSPEED"):
        make_trainer()


@pytest.mark.parametrize("workers", [0, 1])
def test_one_loader_can_be_both(workers: int) -> None:
    """A validation within an epoch goes through the data from their beginning, and training goes on where it was."""
    trainer = make_trainer(kind=IterBasedTrainer, iterations=9, validate_every=2)
    loader = Loader(SAMPLES, batch_size=8, shuffle=True, workers=workers)
    trainer.register_loader(loader, loader)
    other = make_trainer(kind=IterBasedTrainer, iterations=9, validate_every=2, shuffle=True)
    for each in (trainer, other):
        each.fit()
    assert all(map(torch.equal, parameters_of(trainer), parameters_of(other)))
    assert trainer.history[-1]["val"] == pytest.approx(other.history[-1]["val"], abs=1e-6)
