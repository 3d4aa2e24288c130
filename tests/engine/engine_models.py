"""Models, tasks and hooks that configurations of the tests name by import path."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from plainnet import PlainNet
from plainnet.engine import Hook, watch

if TYPE_CHECKING:
    from plainnet.engine.loop.trainer import Trainer


class Dropping(nn.Module):
    """A network whose training draws from torch's global generator."""

    def __init__(self, *, width: int = 16, classes: int = 10) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, width, 3, stride=2, padding=1), nn.BatchNorm2d(width), nn.ReLU())
        self.drop = nn.Dropout(0.3)
        self.head = nn.Linear(width * 16, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = watch("stem", self.stem(x))
        out: Tensor = self.head(self.drop(x.flatten(1)))
        return out


class Plain(nn.Module):
    """A network without batch norm, whose gradient of a batch is the mean of its images' gradients."""

    def __init__(self, *, classes: int = 10) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 3)
        self.head = nn.Linear(8 * 36, classes)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(torch.tanh(self.conv(x)).flatten(1))
        return out


class Double(nn.Module):
    """A PlainNet in float64, in which training does not blow rounding up to something that can be seen."""

    def __init__(self, *, structure: str, classes: int = 10) -> None:
        super().__init__()
        self.net = PlainNet(structure, num_classes=classes, in_channels=1).double()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.net(x.double())
        return out


class StopAfter(Hook):
    """Stops a run after so many updates, as Ctrl-C does."""

    def __init__(self, *, updates: int) -> None:
        self.updates = updates

    def after_update(self, trainer: Trainer) -> None:
        if trainer.iteration == self.updates:
            trainer.signal.name = "SIGINT"


class SetOption(Hook):
    """Changes an option of the optimizer after so many updates."""

    def __init__(self, *, updates: int, option: str, value: float) -> None:
        self.updates, self.option, self.value = updates, option, value

    def after_update(self, trainer: Trainer) -> None:
        if trainer.iteration == self.updates:
            for group in trainer.optimizer.param_groups:
                group[self.option] = self.value
                group["initial_lr"] = self.value if self.option == "lr" else group["initial_lr"]
            if self.option == "lr":
                trainer.scheduler.base_lrs = [self.value]  # type: ignore[union-attr]


class FailAfter(Hook):
    """Breaks a run off."""

    def __init__(self, *, updates: int) -> None:
        self.updates = updates

    def after_train_step(self, trainer: Trainer, batch: Any, output: Any, result: Mapping[str, Any]) -> None:  # noqa: ARG002
        if trainer.iteration == self.updates:
            raise ZeroDivisionError("the test divides by zero")


class LogNotFinite(Hook):
    """Logs what is no number."""

    def after_train_step(self, trainer: Trainer, batch: Any, output: Any, result: Mapping[str, Any]) -> None:  # noqa: ARG002
        trainer.extras |= {"odd/nan": float("nan"), "odd/inf": float("-inf")}


class KillAt(Hook):
    """SIGKILL after so many updates, in every process."""

    def __init__(self, *, updates: int) -> None:
        self.updates = updates

    def after_update(self, trainer: Trainer) -> None:
        if trainer.iteration == self.updates:
            os.kill(os.getpid(), signal.SIGKILL)


class FailInProcess(Hook):
    """Breaks the run off in one of several processes."""

    def __init__(self, *, updates: int, process: int) -> None:
        self.updates, self.process = updates, process

    def after_train_step(self, trainer: Trainer, batch: Any, output: Any, result: Mapping[str, Any]) -> None:  # noqa: ARG002
        if trainer.rank == self.process and trainer.iteration == self.updates:
            raise ZeroDivisionError(f"process {self.process} divides by zero")


class KillProcess(Hook):
    """SIGKILL to one of several processes."""

    def __init__(self, *, updates: int, process: int) -> None:
        self.updates, self.process = updates, process

    def after_update(self, trainer: Trainer) -> None:
        if trainer.rank == self.process and trainer.iteration == self.updates:
            os.kill(os.getpid(), signal.SIGKILL)


class LocalShare(Hook):
    """Logs the share of the weights and of the optimizer's state that this process holds."""

    priority = 20

    def optimizer_step(self, trainer: Trainer) -> None:
        parameters = list(trainer.module.parameters())
        momenta = [state["momentum_buffer"] for state in trainer.optimizer.state.values()]
        for name, tensors in (("weights", parameters), ("momenta", momenta)):
            held = sum(local(tensor).numel() for tensor in tensors)
            trainer.extras[f"share/{name}"] = held / max(1, sum(tensor.numel() for tensor in tensors))


def local(tensor: Any) -> Tensor:
    """What this process holds of a tensor."""
    part: Tensor = tensor.to_local() if hasattr(tensor, "to_local") else tensor
    return part
