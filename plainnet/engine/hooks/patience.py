"""What happens when a metric no longer gets better: the run ends early, or its learning rate falls."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from torch.optim.lr_scheduler import LambdaLR

from plainnet.engine.counts import check_counts
from plainnet.engine.hooks.hook import Hook
from plainnet.engine.metric_direction import is_made_small, loss_names
from plainnet.errors import UsageError, nearest

if TYPE_CHECKING:
    from plainnet.engine.loop.trainer import Trainer

__all__ = ["EarlyStopping", "ReduceOnPlateau"]

Mode = Literal["auto", "max", "min"]


class _Patience(Hook):
    """Counts validations in a row in which a metric was not better than its best so far by more than `least`.

    metric: its name; the losses of training where there is no validation. mode: which way is better; auto: max but for losses.
    A value that is not finite is never better.
    """

    priority = 80  # before the checkpoint of the validation is written, which holds the outcome

    def __init__(self, *, metric: str = "accuracy", patience: int = 5, least: float = 0.0, mode: Mode = "auto") -> None:
        check_counts(patience=patience)
        if least < 0:
            raise UsageError(f"least is {least}; accepted: 0 or more")
        if mode not in ("auto", "max", "min"):
            raise UsageError(f"mode is {mode!r}; accepted: auto, max, min")
        self.metric, self.patience, self.least = metric, patience, least
        self.mode = mode
        self.sign = 1.0
        self.best: float | None = None
        self.waited = 0

    def before_run(self, trainer: Trainer) -> None:
        """Which way the metric is better follows from the task's losses."""
        is_small = is_made_small(self.metric, mode=self.mode, losses=loss_names(trainer.module))
        self.sign = -1.0 if is_small else 1.0

    def after_rehearsal(self, trainer: Trainer, train: Mapping[str, float], val: Mapping[str, float] | None) -> None:
        """A metric that nothing will give is told before anything is trained."""
        values = train if trainer.val_loader is None else val
        if values is not None and not trainer.may_add_metrics:
            self._value(values)

    def after_epoch(self, trainer: Trainer, train: Mapping[str, float], val: Mapping[str, float]) -> None:
        """Count a validation."""
        values = val or (train if trainer.val_loader is None else {})
        if not values:
            return
        value = self._value(values)
        if math.isfinite(value) and (self.best is None or self.sign * (value - self.best) > self.least):
            self.best, self.waited = value, 0
            return
        self.waited += 1
        if self.waited >= self.patience:
            self.lost(trainer)

    def lost(self, trainer: Trainer) -> None:
        """Patience is over."""
        raise NotImplementedError

    def _value(self, values: Mapping[str, float]) -> float:
        if self.metric not in values:
            near = nearest(self.metric, values)
            hint = f"; did you mean {near}?" if near else ""
            raise UsageError(
                f"{type(self).__name__} watches {self.metric}, and the metrics are {', '.join(values)}{hint}"
            )
        return values[self.metric]

    def state_dict(self) -> dict[str, Any]:
        """The best value, and how long it has been waited."""
        return {"best": self.best, "waited": self.waited}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up where `state_dict` left off."""
        self.best, self.waited = state["best"], state["waited"]


class EarlyStopping(_Patience):
    """Ends the run after `patience` validations in a row without a better `metric`. It is then complete, and its best weights
    are those of the best validation. With more patience it is taken up again.
    """

    def before_run(self, trainer: Trainer) -> None:
        """A run that had ended is taken up, or not."""
        super().before_run(trainer)
        trainer.ended = self._reason() if self.waited >= self.patience else ""

    def lost(self, trainer: Trainer) -> None:
        """End the run."""
        trainer.ended = self._reason()

    def _reason(self) -> str:
        shown = "no value" if self.best is None else f"{self.best:.4g}"
        by = f" by more than {self.least:g}" if self.least else ""
        times = "1 validation" if self.waited == 1 else f"{self.waited} validations"
        return f"{self.metric} was not better than {shown}{by} in {times}"


class ReduceOnPlateau(_Patience):
    """Multiplies the learning rates of all groups by `factor` after `patience` validations in a row without a better `metric`,
    and begins to count anew; never below `lowest`. For `schedule: {type: constant}` and `cosine`, whose rates are multiples.
    """

    def __init__(self, *, factor: float = 0.1, lowest: float = 0.0, **options: Any) -> None:
        super().__init__(**options)
        if not 0 < factor < 1 or lowest < 0:
            raise UsageError(f"factor is {factor}, lowest {lowest}; accepted: between 0 and 1, and 0 or more")
        self.factor, self.lowest = factor, lowest

    def before_run(self, trainer: Trainer) -> None:
        """A schedule that is no multiple of a rate cannot be lowered."""
        super().before_run(trainer)
        if trainer.scheduler is not None and not isinstance(trainer.scheduler, LambdaLR):
            kind = type(trainer.scheduler).__name__
            raise UsageError(
                f"ReduceOnPlateau lowers rates of the schedules constant and cosine, and this one is {kind}"
            )

    def lost(self, trainer: Trainer) -> None:
        """Lower the rates."""
        self.waited = 0
        bases = [] if trainer.scheduler is None else trainer.scheduler.base_lrs
        for number, group in enumerate(trainer.optimizer.param_groups):
            lowered = max(self.lowest, group["lr"] * self.factor) if group["lr"] > self.lowest else group["lr"]
            share = lowered / group["lr"] if group["lr"] else 1.0
            group["lr"] = lowered
            if bases:
                bases[number] *= share
