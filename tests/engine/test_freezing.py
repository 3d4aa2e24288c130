"""What is not trained for a while."""

# ruff: noqa: ARG002 (hooks take what they are given)
from __future__ import annotations

import copy
from collections.abc import Mapping

import pytest
import torch
from engine_models import Dropping
from small import make_trainer

from plainnet.engine import (
    Hook,
)
from plainnet.engine.hooks.averaging import AveragingHook
from plainnet.engine.hooks.freezing import FreezingHook
from plainnet.engine.loop.trainer import Trainer


def test_frozen_parameters_stay_until_their_epoch() -> None:
    torch.manual_seed(0)
    model = Dropping()
    trainer = make_trainer(model, epochs=2)
    trainer.register_hook(FreezingHook("stem.*", until=1))
    before = copy.deepcopy(model.state_dict())
    moved: list[set[str]] = []

    class Compare(Hook):
        def after_train_epoch(self, trainer: Trainer, summary: Mapping[str, float]) -> None:
            now = model.state_dict()
            moved.append({name for name in before if not torch.equal(before[name], now[name])})

    trainer.register_hook(Compare())
    trainer.fit()
    assert moved[0] == {"head.weight", "head.bias"}
    assert moved[1] == set(before)


@pytest.mark.parametrize("averaged", [False, True])
def test_a_validation_within_training_leaves_frozen_norms_frozen(averaged: bool) -> None:
    """`validate()` in a hook: every module is in the mode that it was in, and a run with it is one without."""

    class Validate(Hook):
        def after_update(self, trainer: Trainer) -> None:
            before = [module.training for module in trainer.module.modules()]
            assert not trainer.module.model.stem[1].training  # type: ignore[union-attr,index]
            assert trainer.validate()["accuracy"] >= 0
            assert [module.training for module in trainer.module.modules()] == before

    states = []
    for hooks in ([Validate()], []):
        torch.manual_seed(0)
        model = Dropping()
        trainer = make_trainer(model, epochs=2, hooks=hooks)
        if averaged:
            AveragingHook(trainer.module, decay=0.8).attach(trainer)
        trainer.register_hook(FreezingHook("stem.*"))
        trainer.fit()
        states.append(model.state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert float(states[0]["stem.1.running_mean"].abs().max()) == 0


def test_a_norm_that_two_hooks_freeze_together_keeps_its_statistics() -> None:
    torch.manual_seed(0)
    model = Dropping()
    hooks = [FreezingHook("stem.1.weight"), FreezingHook("stem.1.bias", until=1)]
    trainer = make_trainer(model, epochs=2, hooks=hooks)
    means = []

    class Look(Hook):
        def after_train_epoch(self, trainer: Trainer, summary: Mapping[str, float]) -> None:
            means.append(float(model.stem[1].running_mean.abs().max()))  # type: ignore[union-attr,operator]

    trainer.register_hook(Look())
    trainer.fit()
    assert means[0] == 0 < means[1]
