"""How a calibrated score is called: `calibrated:FILE`, and `calibrated:FILE#DIGEST` for the file as it was then."""

from __future__ import annotations

import hashlib
from pathlib import Path

from plainnet.errors import UsageError
from plainnet.files.text_files import read_text

__all__ = ["PREFIX", "SHORT", "file_and_digest", "is_calibrated", "pinned", "short_name"]

SHORT = "calibrated"
PREFIX = f"{SHORT}:"
PIN = "#"
PIN_DIGITS = 12


def is_calibrated(name: str) -> bool:
    """Whether a name is that of a calibrated score."""
    return name.startswith(PREFIX)


def short_name(name: str) -> str:
    """What the values of a score are called: its name, without the file of a calibrated one."""
    return SHORT if is_calibrated(name) else name


def file_and_digest(name: str) -> tuple[str, str]:
    """The file of a name, and the digest that it is pinned to ("" for none)."""
    path, mark, digest = name.removeprefix(PREFIX).rpartition(PIN)
    if mark and len(digest) == PIN_DIGITS and set(digest) <= set("0123456789abcdef"):
        return path, digest
    return name.removeprefix(PREFIX), ""


def pinned(name: str) -> str:
    """The name of a calibrated score with the whole path of its file and the digest of what it holds; other names stay.

    `UsageError` where the file cannot be read, and where a name that is pinned already means other contents.
    """
    if not is_calibrated(name):
        return name
    path, digest = file_and_digest(name)
    if not path:
        raise UsageError(f"{name} names no file; accepted: {PREFIX}FILE, which plainnet calibrate writes")
    whole = Path(path).resolve()
    text = read_text(whole, what="calibration")
    now = hashlib.blake2b(text.encode(), digest_size=PIN_DIGITS // 2).hexdigest()
    if digest and digest != now:
        raise UsageError(f"{path} has changed since this was begun with it (it was {digest}, and is {now})")
    return f"{PREFIX}{whole}{PIN}{now}"
