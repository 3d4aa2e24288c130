"""The two trainers: by epochs, and by iterations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from plainnet.engine.counts import check_counts
from plainnet.engine.data.source import Batch
from plainnet.engine.loop.trainer import Trainer
from plainnet.errors import RunError

__all__ = ["EpochBasedTrainer", "IterBasedTrainer", "updates_of_a_pass"]


class EpochBasedTrainer(Trainer):
    """Trains `epochs` passes over the data; the scheduler is stepped once a pass (or with `per_iteration` once an update)."""

    def __init__(self, *, epochs: int, per_iteration: bool = False, **options: Any) -> None:
        check_counts(epochs=epochs)
        super().__init__(**options)
        self.epochs, self.per_iteration = epochs, per_iteration

    @property
    def finished(self) -> bool:
        """Whether all epochs have been trained, or a hook has ended the run."""
        return bool(self.ended) or self.epoch >= self.epochs

    @property
    def updates(self) -> int:
        """Updates of the whole run."""
        return self.epochs * updates_of_a_pass(self)

    @property
    def total_rounds(self) -> int:
        """Rounds of the whole run: its epochs."""
        return self.epochs

    @property
    def scheduled_steps(self) -> int:
        """How often the scheduler has been stepped where the run is: with `per_iteration`, so that an epoch ends where it
        should, whatever the size of the batches was before.
        """
        if not self.per_iteration:
            return self.epoch
        return self.epoch * updates_of_a_pass(self) + -(-self.batch // self.accumulate)

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

    def _trained(self) -> int:
        return self.rounds


class IterBasedTrainer(Trainer):
    """Trains `iterations` updates, validating every `validate_every` of them (by default once a pass over the data, and after
    the last); the scheduler is stepped once an update.

    Its rounds (`before_train_epoch` to `after_epoch`) are the updates between two validations; `epoch` counts the passes over
    the data that are over, wherever a round begins.
    """

    def __init__(self, *, iterations: int, validate_every: int | None = None, **options: Any) -> None:
        check_counts(iterations=iterations, validate_every=1 if validate_every is None else validate_every)
        super().__init__(**options)
        self.iterations, self.updates_of_a_round = iterations, validate_every
        self.stream: Iterator[list[Batch]] | None = None

    @property
    def finished(self) -> bool:
        """Whether all updates have been made and the round of the last is over (it has been validated), or a hook has ended the
        run.
        """
        return bool(self.ended) or (self.iteration >= self.iterations and self.round_start == self.iteration)

    @property
    def updates(self) -> int:
        """Updates of the whole run."""
        return self.iterations

    @property
    def scheduled_steps(self) -> int:
        """How often the scheduler has been stepped where the run is."""
        return self.iteration

    @property
    def round_length(self) -> int:
        """Updates from one validation to the next."""
        assert self.train_loader is not None
        return self.updates_of_a_round or updates_of_a_pass(self)

    @property
    def total_rounds(self) -> int:
        """Rounds of the whole run."""
        return -(-self.iterations // self.round_length)

    def _groups(self) -> Iterator[list[Batch]]:
        assert self.train_loader is not None
        end = min(self.iterations, (self.round_start // self.round_length + 1) * self.round_length)
        while self.iteration < end:
            if self.stream is None:
                self.stream = grouped(self.train_loader.at(self.epoch, self.batch), self.accumulate)
            group = next(self.stream, None)
            if group is not None:
                yield group
            elif self.batch == 0:
                raise RunError("the training loader gives no batches")
            else:  # fewer than its length
                self._next_epoch()

    def _next_epoch(self) -> None:
        self.epoch, self.batch, self.stream = self.epoch + 1, 0, None

    def _trained(self) -> int:
        return self.iteration

    def _after_update(self) -> None:
        assert self.train_loader is not None
        self.emit("scheduler_step")
        if self.batch >= len(self.train_loader):
            self._next_epoch()


def updates_of_a_pass(trainer: Trainer) -> int:
    """Updates in which all training data are seen once; the last may be of fewer batches."""
    assert trainer.train_loader is not None
    return -(-len(trainer.train_loader) // trainer.accumulate)


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
