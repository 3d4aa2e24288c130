"""What is not trained for a while."""

# ruff: noqa: ARG002 (hooks take what they are given)
from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from engine_models import Dropping
from small import make_trainer

from plainnet.engine import (
    Hook,
)
from plainnet.engine.hooks.freezing import FreezingHook
from plainnet.engine.trainer import Trainer


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
