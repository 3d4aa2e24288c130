"""Updates: accumulation, clipping, groups, schedules, averages, precision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from engine_models import Dropping
from small import IMAGES, LABELS, make_trainer, parameters_of, task_of
from torch import nn

from plainnet.engine import (
    Hook,
    IterBasedTrainer,
)
from plainnet.engine.checkpoints.trainer_state import load_trainer, save_trainer, trainer_state
from plainnet.engine.hooks.averaging import AveragingHook
from plainnet.engine.loop.schedules import cosine, with_warmup
from plainnet.engine.loop.trainer import Trainer
from plainnet.engine.parameters import matching, parameter_groups
from plainnet.engine.run.build import build_trainer
from plainnet.engine.run.registry import Registry
from plainnet.errors import UsageError


@pytest.mark.parametrize("name", sorted(set(Registry().names("optimizer")) - {"LBFGS", "SparseAdam", "Muon"}))
def test_any_optimizer_of_torch_trains_and_is_taken_up_again(name: str, tmp_path: Path) -> None:
    """All but three: LBFGS takes a closure, SparseAdam sparse gradients, and Muon matrices alone."""

    def trainer_of(iterations: int) -> Any:
        trainer = make_trainer(kind=IterBasedTrainer, iterations=iterations, validate_every=3, shuffle=True)
        trainer.register_optimizer(getattr(torch.optim, name)(trainer.module.parameters(), lr=0.01))
        return trainer

    whole, first, second = trainer_of(6), trainer_of(3), trainer_of(6)
    before = parameters_of(whole)
    for trainer in (whole, first):
        trainer.fit()
    path = save_trainer(first, tmp_path)
    assert path is not None
    load_trainer(second, path)
    second.fit()
    assert all(torch.equal(one, other) for one, other in zip(parameters_of(whole), parameters_of(second), strict=True))
    assert not any(torch.equal(one, other) for one, other in zip(before, parameters_of(whole), strict=True))


def test_an_optimizer_with_a_closure_is_refused() -> None:
    trainer = make_trainer()
    with pytest.raises(UsageError, match=r"LBFGS computes the loss several times in a step"):
        trainer.register_optimizer(torch.optim.LBFGS(trainer.module.parameters()))


@pytest.mark.parametrize("clip", [None, 0.05])
def test_accumulation_equals_the_large_batch(clip: float | None) -> None:
    """50 images in batches of 8, three an update: groups of 24, 24 and 2; against batches of 24."""
    small = make_trainer(batch_size=8, accumulate=3, clip_norm=clip)
    small.fit()
    large = make_trainer(batch_size=24, clip_norm=clip)
    large.fit()
    assert small.iteration == large.iteration == 6
    for one, other in zip(parameters_of(small), parameters_of(large), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-6)
    for one, other in zip(small.history, large.history, strict=True):
        assert one["train"] == pytest.approx(other["train"], abs=1e-6)


class Norms(Hook):
    """Notes the gradient's norm at each update."""

    def __init__(self, *, priority: int) -> None:
        self.priority = priority
        self.norms: list[float] = []

    def optimizer_step(self, trainer: Trainer) -> None:
        gradients = [p.grad.norm() for p in trainer.module.parameters() if p.grad is not None]
        self.norms.append(float(torch.stack(gradients).norm()))


def test_the_gradient_is_clipped() -> None:
    before, after = Norms(priority=49), Norms(priority=51)
    make_trainer(clip_norm=0.01, hooks=[before, after]).fit()
    assert max(after.norms) <= 0.01 + 1e-6 < min(before.norms)


def test_parameter_groups_by_pattern() -> None:
    model = task_of(Dropping())
    groups = parameter_groups(model, [("@norm", {"weight_decay": 0}), (["stem.*"], {"lr": 1.0})])
    sizes = [sum(p.numel() for p in group["params"]) for group in groups]
    assert sizes == [16 * 16 * 10 + 10, 32, 16 * 9 + 16]
    assert [{k: v for k, v in group.items() if k != "params"} for group in groups] == [
        {},
        {"weight_decay": 0},
        {"lr": 1.0},
    ]
    assert matching(model, "@bias") == {"stem.0.bias", "stem.1.bias", "head.bias"}
    with pytest.raises(UsageError, match=r"no parameter matches stem\.0\.wight; did you mean stem\.0\.weight\?"):
        matching(model, "stem.0.wight")


