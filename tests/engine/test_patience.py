"""Runs that end early, rates that fall, and parameters that are found by expressions and get multiples."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from small import make_trainer

from plainnet.engine.checkpoints.trainer_state import load_trainer, save_trainer
from plainnet.engine.hooks.checkpointing import CheckpointHook
from plainnet.engine.hooks.patience import EarlyStopping, ReduceOnPlateau
from plainnet.engine.loop.schedules import constant, cosine
from plainnet.engine.loop.trainers import IterBasedTrainer
from plainnet.engine.metric_direction import is_made_small
from plainnet.engine.parameters import matching, with_multiples
from plainnet.engine.tasks.losses import CrossEntropy, NamedLoss
from plainnet.errors import UsageError


def scripted(trainer: Any, values: list[float]) -> Any:
    """A trainer whose accuracy is what a list says, validation by validation."""
    said = iter(values)
    trainer.validate = lambda: {"accuracy": next(said), "loss": 1.0}
    return trainer


CASES = [
    ([0.1, 0.2, 0.2, 0.2, 0.9], 2, 0.0, 4),
    ([0.1, 0.2, 0.2, 0.3, 0.3], 2, 0.0, 5),
    ([0.5, 0.55, 0.59, 0.9, 0.9], 2, 0.1, 3),
    ([math.nan, math.nan, 0.1, 0.2, 0.3], 2, 0.0, 2),
    ([0.1, 0.2, 0.3, 0.4, 0.5], 1, 0.0, 5),
]


@pytest.mark.parametrize(("values", "patience", "least", "epochs"), CASES)
def test_a_run_ends_when_patience_is_over(values: list[float], patience: int, least: float, epochs: int) -> None:
    trainer = scripted(make_trainer(epochs=5), values)
    trainer.register_hook(EarlyStopping(patience=patience, least=least))
    trainer.fit()
    assert trainer.epoch == epochs
    assert trainer.finished
    assert bool(trainer.ended) == (epochs < 5)
    assert trainer.stop_reason == ""


def test_iterations_end_early_too() -> None:
    trainer = scripted(make_trainer(kind=IterBasedTrainer, iterations=35, validate_every=5), [0.5, 0.4, 0.3, 0.9])
    trainer.register_hook(EarlyStopping(patience=2))
    trainer.fit()
    assert (trainer.iteration, trainer.finished) == (15, True)


def test_an_ended_run_goes_on_with_more_patience_alone(tmp_path: Any) -> None:
    values = [0.5, 0.4, 0.3, 0.2, 0.1, 0.0]
    trainer = scripted(make_trainer(epochs=6), values)
    trainer.register_hook(EarlyStopping(patience=2))
    trainer.fit()
    assert trainer.epoch == 3
    save_trainer(trainer, tmp_path)
    for patience, epochs in ((2, 3), (4, 5)):
        again = scripted(make_trainer(epochs=6), values[3:])
        again.register_hook(EarlyStopping(patience=patience))
        load_trainer(again, next(tmp_path.glob("*")))
        again.fit()
        assert again.epoch == epochs
    assert again.ended == "accuracy was not better than 0.5 in 4 validations"


@pytest.mark.parametrize("schedule", [None, constant, cosine])
def test_rates_fall_by_their_factor(schedule: Any) -> None:
    def rates(hook: Any) -> list[float]:
        trainer = scripted(make_trainer(epochs=6), [0.5, 0.4, 0.4, 0.4, 0.4, 0.9])
        if schedule is not None:
            trainer.register_scheduler(schedule(trainer.optimizer, steps=6))
        seen: list[float] = []
        trainer.before_train_epoch = lambda: seen.append(trainer.optimizer.param_groups[0]["lr"])
        if hook is not None:
            trainer.register_hook(hook)
        trainer.fit()
        return seen

    plain, lowered = rates(None), rates(ReduceOnPlateau(factor=0.5, patience=2))
    assert lowered == pytest.approx(
        [rate * share for rate, share in zip(plain, [1, 1, 1, 0.5, 0.5, 0.25], strict=True)]
    )
    if schedule is not cosine:
        floor = rates(ReduceOnPlateau(factor=0.5, patience=1, lowest=0.03))
        assert floor == pytest.approx([0.1, 0.1, 0.05, 0.03, 0.03, 0.03])


def test_a_schedule_that_cannot_be_lowered_and_a_metric_that_is_none_are_told() -> None:
    trainer = make_trainer()
    trainer.register_scheduler(torch.optim.lr_scheduler.StepLR(trainer.optimizer, 1))
    trainer.register_hook(ReduceOnPlateau())
    with pytest.raises(UsageError, match="this one is StepLR"):
        trainer.fit()
    trainer = make_trainer()
    trainer.register_hook(EarlyStopping(metric="acuracy"))
    with pytest.raises(UsageError, match=r"EarlyStopping watches acuracy, .*did you mean accuracy"):
        trainer.fit()
    for wrong in ({"patience": 0}, {"least": -1}, {"mode": "up"}, {"factor": 1.0}):
        with pytest.raises(UsageError, match="accepted"):
            ReduceOnPlateau(**wrong)  # type: ignore[arg-type]


def test_expressions_and_multiples() -> None:
    model = make_trainer().module
    everything = matching(model, "*")
    assert matching(model, r"re:.*\.(weight|bias)") == {
        name for name in everything if name.endswith(("weight", "bias"))
    }
    with pytest.raises(UsageError, match=r"no parameter matches re:weight"):
        matching(model, "re:weight")  # a whole name
    with pytest.raises(UsageError, match=r"^the pattern re:\(: missing \)"):
        matching(model, "re:(")
    common = {"lr": 0.1, "weight_decay": 0.01}
    assert with_multiples({"lr_mult": 0.5, "decay_mult": 0, "momentum": 0}, common) == {
        "lr": 0.05,
        "weight_decay": 0.0,
        "momentum": 0,
    }
    for wrong in ({"lr_mult": "a"}, {"lr_mult": -1}, {"lr_mult": 1, "lr": 2}):
        with pytest.raises(UsageError, match="lr_mult"):
            with_multiples(wrong, common)
    with pytest.raises(UsageError, match=r"optim.weight_decay is None"):
        with_multiples({"decay_mult": 1}, {"lr": 0.1})


@pytest.mark.parametrize(
    ("metric", "mode", "losses", "small"),
    [
        ("loss", "auto", (), True),
        ("BoxLoss", "auto", (), True),
        ("CrossEntropy", "auto", ("CrossEntropy", "Dice"), True),
        ("CrossEntropy", "auto", (), False),
        ("accuracy", "auto", ("CrossEntropy",), False),
        ("accuracy", "min", (), True),
        ("loss", "max", ("loss",), False),
    ],
)
def test_every_loss_is_made_small(metric: str, mode: str, losses: tuple[str, ...], small: bool) -> None:
    assert is_made_small(metric, mode=mode, losses=losses) == small


def test_the_best_weights_by_one_of_several_losses_are_those_of_its_smallest_value(tmp_path: Path) -> None:
    trainer = make_trainer(epochs=3)
    trainer.module.named_losses = [NamedLoss(name, CrossEntropy()) for name in ("CrossEntropy", "again")]
    values = iter([0.5, 0.3, 0.4])
    trainer.validate = lambda: {"CrossEntropy": next(values), "accuracy": 0.5}
    saver = CheckpointHook(tmp_path, best="CrossEntropy")
    watched = EarlyStopping(metric="CrossEntropy", patience=5)
    trainer.register_hook(saver)
    trainer.register_hook(watched)
    trainer.fit()
    assert saver.best == {"value": 0.3, "round": 2, "iteration": 14}
    assert watched.best == 0.3
