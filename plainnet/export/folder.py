"""Folders that are there as a whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from plainnet.errors import UsageError, not_written
from plainnet.files.exported_tensors import EXPORTED, PROVENANCE
from plainnet.files.text_files import json_value, read_text

__all__ = ["new_folder"]

_TEMPORARY = ".exporting-"
"""How folders begin that are being written; a killed process leaves one."""


@contextmanager
def new_folder(out: Path, *, force: bool = False) -> Iterator[Path]:
    """A folder to write into, which becomes `out` when everything is written; if that fails, nothing is left.

    With `force` a folder that holds something is written into: files of the same names are replaced, those of an export
    before are removed, others stay. Two processes that write into one folder do it one after the other.
    """
    out = Path(os.path.abspath(out))  # "." has a parent, too
    _check(out, force=force)
    with _explained(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        # a folder that is there may be all that one may write to
        temporary = Path(tempfile.mkdtemp(prefix=_TEMPORARY, dir=out if out.is_dir() else out.parent))
    try:
        try:
            yield temporary
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
                raise
            raise not_written(_shown(out), error) from None
        with _explained(out), _alone(out.parent):
            _check(out, force=force)  # another process may have been quicker
            _move(temporary, out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def _explained(out: Path) -> Iterator[None]:
    """What the system says of a folder that cannot be written as an error that names it: see `not_written`."""
    try:
        yield
    except OSError as error:
        raise not_written(_shown(out), error) from None
    except ValueError as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"{_shown(out)} cannot be written: {error}") from None


def _shown(out: Path) -> str:
    text = str(out)
    return text if len(text) <= 200 else f"{text[:199]}…"


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process at a time, where the system has locks for folders; it is held for the time of some renames."""
    try:
        import fcntl
    except ImportError:  # Windows: renames alone keep the folders whole
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _check(out: Path, *, force: bool) -> None:
    with _explained(out):
        is_file = os.path.lexists(out) and not out.is_dir()
        holds_something = out.is_dir() and any(not path.name.startswith(_TEMPORARY) for path in out.iterdir())
        parent = next((parent for parent in out.parents if os.path.lexists(parent)), None)
    if parent is not None and not parent.is_dir():
        raise UsageError(f"{_shown(out)} cannot be written: {parent} is no folder")
    if is_file:
        raise UsageError(f"{out} is a file; accepted: a folder that does not exist yet, or is empty")
    if holds_something and not force:
        raise UsageError(f"{out} is not empty; --force writes into it all the same, over files of the same names")


def _move(temporary: Path, out: Path) -> None:
    if out.is_dir():
        _replace(temporary, out)
        return
    mask = os.umask(0)
    os.umask(mask)
    temporary.chmod(0o777 & ~mask)  # mkdtemp's folders are for their owner alone
    temporary.replace(out)


def _replace(temporary: Path, out: Path) -> None:
    """Move the files over those that are there, `provenance.json` last: a folder without it is not whole."""
    new = sorted(path.relative_to(temporary) for path in temporary.rglob("*") if path.is_file())
    stale = [path for path in _former(out, new) if path not in new]
    for path in new:
        if (out / path).is_dir():
            raise UsageError(f"{out / path} is a folder, and a file of the export has its name")
    (out / PROVENANCE).unlink(missing_ok=True)
    for path in stale:
        (out / path).unlink(missing_ok=True)
    for path in sorted(new, key=lambda path: path.name == PROVENANCE):
        (out / path).parent.mkdir(parents=True, exist_ok=True)
        (temporary / path).replace(out / path)


def _former(out: Path, new: list[Path]) -> list[Path]:
    """The files of an export that is in the folder, inside of it and by plain names, as its `provenance.json` lists them.

    Weights that no export is known to have written are another's, and would be taken for the new model's by its scripts: an
    error.
    """
    try:
        about = json_value(read_text(out / PROVENANCE), str(out / PROVENANCE))
        listed = about.get("files", EXPORTED if "plainnet" in about else ()) if isinstance(about, dict) else ()
        names = [name for name in listed if isinstance(name, str)]
    except (UsageError, TypeError):
        names = []
    found = [Path(*path.parts) for name in names if _is_inside(path := PurePosixPath(name), out)]
    foreign = [name for name in EXPORTED if (out / name).exists() and Path(name) not in [*found, *new]]
    if foreign:
        raise UsageError(f"{out / foreign[0]} is of no export, and would be taken for the new network's; move it away")
    return found


def _is_inside(path: PurePosixPath, out: Path) -> bool:
    """Whether a name leads to a file in the folder, by no way around."""
    if path.is_absolute() or not path.parts or ".." in path.parts or "\0" in str(path):
        return False
    parents = [out.joinpath(*path.parts[:number]) for number in range(1, len(path.parts) + 1)]
    return not any(parent.is_symlink() for parent in parents) and parents[-1].is_file()
