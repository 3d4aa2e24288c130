"""The two trainers: by epochs, and by iterations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from plainnet.engine.data.source import Batch
from plainnet.engine.trainer import Trainer

__all__ = ["EpochBasedTrainer", "IterBasedTrainer"]


class EpochBasedTrainer(Trainer):
    """Trains `epochs` passes over the data; the scheduler is stepped once a pass (or with `per_iteration` once an update)."""

    def __init__(self, *, epochs: int, per_iteration: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.epochs, self.per_iteration = epochs, per_iteration

    @property
    def finished(self) -> bool:
        """Whether all epochs have been trained."""
        return self.epoch >= self.epochs

    @property
    def updates(self) -> int:
        """Updates of the whole run."""
        assert self.train_loader is not None
        return self.epochs * -(-len(self.train_loader) // self.accumulate)

    @property
    def scheduled_steps(self) -> int:
        """How often the scheduler has been stepped where the run is: with `per_iteration`, so that an epoch ends where it
        should, whatever the size of the batches was before.
        """
        if not self.per_iteration:
            return self.epoch
        assert self.train_loader is not None
        return self.epoch * -(-len(self.train_loader) // self.accumulate) + -(-self.batch // self.accumulate)

    def _groups(self) -> Iterator[list[Batch]]:
        assert self.train_loader is not None
        return grouped(self.train_loader.at(self.epoch, self.batch), self.accumulate)

    def _after_update(self) -> None:
        if self.per_iteration:
            self.emit("scheduler_step")

    def _after_round(self) -> None:
        if not self.per_iteration:
            self.emit("scheduler_step")

    def _advance(self) -> None:
        self.epoch, self.batch = self.epoch + 1, 0


class IterBasedTrainer(Trainer):
    """Trains `iterations` updates, validating every `validate_every` of them; the scheduler is stepped once an update.

    Its rounds (`before_train_epoch` to `after_epoch`) are the updates between two validations; `epoch` counts passes over
    the data.
    """

    def __init__(self, *, iterations: int, validate_every: int, **options: Any) -> None:
        super().__init__(**options)
        self.iterations, self.round_length = iterations, validate_every
        self.stream: Iterator[list[Batch]] | None = None

    @property
    def finished(self) -> bool:
        """Whether all updates have been made."""
        return self.iteration >= self.iterations

    @property
    def updates(self) -> int:
        """Updates of the whole run."""
        return self.iterations

    @property
    def scheduled_steps(self) -> int:
        """How often the scheduler has been stepped where the run is."""
        return self.iteration

    def _endless(self) -> Iterator[list[Batch]]:
        assert self.train_loader is not None
        while True:
            yield from grouped(self.train_loader.at(self.epoch, self.batch), self.accumulate)
            self.epoch, self.batch = self.epoch + 1, 0

    def _groups(self) -> Iterator[list[Batch]]:
        if self.stream is None:
            self.stream = self._endless()
        for group in self.stream:
            yield group
            if self.iteration % self.round_length == 0 or self.finished:
                return

    def _after_update(self) -> None:
        self.emit("scheduler_step")


def grouped(batches: Iterator[Batch], size: int) -> Iterator[list[Batch]]:
    """The batches in lists of `size`; the last may be shorter."""
    group: list[Batch] = []
    for batch in batches:
        group.append(batch)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group
