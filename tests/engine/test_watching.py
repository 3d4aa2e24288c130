"""Intermediate tensors of a step."""

# ruff: noqa: ARG002 (hooks take what they are given)
from __future__ import annotations

from typing import Any

import pytest
import torch
from engine_models import Dropping
from small import make_trainer

from plainnet.engine import (
    Hook,
)
from plainnet.engine.trainer import Trainer
from plainnet.errors import UsageError


def test_intermediate_tensors_have_gradients_during_a_step_and_are_gone_after_it() -> None:
    seen: list[tuple[torch.Size, float]] = []

    class Look(Hook):
        def after_backward(self, trainer: Trainer, batch: Any, output: Any, result: Any) -> None:
            gradient = trainer.tensors["stem"].grad
            assert gradient is not None
            seen.append((gradient.shape, float(gradient.abs().sum())))
            with pytest.raises(UsageError, match=r"no tensor stam was registered in this step; did you mean stem"):
                _ = trainer.tensors["stam"]

        def after_update(self, trainer: Trainer) -> None:
            assert len(trainer.tensors) == 0

    torch.manual_seed(0)
    trainer = make_trainer(Dropping(), epochs=1, hooks=[Look()])
    trainer.fit()
    assert seen[0][0] == (8, 16, 4, 4)
    assert all(total > 0 for _, total in seen)
    trainer.validate()
    assert len(trainer.tensors) == 0


def test_modules_are_watched_by_pattern() -> None:
    trainer = make_trainer(epochs=1)
    handles = trainer.tensors.watch_modules(trainer.module, ["conv"])
    names = []

    class Look(Hook):
        def after_backward(self, trainer: Trainer, batch: Any, output: Any, result: Any) -> None:
            names.extend(trainer.tensors)

    trainer.register_hook(Look())
    trainer.fit()
    assert set(names) == {"conv"}
    for handle in handles:
        handle.remove()
    with pytest.raises(UsageError, match=r"no module matches cnv; did you mean"):
        trainer.tensors.watch_modules(trainer.module, ["cnv"])
