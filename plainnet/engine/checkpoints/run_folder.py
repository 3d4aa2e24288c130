"""The folder of a run: one training at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from plainnet.engine.checkpoints.checkpoint import clear
from plainnet.engine.processes.process_group import is_main_process
from plainnet.errors import not_written
from plainnet.files.lock import RunLock

__all__ = ["own_folder"]


@contextmanager
def own_folder(folder: Path) -> Iterator[None]:
    """The run folder, made where it is not there yet, and locked: two trainings would mix their files. The first of several
    processes holds the lock for all. A folder that was made for nothing is removed again.
    """
    if not is_main_process():
        yield
        return
    made = not os.path.exists(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise not_written(f"the run folder {folder}", error, done="made") from None
    try:
        with RunLock(folder):
            clear(folder)
            clear(folder / "checkpoints")
            try:
                yield
            finally:
                if made and [path.name for path in folder.iterdir()] == ["lock"]:
                    (folder / "lock").unlink()
    finally:
        if made and os.path.isdir(folder) and not any(folder.iterdir()):
            folder.rmdir()
