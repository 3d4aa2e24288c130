"""Intermediate tensors of a step."""

# ruff: noqa: ARG002 (hooks take what they are given)
from __future__ import annotations

from typing import Any

import pytest
import torch
from engine_models import Dropping
from small import make_trainer, parameters_of
from torch import Tensor, nn

from plainnet.engine import Hook, watch
from plainnet.engine.loop.step_tensors import StepTensors
from plainnet.engine.loop.trainer import Trainer
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


class InPlace(nn.Module):
    """A convolution in front of an activation that overwrites its input."""

    def __init__(self, *, inplace: bool = True, by_hand: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.act, self.head = nn.Conv2d(1, 4, 3), nn.ReLU(inplace=inplace), nn.Linear(4 * 36, 10)
        self.by_hand = by_hand

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        if self.by_hand:
            x = watch("conv", x)
        out: Tensor = self.head(self.act(x).flatten(1))
        return out


@pytest.mark.parametrize("by_hand", [False, True])
def test_a_tensor_in_front_of_an_in_place_module_is_what_it_was(by_hand: bool) -> None:
    """Values and gradients are those of the network whose activation makes a new tensor, to the last bit."""
    seen: dict[bool, list[Tensor]] = {}
    weights = {}
    for inplace in (True, False):
        trainer = make_trainer(InPlace(inplace=inplace, by_hand=by_hand), epochs=1)
        if not by_hand:
            trainer.tensors.watch_modules(trainer.module, ["conv"])

        class Look(Hook):
            def after_backward(self, trainer: Trainer, batch: Any, output: Any, result: Any) -> None:
                tensor = trainer.tensors["conv"]
                assert tensor.grad is not None
                seen.setdefault(inplace, []).extend([tensor.detach().clone(), tensor.grad.clone()])  # noqa: B023

        trainer.register_hook(Look())
        trainer.fit()
        weights[inplace] = parameters_of(trainer)
    assert float(seen[True][0].min()) < 0
    assert all(map(torch.equal, seen[True], seen[False]))
    assert all(map(torch.equal, weights[True], weights[False]))


def test_watching_changes_nothing() -> None:
    watched = make_trainer(InPlace())
    watched.tensors.watch_modules(watched.module, ["*"])
    plain = make_trainer(InPlace())
    for trainer in (plain, watched):
        trainer.fit()
    assert all(map(torch.equal, parameters_of(plain), parameters_of(watched)))


def test_a_tensor_that_was_changed_all_the_same_is_an_error() -> None:
    tensors = StepTensors()
    tensors.begin()
    x = torch.ones(3)
    watch("x", x)
    x.mul_(2)
    with pytest.raises(UsageError, match=r"the tensor x was changed in place after it was registered: go on with what"):
        _ = tensors["x"]
    tensors.clear()
