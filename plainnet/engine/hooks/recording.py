"""The log of a run: JSON lines always, TensorBoard where it is installed."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from plainnet.engine.hooks.base import Hook
from plainnet.engine.means import Ratio

if TYPE_CHECKING:
    from plainnet.engine.trainer import Trainer

__all__ = ["RecordingHook", "plain_results"]


def plain_results(results: Mapping[str, Any]) -> dict[str, float]:
    """The scalar results of a batch as numbers."""
    plain = {}
    for name, value in results.items():
        if isinstance(value, Ratio):
            plain[name] = float(value.total) / max(1, value.count)
        elif isinstance(value, int | float) or (isinstance(value, Tensor) and value.numel() == 1):
            plain[name] = float(value)
    return plain


class RecordingHook(Hook):
    """Writes `log.jsonl`: an object a line with `event` (train, epoch), position, results, learning rate, seconds.

    A run that is taken up again continues the file where its checkpoint was, so that no update is in it twice.
    """

    priority = 70

    def __init__(self, run: Path, *, tensorboard: bool = True) -> None:
        self.path, self.folder, self.tensorboard = run / "log.jsonl", run / "tensorboard", tensorboard
        self.offset = 0
        self.started = time.monotonic()
        self.seconds = 0.0
        self.writer: Any = None

    def before_run(self, trainer: Trainer) -> None:
        """Open the files."""
        self.started = time.monotonic() - self.seconds
        if not trainer.is_main:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.touch()
        with self.path.open("r+b") as file:
            file.truncate(min(self.offset, self.path.stat().st_size))
        self.file = self.path.open("a", encoding="utf-8")
        if self.tensorboard:
            self.writer = _tensorboard_writer(self.folder, trainer.iteration)

    def log(self, trainer: Trainer, result: Mapping[str, Any]) -> None:
        """A line for an update."""
        if trainer.is_main:
            self._write(trainer, "train", plain_results(result))

    def after_epoch(self, trainer: Trainer, train: Mapping[str, float], val: Mapping[str, float]) -> None:
        """A line for an epoch."""
        if trainer.is_main:
            self._write(
                trainer,
                "epoch",
                {**{f"train/{k}": v for k, v in train.items()}, **{f"val/{k}": v for k, v in val.items()}},
            )

    def after_run(self, trainer: Trainer) -> None:
        """Close the files."""
        if trainer.is_main and hasattr(self, "file"):
            self.file.close()
            if self.writer is not None:
                self.writer.close()

    def _write(self, trainer: Trainer, event: str, values: Mapping[str, float]) -> None:
        self.seconds = time.monotonic() - self.started
        line = {
            "event": event,
            "epoch": trainer.epoch,
            "iteration": trainer.iteration,
            "lr": trainer.learning_rates()[0],
            **{name: round(value, 8) for name, value in values.items()},
            "seconds": round(self.seconds, 3),
        }
        self.file.write(json.dumps(line) + "\n")
        self.file.flush()
        if self.writer is not None:
            for name, value in [*values.items(), ("lr", line["lr"])]:
                tag = name if "/" in name else f"step/{name}"
                self.writer.add_scalar(tag, value, trainer.iteration)

    def state_dict(self) -> dict[str, Any]:
        """The length of the log at this point."""
        return {"offset": self.path.stat().st_size if self.path.exists() else 0, "seconds": self.seconds}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up where `state_dict` left off."""
        self.offset, self.seconds = state["offset"], state["seconds"]


def _tensorboard_writer(folder: Path, iteration: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder), purge_step=iteration + 1 if iteration else None)
