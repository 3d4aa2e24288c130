"""Folders that are there as a whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from plainnet.errors import UsageError

__all__ = ["new_folder"]


@contextmanager
def new_folder(out: Path, *, force: bool = False) -> Iterator[Path]:
    """A folder to write into, which becomes `out` when everything is written; if that fails, nothing is left.

    With `force` a folder that holds something is written into: files of the same names are replaced, others stay.
    """
    _check(out, force=force)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    except OSError as error:
        raise UsageError(f"{out} cannot be written: {error.strerror or error}") from None
    try:
        yield temporary
        _move(temporary, out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _check(out: Path, *, force: bool) -> None:
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file; accepted: a folder that does not exist yet, or is empty")
    if not force and out.is_dir() and any(out.iterdir()):
        raise UsageError(f"{out} is not empty; --force writes into it all the same, over files of the same names")


def _move(temporary: Path, out: Path) -> None:
    if out.is_dir() and any(out.iterdir()):
        for file in sorted(temporary.rglob("*")):
            target = out / file.relative_to(temporary)
            if file.is_dir():
                target.mkdir(exist_ok=True)
            else:
                file.replace(target)
        return
    mask = os.umask(0)
    os.umask(mask)
    temporary.chmod(0o777 & ~mask)  # mkdtemp's folders are for their owner alone
    temporary.replace(out)
