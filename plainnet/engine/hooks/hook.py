"""The base of every hook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plainnet.engine.data.source import Batch
    from plainnet.engine.loop.trainer import Trainer

__all__ = ["EVENTS", "Hook"]

EVENTS = (
    "before_run",
    "before_train_epoch",
    "after_rehearsal",
    "before_train_step",
    "train_step",
    "after_backward",
    "optimizer_step",
    "after_train_step",
    "log",
    "scheduler_step",
    "after_update",
    "after_train_epoch",
    "before_val_epoch",
    "before_val_step",
    "val_step",
    "after_val_step",
    "after_val_epoch",
    "after_epoch",
    "after_run",
)
"""The events of a run. With a learning rate per epoch, `scheduler_step` comes once, before `after_train_epoch`."""


class Hook:
    """Methods named like the events, called with the trainer and what the trainer's own method is called with.

    The trainer's own method counts as a hook of priority 50: hooks of a lower priority come before it, the others after, the
    lower first, equal ones in the order in which they were added. What a hook must remember goes into `state_dict`.
    """

    priority = 60
    classes: Sequence[str] = ()
    """The names of the data's classes; a configuration gives them."""

    def before_run(self, trainer: Trainer) -> None:
        """The pieces are registered and nothing has been trained yet; a checkpoint has been loaded."""

    def before_train_epoch(self, trainer: Trainer) -> None:
        """An epoch begins, or is taken up again in its middle."""

    def after_rehearsal(self, trainer: Trainer, train: Mapping[str, float], val: Mapping[str, float] | None) -> None:
        """Before the first update: one batch has been taken through training and one through validation, without a trace;
        `train` and `val` hold their results (None without a validation, or with one of a subclass's own).
        """

    def before_train_step(self, trainer: Trainer, batch: Batch) -> None:
        """A batch is on the device, augmented."""

    def train_step(self, trainer: Trainer, batch: Batch) -> None:
        """The forward pass and the losses."""

    def after_backward(self, trainer: Trainer, batch: Batch, output: Any, result: Mapping[str, Any]) -> None:
        """Gradients of the batch have been added."""

    def optimizer_step(self, trainer: Trainer) -> None:
        """The update: below 50 before it, with all gradients; above 50 after it."""

    def after_train_step(self, trainer: Trainer, batch: Batch, output: Any, result: Mapping[str, Any]) -> None:
        """The batch is done."""

    def log(self, trainer: Trainer, result: Mapping[str, Any]) -> None:
        """Every `log_every` updates."""

    def scheduler_step(self, trainer: Trainer) -> None:
        """The learning rate changes."""

    def after_update(self, trainer: Trainer) -> None:
        """An update is complete; the place where a run can be stopped and taken up again."""

    def after_train_epoch(self, trainer: Trainer, summary: Mapping[str, float]) -> None:
        """The epoch is trained; `summary` holds the means over its images."""

    def before_val_epoch(self, trainer: Trainer) -> None:
        """A validation begins."""

    def before_val_step(self, trainer: Trainer, batch: Batch) -> None:
        """A validation batch is on the device."""

    def val_step(self, trainer: Trainer, batch: Batch) -> None:
        """The forward pass of a validation batch."""

    def after_val_step(self, trainer: Trainer, batch: Batch, output: Any, result: Mapping[str, Any]) -> None:
        """The validation batch is done."""

    def after_val_epoch(self, trainer: Trainer, summary: Mapping[str, float]) -> None:
        """All validation images have been seen; `summary` holds the exact means."""

    def after_epoch(self, trainer: Trainer, train: Mapping[str, float], val: Mapping[str, float]) -> None:
        """The epoch is counted; `val` is empty where it was not validated."""

    def after_run(self, trainer: Trainer) -> None:
        """The run is over: complete, stopped, or broken off by an error."""

    def state_dict(self) -> dict[str, Any]:
        """What must survive a resume: numbers, words, tensors, lists, mappings."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up where `state_dict` left off."""
