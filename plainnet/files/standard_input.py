"""Text that a command is given on standard input."""

from __future__ import annotations

import sys

from plainnet.errors import UsageError
from plainnet.files.text_files import MAX_BYTES, decoded

__all__ = ["read_standard_input"]


def read_standard_input() -> str:
    """The text of standard input; `UsageError` where there is none."""
    if sys.stdin is None:  # Python's way to say that it was closed before the program began
        raise UsageError("standard input is closed; accepted: a structure on standard input for '-'")
    try:
        return decoded(sys.stdin.buffer.read(MAX_BYTES + 1), "standard input")
    except OSError as error:
        raise UsageError(f"standard input cannot be read: {error.strerror or error}") from None
