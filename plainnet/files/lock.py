"""One process at a time writes a run's folder: a lock on a file, which the system takes back from a process that dies."""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from plainnet.errors import RunError

__all__ = ["RunLock", "only_a_lock"]

LENGTH = 120
"""Of the text in a lock's file: a longest name of a machine, and what stands before it."""
_held: set[int] = set()
"""The files that this process holds locks on."""


class RunLock:
    """Holds the lock of a run's folder while it is open; `RunError` if another process holds it or the folder cannot be
    written. The lock is this process's alone: a child that it forks holds nothing, whoever of the two ends first.

    wait: seconds to wait for another process to let go. what: what the folder is, in words.
    """

    def __init__(self, folder: Path, *, wait: float = 0.0, what: str = "run") -> None:
        self._path = folder / "lock"
        made = not os.path.exists(self._path)
        try:
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise RunError(f"{self._path} cannot be written: {error.strerror}") from None
        if not _taken(self._file, wait):
            holder = os.read(self._file, 200).decode(errors="replace").strip() or "another process"
            os.close(self._file)
            raise RunError(f"the {what} {folder} is in use by {holder}; wait for it, or end that process first")
        _held.add(self._file)
        try:
            own = f"process {os.getpid()} on {socket.gethostname()}".encode().ljust(LENGTH)
            os.write(self._file, own)  # over what was there: a file that is emptied is written to the disk at once
            if os.fstat(self._file).st_size > len(own):
                os.ftruncate(self._file, len(own))
        except OSError as error:  # a full disk
            if made:
                with suppress(OSError):
                    os.unlink(self._path)
            self.close()
            raise RunError(f"{self._path} cannot be written: {error.strerror}") from None

    def close(self) -> None:
        """Let go."""
        if self._file >= 0:
            if self._file in _held:
                _held.discard(self._file)
                os.close(self._file)
            self._file = -1

    def __enter__(self) -> RunLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def only_a_lock(folder: str | Path) -> str:
    """For the end of an error: what a folder is that holds a lock and nothing else, which a run that was killed while it began
    leaves behind; "" for any other.
    """
    with suppress(OSError, ValueError):
        if os.listdir(folder) == ["lock"]:
            return (
                "; it holds the lock of a run that kept nothing there: if that run has ended, the folder may be deleted"
            )
    return ""


def _let_go_of_all() -> None:
    for file in _held:
        with suppress(OSError):
            os.close(file)
    _held.clear()


if hasattr(os, "register_at_fork"):  # a lock is shared with a forked child, which may outlive this process
    os.register_at_fork(after_in_child=_let_go_of_all)


PAUSE = 0.01
"""Seconds between two attempts at a lock that is waited for."""


def _taken(file: int, wait: float) -> bool:
    """Whether the lock could be had, now or within so many seconds."""
    deadline = time.monotonic() + wait
    while True:
        try:
            _lock(file)
        except OSError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(PAUSE)
        else:
            return True


def _lock(file: int) -> None:
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        return
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
