"""Text files that are there as a whole or not at all; what was there before stays until then."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BytesIO, TextIOWrapper
from pathlib import Path
from shlex import quote

from plainnet.errors import UsageError, not_written

__all__ = [
    "make_folder_of",
    "own_name",
    "refuse_unwritable",
    "whole_file",
    "write_saved",
    "write_whole",
    "write_whole_bytes",
]

NO_TEXT = "backslashreplace"
"""What becomes of a name that is no UTF-8, where a text holds one: it is to be read, and not to be used."""


def write_whole(path: str | Path, text: str) -> None:
    """Write a text; see `whole_file`."""
    with whole_file(path) as stream:
        stream.write(text)


def write_whole_bytes(path: str | Path, content: bytes) -> None:
    """Write bytes; see `whole_file`."""
    with whole_file(path) as stream:
        stream.buffer.write(content)


def write_saved(path: Path, save: Callable[[BytesIO], object]) -> None:
    """Write what `save` puts into a buffer, in a place where nobody looks for it yet.

    torch's own writer ends the process where the disk is full: it gets no file, but memory.
    """
    buffer = BytesIO()
    save(buffer)
    path.write_bytes(buffer.getbuffer())


def own_name(name: str, option: str) -> Path:
    """The name of a file that nobody chose; `UsageError` where something has it already: only a name that was said is written
    over.
    """
    if os.path.lexists(name):
        raise UsageError(f"{name} is there already; to write over it: {option} {quote(name)}")
    return Path(name)


@contextmanager
def whole_file(path: str | Path) -> Iterator[TextIOWrapper]:
    """A UTF-8 text to write, which takes its name, and the place of what had it, when all of it is there. A link stays a link;
    a pipe or a device is written as it is. Where that cannot be: see `not_written`.
    """
    try:
        target = Path(os.path.realpath(path))
        mode = _mode(target)
        if mode is not None and not stat.S_ISREG(mode):
            with target.open("w", encoding="utf-8", newline="", errors=NO_TEXT) as stream:
                yield stream
            return
        # its name is short, so that it is never too long where the file's own is not
        scratch = target.with_name(f".plainnet-{os.getpid()}")
        try:
            with scratch.open("w", encoding="utf-8", newline="", errors=NO_TEXT) as stream:
                yield stream
            if mode is not None:
                scratch.chmod(stat.S_IMODE(mode))
            scratch.replace(target)
        except BaseException:
            with suppress(OSError):
                scratch.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise not_written(path, error) from None


def make_folder_of(path: Path) -> None:
    """Make the folder that a file is to lie in, where it is not there; see `not_written`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise not_written(path.parent, error, done="made") from None


def refuse_unwritable(path: str | Path) -> None:
    """Say before a long piece of work that its result could not be written to a file; see `not_written`."""
    try:
        target = Path(os.path.realpath(path))
        if _mode(target) is None:
            os.stat(target.parent)
            _refuse_closed(target.parent)
    except OSError as error:
        raise not_written(path, error) from None


def _mode(target: Path) -> int | None:
    """What is there under a name; None for nothing. What may not be written is refused: a rename would not ask."""
    try:
        mode = os.stat(target).st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    _refuse_closed(target)
    return mode


def _refuse_closed(path: Path) -> None:
    if not os.access(path, os.W_OK):
        number = errno.EROFS if os.access(path, os.R_OK) and _is_read_only(path) else errno.EACCES
        raise OSError(number, os.strerror(number))


def _is_read_only(path: Path) -> bool:
    """Whether the whole file system is."""
    return hasattr(os, "statvfs") and bool(os.statvfs(path).f_flag & os.ST_RDONLY)
