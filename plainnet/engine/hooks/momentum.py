"""The optimizer's momentum over a run."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

from plainnet.engine.hooks.hook import Hook
from plainnet.errors import UsageError

if TYPE_CHECKING:
    from plainnet.engine.loop.trainer import Trainer

__all__ = ["MomentumSchedule"]


class MomentumSchedule(Hook):
    """Moves the momentum of all groups (the first of Adam's betas) from `start` to `end` over the first `over` epochs, or updates
    with an `IterBasedTrainer`; then it stays. shape: "linear", or "cosine", start + (end - start) (1 - cos(pi t)) / 2.

    It depends on the place in the run alone, so that a run that is taken up goes on with it.
    """

    priority = 40  # before the update

    def __init__(self, *, start: float, end: float, over: float, shape: Literal["linear", "cosine"] = "linear") -> None:
        if not (0 <= start < 1 and 0 <= end < 1) or not over > 0:
            raise UsageError(f"start {start}, end {end}, over {over}; accepted: from 0 to below 1, and above 0")
        if shape not in ("linear", "cosine"):
            raise UsageError(f"shape is {shape!r}; accepted: linear, cosine")
        self.start, self.end, self.over, self.shape = start, end, over, shape

    def before_run(self, trainer: Trainer) -> None:
        """An optimizer without momentum is refused."""
        kind = type(trainer.optimizer).__name__
        for group in trainer.optimizer.param_groups:
            if "momentum" not in group and "betas" not in group:
                raise UsageError(f"MomentumSchedule changes momentum, or the first of betas, and {kind} has neither")

    def at(self, place: float) -> float:
        """The momentum at a place of the run."""
        t = min(1.0, place / self.over)
        if self.shape == "cosine":
            t = (1 - math.cos(math.pi * t)) / 2
        return self.start + (self.end - self.start) * t

    def optimizer_step(self, trainer: Trainer) -> None:
        """Set it for the update."""
        momentum = self.at(_place(trainer))
        for group in trainer.optimizer.param_groups:
            if "betas" in group:
                group["betas"] = (momentum, *group["betas"][1:])
            else:
                group["momentum"] = momentum
        if trainer.logs_now:
            trainer.extras["momentum"] = momentum


def _place(trainer: Any) -> float:
    """How far the run is before this update, in epochs, or in updates where it counts these."""
    if hasattr(trainer, "iterations"):
        return float(trainer.iteration)
    first = trainer.batch // trainer.accumulate * trainer.accumulate
    return float(trainer.epoch + first / len(trainer.train_loader))
