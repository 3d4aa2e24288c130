"""Texts and JSON that a user gives as a file: bounded in size and depth, and every way in which there is none said in a
sentence.
"""

from __future__ import annotations

import json
import math
import os
import re
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from plainnet.errors import UsageError

__all__ = ["MAX_BYTES", "decoded", "existing_path", "json_value", "printable", "read_text"]

MAX_BYTES = 64 * 1024 * 1024
"""Far more than any structure or table: what is longer (a device that never ends) is none."""
_LARGE = re.compile(r"\d{300}|\d[eE]\+?\d{3}")
"""What a number looks like that may be beyond all that a `float` holds."""
WAIT_FOR_WRITER = 3.0
"""So many seconds may a named pipe be without anybody who writes to it."""


def existing_path(text: str) -> Path | None:
    """The path that a text names, if there is something: a file, a pipe, a folder. Any text may be asked about, also one
    that is too long for a path.
    """
    return Path(text) if os.path.exists(text) else None


def read_text(path: Path, *, what: str = "structure") -> str:
    """The text of a file or a named pipe, without a byte order mark; `UsageError` for what holds no text.

    what: what the file is to hold, for the message about one that is too long.
    """
    try:
        if path.is_dir():
            raise UsageError(f"{path} is a directory; accepted: a file")
        return decoded(_bytes(path), str(path), what=what)
    except UsageError:
        raise
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from None
    except ValueError as error:  # a name with a null character
        raise UsageError(f"{str(path)!r} cannot be read: {error}") from None


def _bytes(path: Path) -> bytes:
    """What a file holds, or what comes through a named pipe, up to one byte more than is accepted."""
    if not stat.S_ISFIFO(os.stat(path).st_mode):
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        first = _first_bytes(path, descriptor)
        os.set_blocking(descriptor, True)
        return first + file.read(MAX_BYTES + 1 - len(first))


def _first_bytes(path: Path, descriptor: int) -> bytes:
    """What is in a pipe, as soon as somebody writes to it."""
    deadline = time.monotonic() + WAIT_FOR_WRITER
    while time.monotonic() < deadline:
        try:
            found = os.read(descriptor, MAX_BYTES)
        except BlockingIOError:  # there is a writer, and nothing from it yet
            return b""
        if found:
            return found
        time.sleep(0.02)
    raise UsageError(f"{path} is a pipe that nobody writes to; accepted: a file, or a pipe with a writer")


def decoded(data: bytes, name: str, *, what: str = "structure") -> str:
    """The text of bytes; `UsageError` names where they came from."""
    if len(data) > MAX_BYTES:
        raise UsageError(f"{name} holds more than {MAX_BYTES // 1024**2} MiB: that is no {what}")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{name} cannot be read: it is no UTF-8 text ({error.reason} at byte {error.start})") from None


def printable(text: str, *, keep: str = "") -> str:
    """A text from elsewhere as a terminal may be shown it: what is no character to read is written as Python writes it.

    keep: what stays as it is all the same.

    >>> printable("cat\\x1b[2J")
    'cat\\\\x1b[2J'
    """
    return "".join(
        letter if letter.isprintable() or letter in keep else letter.encode("unicode_escape").decode()
        for letter in text
    )


def _bounded(kind: type[int] | type[float]) -> Callable[[str], int | float]:
    """Reads a number, and refuses what is beyond all that a `float` holds: `1e999` would be infinite, and an integer of 400
    digits ends whoever compares it with one.
    """

    def read(text: str) -> int | float:
        if not math.isfinite(float(text)):
            raise ValueError(f"{text[:40]} is too large for a number")
        return kind(text)

    return read


def json_value(text: str, where: str) -> Any:
    """The value of a JSON text; `UsageError` that begins with `where` for what is none, or holds NaN, numbers that no `float`
    holds or halves of characters, which no file can be written with.
    """

    def refuse(constant: str) -> Any:
        raise ValueError(f"{constant} is no number of JSON")

    try:
        parts: dict[str, Any] = (
            {"parse_int": _bounded(int), "parse_float": _bounded(float)} if _LARGE.search(text) else {}
        )
        value = json.loads(text, parse_constant=refuse, **parts)
        if "\\ud" in text.lower():  # an escape of half a character, or of both halves
            json.dumps(value, ensure_ascii=False).encode()
        return value
    except RecursionError:
        raise UsageError(f"{where}: the JSON is nested too deep") from None
    except ValueError as error:
        raise UsageError(f"{where}: no JSON: {error}") from None