def test_the_moving_average_is_the_formula_and_is_validated() -> None:
    trainer = make_trainer(epochs=1)
    hook = AveragingHook(trainer.module, decay=0.8)
    hook.attach(trainer)
    expected = parameters_of(trainer)

    class Follow(Hook):
        priority = 56

        def optimizer_step(self, trainer: Trainer) -> None:
            for average, now in zip(expected, parameters_of(trainer), strict=True):
                average.copy_(0.8 * average + 0.2 * now)

    trainer.register_hook(Follow())
    (entry,) = trainer.fit()
    for average, own in zip(expected, hook.average.module.parameters(), strict=True):
        torch.testing.assert_close(average, own.detach(), rtol=0, atol=1e-6)
    with torch.no_grad():
        logits = hook.average.module.model(IMAGES)
    assert entry["val"]["accuracy"] == int((logits.argmax(1) == LABELS).sum()) / 50


def test_the_cosine_is_the_formula() -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=2.0)
    scheduler = cosine(optimizer, steps=10, warmup=2, final=0.1)
    rates = []
    for _ in range(11):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert rates[:3] == pytest.approx([2 / 3, 4 / 3, 2.0])
    assert rates[6] == pytest.approx(2 * (0.1 + 0.9 / 2))
    assert rates[10] == pytest.approx(0.2)
    with pytest.raises(UsageError, match=r"a warm-up of 5 steps leaves nothing of 5"):
        cosine(optimizer, steps=5, warmup=5)


def test_any_scheduler_can_be_warmed_up() -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = with_warmup(optimizer, torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.1), warmup=1)
    rates = []
    for _ in range(4):
        rates.append(round(optimizer.param_groups[0]["lr"], 9))
        optimizer.step()
        scheduler.step()
    assert rates == [0.5, 1.0, 1.0, 0.1]


@pytest.mark.parametrize("precision", ["no", "bf16"])
def test_mixed_precision_trains(precision: str) -> None:
    trainer = make_trainer(precision=precision, epochs=3, shuffle=True)
    history = trainer.fit()
    assert history[-1]["train"]["loss"] < history[0]["train"]["loss"]


def test_a_scaled_loss_changes_nothing() -> None:
    """fp16's loss scaling, by a power of two on a CPU: the hooks and the clipping see the gradients as they are."""
    norms = [Norms(priority=20), Norms(priority=20)]
    plain, scaled = (make_trainer(clip_norm=0.5, accumulate=2, hooks=[hook]) for hook in norms)
    scaled.scaler = torch.amp.GradScaler("cpu", init_scale=256.0, growth_interval=3)
    for trainer in (plain, scaled):
        trainer.fit()
    assert norms[0].norms == norms[1].norms
    assert all(torch.equal(one, other) for one, other in zip(parameters_of(plain), parameters_of(scaled), strict=True))
    assert trainer_state(scaled)["scaler"]["scale"] > 256


def test_an_overflow_of_a_scaled_loss_leaves_the_weights() -> None:
    trainer = make_trainer(epochs=1, batch_size=50)
    trainer.register_transform(lambda batch: {**batch, "image": 1000 * batch["image"]})
    trainer.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**127)
    before = parameters_of(trainer)
    trainer.fit()
    assert all(torch.equal(one, other) for one, other in zip(before, parameters_of(trainer), strict=True))
    assert trainer.scaler.get_scale() == 2.0**126


@pytest.mark.parametrize(
    ("options", "rates"),
    [
        (("schedule.warmup=0.5", "schedule.per=epoch"), [1 / 1.5]),  # no part of an epoch is dropped
        (("schedule.warmup=1.5", "schedule.per=epoch"), [1 / 2.5, 2 / 2.5]),
        (("schedule.warmup=2", "schedule.per=epoch"), [1 / 3, 2 / 3, 1.0]),
        (("schedule.warmup=0.5", "schedule.per=iteration"), [1 / 13, 2 / 13]),  # 12 of 23 updates
        (("schedule.warmup=1.5", "train={by: iteration, iterations: 9}"), [1 / 2.5, 2 / 2.5]),
        (("schedule={type: StepLR, step_size: 50, warmup: 0.5, per: epoch}",), [1 / 1.5, 1.0]),
    ],
)
def test_a_warm_up_is_as_long_as_it_says(configured: Any, options: tuple[str, ...], rates: list[float]) -> None:
    first = ("optim.lr=1.0", "train.epochs=4", "schedule={_delete_: true, type: cosine}")
    trainer = build_trainer(configured(*first, *options), Registry()).trainer
    found = []
    for _ in rates:
        found += trainer.learning_rates()[:1]
        trainer.optimizer.step()
        trainer.scheduler_step()
    assert found == pytest.approx(rates)


def test_a_warm_up_of_less_than_half_an_update_is_refused(configured: Any) -> None:
    with pytest.raises(UsageError, match=r"schedule.warmup is 0.02 epochs, which is less than half an update of 23"):
        build_trainer(configured("schedule.warmup=0.02"), Registry())
