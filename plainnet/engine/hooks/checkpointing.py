"""Checkpoints during a run, and the weights that it is all for."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plainnet.engine.checkpoints.checkpoint import prune, save_weights
from plainnet.engine.checkpoints.trainer_state import save_trainer
from plainnet.engine.hooks.hook import Hook
from plainnet.engine.hooks.save_rule import SaveRule
from plainnet.engine.metric_direction import is_made_small, loss_names
from plainnet.engine.tasks.task import Task
from plainnet.errors import UsageError, nearest

if TYPE_CHECKING:
    from plainnet.engine.loop.trainer import Trainer

__all__ = ["CheckpointHook"]

logger = logging.getLogger(__name__)


class CheckpointHook(Hook):
    """Saves the whole state every `every` validations (and every `every_updates` updates), keeps the last `keep`.

    `best.safetensors` and `last.safetensors` in the run folder are the weights alone: of the best validation by the metric
    `best`, and of the last. A validation whose metric is not finite is never the best. rule: a condition that says when weights
    are the best, in place of the metric alone (see `SaveRule`). `describe` gives what their metadata say.
    """

    priority = 90

    def __init__(
        self,
        run: Path,
        *,
        every: int = 1,
        every_updates: int | None = None,
        keep: int = 2,
        best: str = "accuracy",
        mode: str = "auto",
        rule: str | None = None,
        describe: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        self.run, self.folder = run, run / "checkpoints"
        self.every, self.every_updates, self.keep, self.metric = every, every_updates, keep, best
        self.mode = mode
        self.sign = 1.0
        self.rule = None if rule is None else SaveRule(rule)
        self.describe = describe
        self.best: dict[str, Any] = {}
        self.validations = 0
        self.saved_at = (-1, -1)

    def before_run(self, trainer: Trainer) -> None:
        """A run that was taken up is already saved where it is; which way the metric is better follows from the task's losses."""
        is_small = is_made_small(self.metric, mode=self.mode, losses=loss_names(trainer.module))
        self.sign = -1.0 if is_small else 1.0
        self.saved_at = _place(trainer)

    def after_rehearsal(self, trainer: Trainer, train: Mapping[str, float], val: Mapping[str, float] | None) -> None:
        """A metric that nothing will give is told before an epoch is trained for it."""
        values = train if trainer.val_loader is None else val
        if values is not None and not trainer.may_add_metrics:
            self._check_metric(values)

            if self.rule is not None:
                self.rule.check(values, self.metric)

    def after_update(self, trainer: Trainer) -> None:
        """Save inside an epoch."""
        if self.every_updates and trainer.iteration % self.every_updates == 0:
            self.save(trainer)

    def after_epoch(self, trainer: Trainer, train: Mapping[str, float], val: Mapping[str, float]) -> None:
        """Save after a validation, or after the round where there is none."""
        values = val or (train if trainer.val_loader is None else {})
        if not values:
            return
        self.validations += 1
        self._check_metric(values)
        value = values[self.metric]
        if self.rule is None:
            improved = math.isfinite(value) and (not self.best or self.sign * (value - self.best["value"]) > 0)
        else:
            best = self.best.get("value", -self.sign * math.inf)
            improved = math.isfinite(value) and self.rule(values, self.metric, best)
        if improved:
            logger.info("the best so far: %s %.6g", self.metric, value)
            self.best = {"value": value, "round": trainer.rounds, "iteration": trainer.iteration}
        self._save_weights(trainer, values, improved)
        if self.validations % self.every == 0 or trainer.finished:
            self.save(trainer)

    def _check_metric(self, values: Collection[str]) -> None:
        if self.metric not in values:
            near = nearest(self.metric, values)
            hint = f"; did you mean {near}?" if near else ""
            raise UsageError(f"checkpoint.best is {self.metric}, and the metrics are {', '.join(values)}{hint}")

    def after_run(self, trainer: Trainer) -> None:
        """Save where the run was stopped; an error leaves the last good checkpoint as it is."""
        if trainer.stop_reason.startswith(("SIG", "a stop")):
            self.save(trainer)

    def save(self, trainer: Trainer) -> None:
        """Write a checkpoint of now, unless there is one. One of the same update before its validation is replaced."""
        place = _place(trainer)
        if self.saved_at == place:
            return
        self.saved_at = place
        path = save_trainer(trainer, self.folder)
        if path is not None:
            logger.info("saved %s", path.name)
        if trainer.is_main:
            prune(self.folder, self.keep)

    def _save_weights(self, trainer: Trainer, values: Mapping[str, float], improved: bool) -> None:
        module = trainer.evaluated
        weights = (module.deployable() if isinstance(module, Task) else module).state_dict()
        weights = trainer.whole(weights, keep=trainer.is_main)
        if not trainer.is_main:
            return
        metadata = {**self.describe(), "round": str(trainer.rounds), "iteration": str(trainer.iteration)}
        metadata |= {f"metric.{name}": repr(value) for name, value in values.items()}
        save_weights(self.run / "last.safetensors", weights, metadata=metadata)
        if improved:
            save_weights(self.run / "best.safetensors", weights, metadata=metadata)

    def state_dict(self) -> dict[str, Any]:
        """The best so far."""
        return {"best": self.best, "validations": self.validations}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up where `state_dict` left off."""
        self.best, self.validations = dict(state["best"]), state["validations"]


def _place(trainer: Trainer) -> tuple[int, int]:
    return trainer.iteration, trainer.rounds
