"""The report of a run that broke off: the whole trace in a file, where the run was, and which process failed first."""

from __future__ import annotations

import os
import platform
import re
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from plainnet.engine.processes.process_group import process_count, process_number

if TYPE_CHECKING:
    from plainnet.engine.loop.trainer import Trainer

__all__ = ["FAILED_FIRST", "write_failure"]

FAILED_FIRST = "failed first"
"""What a note says of another process whose error came before."""
CAUSE = "error: "
"""How the line of a report begins that says the error in short."""
STARTED = time.time()
WAIT = 3.0
"""Seconds in which the process that failed first has written its report."""


def write_failure(folder: Path, error: BaseException, trainer: Trainer | None) -> None:
    """Write the trace and the position to a file in the run folder; the error carries its path (or why there is none) as a
    note. Of several processes each writes its own, and says which one failed first. trainer: None where it could not be built.
    """
    number, failed = process_number(), time.time()
    several = process_count() > 1
    fraction = f".{int(failed % 1 * 1e6):06d}-process-{number}" if several else ""
    path = folder / f"error-{time.strftime('%Y%m%d-%H%M%S', time.localtime(failed))}{fraction}.txt"
    lines = [
        _position(trainer) if trainer is not None else "before the first update: the run could not be built",
        f"python {platform.python_version()}, torch {torch.__version__}, {platform.platform()}",
        f"command: {' '.join(sys.argv)}",
        *([f"started together: {_job()}"] if several else []),
        f"{CAUSE}{' '.join(f'{type(error).__name__}: {error}'.split())}",
        "",
        *traceback.format_exception(error),
    ]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines), encoding="utf-8", errors="backslashreplace")
    except OSError as second:
        error.add_note(f"the trace could not be written to {path}: {second.strerror}")
        return
    error.add_note(f"the full trace is in {path}")
    if several:
        _note_first(path, error)


def _note_first(own: Path, error: BaseException) -> None:
    """Add to the error, and to its report, which process failed before it. One that lost a connection waits for that report."""
    lost = isinstance(error, RuntimeError) and re.search(r"onnection|NCCL|gloo|Broken pipe|timed? ?out", str(error))
    until = time.monotonic() + (WAIT if lost else 0)
    while True:
        reports = sorted(
            path
            for path in own.parent.glob("error-*-process-*.txt")
            if path.stat().st_mtime > STARTED - 60 and _job() in path.read_text(encoding="utf-8")
        )
        first = reports[0]
        if first.stem.rpartition("-")[2] != own.stem.rpartition("-")[2]:
            break
        if time.monotonic() >= until:
            return
        time.sleep(0.1)
    lines = first.read_text(encoding="utf-8").splitlines()
    cause = next((line.removeprefix(CAUSE) for line in lines if line.startswith(CAUSE)), "an error")
    note = f"process {first.stem.rpartition('-')[2]} {FAILED_FIRST}: {cause} (see {first})"
    error.add_note(note)
    with own.open("a", encoding="utf-8") as file:
        file.write(f"\n{note}\n")


def _job() -> str:
    """What the processes of one start have in common."""
    names = ("TORCHELASTIC_RUN_ID", "TORCHELASTIC_RESTART_COUNT", "MASTER_ADDR", "MASTER_PORT")
    return " ".join(os.environ.get(name, "-") for name in names)


def _position(trainer: Trainer) -> str:
    return (
        f"epoch {trainer.epoch}, batch {trainer.batch}, update {trainer.iteration}, process {trainer.rank} of "
        f"{trainer.processes}, device {trainer.device}"
    )
