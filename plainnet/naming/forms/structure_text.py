"""A network string, or another form of a structure that is written out: not a name, and no path."""

from __future__ import annotations

import os

from plainnet.blocks.formats.foreign import is_written_out
from plainnet.naming.form import Form, Reading
from plainnet.naming.subject import Subject
from plainnet.naming.written import structure_in

__all__ = ["FORM", "NETWORK_STRING"]

NETWORK_STRING = "a network string"


def _takes(text: str) -> bool:
    """Parentheses may stand in names of files, too: what is there is no string."""
    is_written = is_written_out(text) or any(sign in text for sign in "[{\n") or not text.strip()
    return is_written and not os.path.exists(text)


def _read(text: str, reading: Reading) -> Subject:
    structure, notes = structure_in(text, reading)
    return Subject(text, NETWORK_STRING, structure, notes=notes)


FORM = Form(NETWORK_STRING, "STRUCTURE", 80, _takes, _read)
