"""TensorBoard's events."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from plainnet.engine.writers.writer import Pixels, Writer
from plainnet.errors import MissingExtraError

__all__ = ["TensorBoard"]

NO_TAG = re.compile(r"[^-/\w.]")
"""Signs that TensorBoard has in no name."""


class TensorBoard(Writer):
    """Scalars, pictures and the configuration (as a text) in the run's folder `tensorboard`.

    A run that begins anew leaves no points of before; one that is taken up hides those after its checkpoint.
    """

    def __init__(self) -> None:
        self.events: Any = None

    def open(self, run: Path, *, iteration: int, config: Mapping[str, Any]) -> None:
        """Begin a file of events. Raises `MissingExtraError` where tensorboard is not installed."""
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise MissingExtraError("tensorboard", "train") from error
        from plainnet.configs import dump_values

        folder = run / "tensorboard"
        if iteration == 0:
            for old in folder.glob("events.out.tfevents.*"):
                old.unlink()
        self.events = SummaryWriter(str(folder), purge_step=iteration + 1 if iteration else None)
        if config and iteration == 0:
            self.events.add_text("config", "    " + dump_values(config).replace("\n", "\n    "))

    def scalars(self, values: Mapping[str, float], iteration: int) -> None:
        """A point for each."""
        for name, value in values.items():
            self.events.add_scalar(NO_TAG.sub("_", name), value, iteration)

    def picture(self, name: str, pixels: Pixels, iteration: int) -> None:
        """A picture."""
        self.events.add_image(NO_TAG.sub("_", name), pixels, iteration, dataformats="HWC")

    def close(self) -> None:
        """Close the file."""
        if self.events is not None:
            self.events.close()
