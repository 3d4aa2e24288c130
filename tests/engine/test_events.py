"""The events of a run, and the hooks and subclasses that take part in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from engine_models import Plain
from small import IMAGES, LABELS, make_trainer
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from plainnet.engine import (
    EpochBasedTrainer,
    Hook,
    IterBasedTrainer,
    Ratio,
)
from plainnet.engine.hooks.event_calls import Events
from plainnet.errors import UsageError


class Recorder(Hook):
    """Notes every event."""

    def __init__(self, name: str, priority: int, notes: list[str]) -> None:
        self.name, self.priority, self.notes = name, priority, notes


def _noting(event: str) -> Callable[..., None]:
    def note(self: Recorder, *_: Any) -> None:
        self.notes.append(f"{self.name}{event}")

    return note


for _event in (
    "before_train_epoch",
    "before_train_step",
    "train_step",
    "after_backward",
    "optimizer_step",
    "after_train_step",
    "log",
    "scheduler_step",
    "after_train_epoch",
    "before_val_epoch",
    "before_val_step",
    "val_step",
    "after_val_step",
    "after_val_epoch",
):
    setattr(Recorder, _event, _noting(_event))


def test_the_events_come_in_their_order() -> None:
    notes: list[str] = []
    trainer = make_trainer(batch_size=25, epochs=1, log_every=1, hooks=[Recorder("", 60, notes)])
    trainer.register_scheduler(torch.optim.lr_scheduler.StepLR(trainer.optimizer, 1))
    trainer.fit()
    step = ["before_train_step", "train_step", "after_backward", "optimizer_step", "after_train_step", "log"]
    val = ["before_val_step", "val_step", "after_val_step"]
    assert notes == [
        "before_train_epoch",
        *step * 2,
        "scheduler_step",
        "after_train_epoch",
        "before_val_epoch",
        *val * 4,
        "after_val_epoch",
    ]


def test_the_learning_rate_per_iteration_changes_after_each_update() -> None:
    notes: list[str] = []
    trainer = make_trainer(kind=IterBasedTrainer, iterations=3, validate_every=2, hooks=[Recorder("", 60, notes)])
    trainer.register_scheduler(torch.optim.lr_scheduler.StepLR(trainer.optimizer, 1, gamma=0.5))
    history = trainer.fit()
    assert notes.count("scheduler_step") == 3
    assert [entry["iteration"] for entry in history] == [2, 3]
    assert trainer.learning_rates() == [0.0125]


def test_hooks_run_by_priority_around_the_trainers_own_method() -> None:
    notes: list[str] = []

    class Own(EpochBasedTrainer):
        def before_train_epoch(self) -> None:
            notes.append("own")

    trainer = make_trainer(kind=Own, epochs=1)
    for name, priority in (("late ", 80), ("early ", 10), ("middle ", 50)):
        trainer.register_hook(Recorder(name, priority, notes))
    trainer.fit()
    assert [note for note in notes if "epoch" in note or note == "own"][:4] == [
        "early before_train_epoch",
        "own",
        "middle before_train_epoch",
        "late before_train_epoch",
    ]


def test_a_misspelt_event_is_an_error() -> None:
    class Typo(Hook):
        def after_trian_step(self, *_: Any) -> None: ...

    with pytest.raises(UsageError, match=r"Typo\.after_trian_step is no event; did you mean after_train_step\?"):
        make_trainer(hooks=[Typo()]).fit()


def test_hooks_that_do_nothing_cost_nothing() -> None:
    trainer = make_trainer(hooks=[Hook()])
    assert all(before == () and after == () for before, _, after in Events(trainer, trainer.hooks).calls.values())


def test_a_subclass_writes_its_own_steps() -> None:
    class Mine(EpochBasedTrainer):
        def train_step(self, batch: Any) -> Any:
            logits = self.model(batch["image"])  # type: ignore[misc]
            return {"logits": logits}, {"loss": nn.functional.cross_entropy(logits, batch["label"]), "seen": 1.0}

    torch.manual_seed(0)
    model = Plain()
    trainer = Mine(epochs=1, device="cpu")
    trainer.register_model(model)
    trainer.register_optimizer(torch.optim.SGD(model.parameters(), lr=0.1))
    trainer.register_loader(DataLoader(TensorDataset(IMAGES, LABELS), batch_size=8, shuffle=True), None)
    (entry,) = trainer.fit()
    assert set(entry["train"]) == {"loss", "seen"}
    assert entry["train"]["seen"] == 1.0


def test_a_subclass_validates_in_its_own_way() -> None:
    class Mine(EpochBasedTrainer):
        def val_step(self, batch: Any) -> Any:
            logits = self.evaluated.model(batch["image"])  # type: ignore[operator,union-attr]
            return {"logits": logits}, {"largest": logits.max(), "images": Ratio(float(len(logits)), 1)}

    trainer = make_trainer(kind=Mine, epochs=1)
    (entry,) = trainer.fit()
    with torch.no_grad():
        logits = trainer.module.model(IMAGES)
    largest = [float(part.max()) for part in logits.split(16)]
    expected = sum(value * size for value, size in zip(largest, (16, 16, 16, 2), strict=True)) / 50
    assert entry["val"] == pytest.approx({"largest": expected, "images": 50 / 4}, abs=1e-6)
