"""What a person sees of a run: a line for each epoch, and a progress bar on a terminal."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from plainnet.engine.hooks.hook import Hook

if TYPE_CHECKING:
    from plainnet.engine.loop.trainer import Trainer

__all__ = ["ConsoleHook", "clock", "shown"]

REFRESH = 0.1
"""Seconds between two updates of the bar."""
SILENCE = 30.0
"""Seconds after which an epoch says where it is, where there is no bar."""


def clock(seconds: float) -> str:
    """Seconds as h:mm:ss or m:ss."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def shown(name: str, value: float) -> str:
    """A metric as a person reads it: in the unit that it has in logs, tables, pages and JSON; an accuracy is a share of 1."""
    return f"{name} {value:.4g}"


class ConsoleHook(Hook):
    """Prints a line for each round: losses, metrics, learning rate, time gone and time left."""

    priority = 95

    def __init__(self, console: Console, *, unit: str, rounds: int, best: str = "") -> None:
        self.console, self.unit, self.rounds, self.best = console, unit, rounds, best
        self.progress: Progress | None = None
        self.updated = 0.0

    def before_run(self, trainer: Trainer) -> None:
        """Start the clock, and the bar on a terminal."""
        self.started, self.first = time.monotonic(), trainer.iteration
        self.updated = self.started
        self.updates = getattr(trainer, "updates", 0)
        if trainer.is_main and self.console.is_terminal and not trainer.debug:
            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("left"),
                TimeRemainingColumn(),
            )
            self.progress = Progress(*columns, console=self.console, transient=True)
            self.task = self.progress.add_task("training", total=self.updates, completed=trainer.iteration)
            self.progress.start()

    def after_update(self, trainer: Trainer) -> None:
        """Move the bar."""
        now = time.monotonic()
        if self.progress is not None and now - self.updated > REFRESH:
            self.updated = now
            parts = [f"{self.unit} {trainer.rounds + 1}/{self.rounds}"]
            loss, count = trainer.means.sums.get("loss"), trainer.means.counts.get("loss")
            if loss is not None and count:  # this process's part of the batches, so that no update waits for the others
                parts.append(f"loss {float(loss) / count:.4g}")
            self.progress.update(self.task, completed=trainer.iteration, description="  ".join(parts))

    def log(self, trainer: Trainer, result: Mapping[str, Any]) -> None:
        """A line within a long epoch, where there is no bar."""
        now = time.monotonic()
        if trainer.is_main and self.progress is None and now - self.updated > SILENCE:
            self.updated = now
            left = (now - self.started) / max(1, trainer.iteration - self.first) * (self.updates - trainer.iteration)
            parts = [f"{self.unit} {trainer.rounds + 1}/{self.rounds}", f"update {trainer.iteration}/{self.updates}"]
            parts += [*_texts(result), f"left {clock(left)}"]
            self._print("  ".join(parts))

    def after_epoch(self, trainer: Trainer, train: Mapping[str, float], val: Mapping[str, float]) -> None:
        """The line of a round."""
        if not trainer.is_main:
            return
        self.updated = time.monotonic()
        gone = self.updated - self.started
        done = trainer.iteration - self.first
        left = gone / max(1, done) * (self.updates - trainer.iteration)
        parts = [f"{self.unit} {trainer.rounds:>{len(str(self.rounds))}}/{self.rounds}", *_texts(train)]
        if val:
            parts += ["| val", *_texts(val)]
        parts += [f"| lr {trainer.rates[0]:.3g}", clock(gone), f"left {clock(left)}"]
        self._print("  ".join(parts))

    def _print(self, line: str) -> None:
        """A line, broken between words where a terminal ends and whole in a file."""
        self.console.print(line, highlight=False, soft_wrap=not self.console.is_terminal)

    def after_run(self, trainer: Trainer) -> None:  # noqa: ARG002
        """Remove the bar."""
        if self.progress is not None:
            self.progress.stop()
            self.progress = None


def _texts(values: Mapping[str, Any]) -> list[str]:
    """The values, but for those of parts of something (of classes, of gradients), which are in the log."""
    return [shown(name, value) for name, value in values.items() if "/" not in name]
