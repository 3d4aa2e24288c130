"""Where the time of a run goes."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plainnet.engine.hooks.hook import Hook
from plainnet.errors import UsageError

if TYPE_CHECKING:
    from plainnet.engine.data.source import Batch
    from plainnet.engine.loop.trainer import Trainer

__all__ = ["Profiler", "StepTimer", "timer"]

logger = logging.getLogger(__name__)

_TIMES: dict[str, float] = {}
"""Seconds in parts of the update that have a name, until a `StepTimer` takes them."""


class timer:  # noqa: N801 (it is used like a function)
    """The time of a part of an update, which `StepTimer` logs as `time/NAME_ms`, the mean of an update.

    with timer("matching") as matching: ...; then `matching.seconds` holds it. On a GPU it is the host's time.
    """

    def __init__(self, name: str) -> None:
        self.name, self.seconds = name, 0.0

    def __enter__(self) -> timer:
        self.began = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self.began
        _TIMES[self.name] = _TIMES.get(self.name, 0.0) + self.seconds


class StepTimer(Hook):
    """Logs the milliseconds of an update and of waiting for its batch, averaged since the last line.

    On a GPU the host's time is measured, which follows the device's as soon as its queue is full.
    """

    priority = 5

    def __init__(self) -> None:
        self.waited = self.worked = 0.0
        self.updates = 0
        self.named: dict[str, float] = {}
        self.last = self.began = time.perf_counter()

    def before_train_epoch(self, trainer: Trainer) -> None:  # noqa: ARG002
        """Start the clock."""
        _TIMES.clear()  # what a validation took
        self.last = time.perf_counter()

    def after_rehearsal(self, trainer: Trainer, train: Mapping[str, float], val: Mapping[str, float] | None) -> None:  # noqa: ARG002
        """What was rehearsed is no part of an update."""
        _TIMES.clear()

    def before_train_step(self, trainer: Trainer, batch: Batch) -> None:  # noqa: ARG002
        """The batch is there."""
        self.began = time.perf_counter()
        self.waited += self.began - self.last

    def optimizer_step(self, trainer: Trainer) -> None:
        """Report, in the updates that are logged."""
        if trainer.logs_now and self.updates:
            trainer.extras["time/update_ms"] = 1e3 * self.worked / self.updates
            trainer.extras["time/wait_ms"] = 1e3 * self.waited / self.updates
            for name, seconds in self.named.items():
                trainer.extras[f"time/{name}_ms"] = 1e3 * seconds / self.updates
            self.waited = self.worked = 0.0
            self.named.clear()
            self.updates = 0

    def after_update(self, trainer: Trainer) -> None:  # noqa: ARG002
        """The update is done."""
        self.last = time.perf_counter()
        self.worked += self.last - self.began
        self.updates += 1
        for name, seconds in _TIMES.items():
            self.named[name] = self.named.get(name, 0.0) + seconds
        _TIMES.clear()


class Profiler(Hook):
    """Profiles `updates` updates after the first `skip` of a run and writes a Chrome trace (chrome://tracing, Perfetto).

    A file that is there already stays: the trace of a run that goes on, or of the next one, is trace-2.json beside it.
    """

    priority = 1

    def __init__(self, *, file: str = "trace.json", skip: int = 5, updates: int = 5) -> None:
        if updates < 1 or skip < 0:
            raise UsageError(f"skip is {skip} and updates is {updates}; accepted: 0 or more, 1 or more")
        self.file, self.skip, self.updates = Path(file), skip, updates
        self.profile: Any = None

    def before_run(self, trainer: Trainer) -> None:
        """Where the profile begins."""
        self.start = trainer.iteration + self.skip

    def before_train_step(self, trainer: Trainer, batch: Batch) -> None:  # noqa: ARG002
        """Begin."""
        if trainer.is_main and self.profile is None and trainer.iteration == self.start:
            from torch.profiler import profile

            self.profile = profile()
            self.profile.__enter__()

    def after_update(self, trainer: Trainer) -> None:
        """End and write."""
        if self.profile is not None and trainer.iteration >= self.start + self.updates:
            self._write()

    def after_run(self, trainer: Trainer) -> None:  # noqa: ARG002
        """Write what there is of a run that ended early."""
        if self.profile is not None:
            self._write()

    def _write(self) -> None:
        self.profile.__exit__(None, None, None)
        self.file.parent.mkdir(parents=True, exist_ok=True)
        file = _not_taken(self.file)
        self.profile.export_chrome_trace(str(file))
        logger.info("the trace of %d updates is in %s", self.updates, file)
        self.profile, self.start = None, -1


def _not_taken(file: Path) -> Path:
    """The file, or with the first number at the end of its name of which there is none: trace-2.json.gz."""
    stem, dot, suffixes = file.name.partition(".")
    names = chain([file.name], (f"{stem}-{number}{dot}{suffixes}" for number in count(2)))
    return next(file.with_name(name) for name in names if not os.path.lexists(file.with_name(name)))
