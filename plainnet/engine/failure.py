"""The report of a run that broke off: the whole trace in a file, and where the run was."""

from __future__ import annotations

import platform
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from plainnet.engine.trainer import Trainer

__all__ = ["write_failure"]


def write_failure(folder: Path, error: BaseException, trainer: Trainer | None) -> None:
    """Write the trace and the position to a file in the run folder; the error carries its path (or why there is none) as a
    note. trainer: None where it could not be built.
    """
    path = folder / f"error-{time.strftime('%Y%m%d-%H%M%S')}.txt"
    lines = [
        _position(trainer) if trainer is not None else "before the first update: the run could not be built",
        f"python {platform.python_version()}, torch {torch.__version__}, {platform.platform()}",
        f"command: {' '.join(sys.argv)}",
        "",
        *traceback.format_exception(error),
    ]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines), encoding="utf-8")
    except OSError as second:
        error.add_note(f"the trace could not be written to {path}: {second.strerror}")
    else:
        error.add_note(f"the full trace is in {path}")


def _position(trainer: Trainer) -> str:
    return (
        f"epoch {trainer.epoch}, batch {trainer.batch}, update {trainer.iteration}, process {trainer.rank} of "
        f"{trainer.processes}, device {trainer.device}"
    )
