"""Text that a command is given as a file, or on standard input."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from plainnet.errors import UsageError

__all__ = ["existing_path", "read_file", "read_standard_input"]

MAX_BYTES = 64 * 1024 * 1024
"""Far more than any structure: what is longer (a device that never ends) is no structure."""


def existing_path(text: str) -> Path | None:
    """The path that a text names, if there is something: a file, a pipe, a folder. Any text may be asked about, also one
    that is too long for a path.
    """
    return Path(text) if os.path.exists(text) else None


def read_file(path: Path) -> str:
    """The text of a file or a named pipe, without a byte order mark; `UsageError` for what holds no text."""
    if path.is_dir():
        raise UsageError(f"{path} is a directory; accepted: a file")
    try:
        with path.open("rb") as file:
            return _decoded(file.read(MAX_BYTES + 1), str(path))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from None


def read_standard_input() -> str:
    """The text of standard input; `UsageError` where there is none."""
    if sys.stdin is None:  # Python's way to say that it was closed before the program began
        raise UsageError("standard input is closed; accepted: a structure on standard input for '-'")
    try:
        return _decoded(sys.stdin.buffer.read(MAX_BYTES + 1), "standard input")
    except OSError as error:
        raise UsageError(f"standard input cannot be read: {error.strerror or error}") from None


def _decoded(data: bytes, name: str) -> str:
    if len(data) > MAX_BYTES:
        raise UsageError(f"{name} holds more than {MAX_BYTES // 1024**2} MiB: that is no structure")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{name} cannot be read: it is no UTF-8 text ({error.reason} at byte {error.start})") from None
