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


def write_failure(folder: Path, error: BaseException, trainer: Trainer) -> Path:
    """Write the trace and the position to a file in the run folder; its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"error-{time.strftime('%Y%m%d-%H%M%S')}.txt"
    lines = [
        f"epoch {trainer.epoch}, batch {trainer.batch}, update {trainer.iteration}, process {trainer.rank} of "
        f"{trainer.processes}, device {trainer.device}",
        f"python {platform.python_version()}, torch {torch.__version__}, {platform.platform()}",
        f"command: {' '.join(sys.argv)}",
        "",
        *traceback.format_exception(error),
    ]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path
