"""The log of a run: JSON lines always, and what its writers take."""

from __future__ import annotations

import itertools
import json
import logging
import math
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plainnet.engine.hooks.hook import Hook
from plainnet.errors import RunError

if TYPE_CHECKING:
    from plainnet.engine.loop.trainer import Trainer

__all__ = ["RecordingHook"]


logger = logging.getLogger(__name__)
EMPTY: Mapping[str, Any] = {}


class RecordingHook(Hook):
    """Writes `log.jsonl`: an object a line with `event` (train, epoch), position, results, learning rate, seconds. The rate is
    the one that the line's (last) update was made with, the results of an update are means over all its batches.

    The same numbers go to the trainer's writers, the results of an update as `step/NAME`. config: what these say of the run.

    A run that is taken up again continues the file where its checkpoint was, so that no update is in it twice. A value that is
    not finite is null, and `not_finite` counts those of the line.
    """

    priority = 70

    def __init__(self, run: Path, *, config: Mapping[str, Any] = EMPTY) -> None:
        self.run, self.path, self.config = run, run / "log.jsonl", config
        self.lines = 0
        self.started = time.monotonic()
        self.seconds = 0.0

    def before_run(self, trainer: Trainer) -> None:
        """Open the files."""
        if not trainer.is_main:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        kept = _first_lines(self.path, self.lines)
        self.lines, self.seconds = len(kept), _seconds(kept)
        self.started = time.monotonic() - self.seconds
        self.path.touch()
        with self.path.open("r+b") as file:
            file.truncate(sum(map(len, kept)))
        self.file = self.path.open("a", encoding="utf-8")
        trainer.writers.open(trainer, self.run, self.config)

    def log(self, trainer: Trainer, result: Mapping[str, Any]) -> None:
        """A line for an update."""
        if trainer.is_main:
            self._write(trainer, "train", result)

    def after_epoch(self, trainer: Trainer, train: Mapping[str, float], val: Mapping[str, float]) -> None:
        """A line for an epoch."""
        if trainer.is_main:
            values = {**{f"train/{k}": v for k, v in train.items()}, **{f"val/{k}": v for k, v in val.items()}}
            logger.info(
                "round %d, %d updates: %s",
                trainer.rounds,
                trainer.iteration,
                ", ".join(f"{name} {value:.6g}" for name, value in values.items()),
            )
            self._write(trainer, "epoch", values, {f"val/{k}": v for k, v in trainer.tables.items()} if val else {})

    def after_run(self, trainer: Trainer) -> None:
        """Close the files."""
        if trainer.is_main and hasattr(self, "file"):
            with suppress(OSError):  # what a full disk left unwritten
                self.file.close()
        trainer.writers.close()

    def _write(
        self, trainer: Trainer, event: str, values: Mapping[str, float], tables: Mapping[str, Any] = EMPTY
    ) -> None:
        self.seconds = time.monotonic() - self.started
        rates = {"lr": trainer.rates[0], **trainer.other_rates()}
        lost = sum(not math.isfinite(value) for value in values.values())
        line = {
            "event": event,
            "epoch": trainer.epoch,
            "iteration": trainer.iteration,
            **rates,
            **{name: round(value, 8) if math.isfinite(value) else None for name, value in values.items()},
            **tables,
            **({"not_finite": lost} if lost else {}),
            "seconds": round(self.seconds, 3),
        }
        try:
            self.file.write(json.dumps(line, allow_nan=False) + "\n")
            self.file.flush()
        except OSError as error:
            raise RunError(
                f"cannot write {self.path}: {error.strerror or error}; the last checkpoint is whole"
            ) from error
        self.lines += 1
        named = {name if "/" in name else f"step/{name}": value for name, value in [*values.items(), *rates.items()]}
        trainer.writers.scalars(named, trainer.iteration)

    def state_dict(self) -> dict[str, Any]:
        """How far the log is at this point; no times, so that equal runs have equal checkpoints."""
        return {"lines": self.lines}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up where `state_dict` left off."""
        self.lines = state["lines"]


def _first_lines(path: Path, count: int) -> list[bytes]:
    """The first lines of a log, as many as there are."""
    if count == 0 or not path.exists():
        return []
    with path.open("rb") as file:
        return [line for line in itertools.islice(file, count) if line.endswith(b"\n")]


def _seconds(lines: list[bytes]) -> float:
    """The time that the last line was written at; 0 where it cannot be told."""
    try:
        return float(json.loads(lines[-1])["seconds"])
    except (IndexError, KeyError, TypeError, ValueError):
        return 0.0
