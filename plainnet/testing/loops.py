"""The contract of a training loop: every event comes, in its order, so that every hook serves it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from plainnet.engine.hooks.hook import EVENTS, Hook

if TYPE_CHECKING:
    from plainnet.engine.loop.trainer import Trainer

__all__ = ["LoopContractError", "check_loop"]

BEGIN, END = "the beginning", "the end"
PART = "after_train_step of a batch without optimizer_step"
FOLLOWS: dict[str, tuple[str, ...]] = {
    BEGIN: ("before_run",),
    "before_run": ("before_train_epoch", "after_run"),
    "before_train_epoch": ("after_rehearsal", "before_train_step"),
    "after_rehearsal": ("before_train_step",),
    "before_train_step": ("train_step",),
    "train_step": ("after_backward",),
    "after_backward": ("optimizer_step", "after_train_step"),
    "optimizer_step": ("after_train_step",),
    PART: ("before_train_step",),
    "after_train_step": ("log", "scheduler_step", "after_update"),
    "log": ("scheduler_step", "after_update"),
    "scheduler_step": ("after_update", "after_train_epoch"),
    "after_update": ("before_train_step", "scheduler_step", "after_train_epoch"),
    "after_train_epoch": ("before_val_epoch", "after_epoch"),
    "before_val_epoch": ("before_val_step", "after_val_epoch"),
    "before_val_step": ("val_step",),
    "val_step": ("after_val_step",),
    "after_val_step": ("before_val_step", "after_val_epoch"),
    "after_val_epoch": ("after_epoch",),
    "after_epoch": ("before_train_epoch", "after_run"),
    "after_run": (END,),
}
"""What may come after an event."""


class LoopContractError(AssertionError):
    """A loop that forgets an event, or lets one come at a wrong place."""


class _Recorder(Hook):
    """Writes down which events come."""

    priority = 0

    def __init__(self) -> None:
        self.seen: list[str] = []


def _recording(event: str) -> Any:
    def record(self: _Recorder, trainer: Any, *_: Any) -> None:  # noqa: ARG001
        self.seen.append(event)

    return record


for _event in EVENTS:
    setattr(_Recorder, _event, _recording(_event))


def check_loop(trainer: Trainer) -> tuple[str, ...]:
    """Train with a trainer whose pieces are registered (a short run on a few samples), and compare the events that its hooks see
    with the order that is promised; the events. Raises `LoopContractError` for the first that is missing or out of place.

    trainer = MyTrainer(epochs=2, device="cpu"); ...; check_loop(trainer)
    """
    recorder = _Recorder()
    trainer.register_hook(recorder)
    trainer.fit()
    seen = recorder.seen
    _check_order(seen)
    _check_numbers(seen, trainer)
    return tuple(seen)


def _check_order(seen: Sequence[str]) -> None:
    before, updated = BEGIN, False
    for place, event in enumerate([*seen, END]):
        if event not in FOLLOWS[before]:
            raise LoopContractError(
                f"event {place + 1}: after {before} came {event}; promised: {' or '.join(FOLLOWS[before])}"
            )
        if event == "before_train_step" and before != PART:
            updated = False
        updated = updated or event == "optimizer_step"
        before = PART if event == "after_train_step" and not updated else event


def _check_numbers(seen: Sequence[str], trainer: Trainer) -> None:
    """What may be absent at one place, and not in the whole run."""
    wanted = {
        "after_rehearsal": 1,
        "log": trainer.iteration // trainer.log_every,
        "after_update": trainer.iteration,
        "optimizer_step": trainer.iteration,
        "scheduler_step": trainer.scheduled_steps,
        "after_epoch": trainer.rounds,
    }
    for event, count in wanted.items():
        if seen.count(event) != count:
            raise LoopContractError(f"{event} came {_times(seen.count(event))}; promised: {_times(count)}")
    if trainer.validation_sets and trainer.rounds and "before_val_epoch" not in seen:
        raise LoopContractError("there are validation batches, and before_val_epoch never came")


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
