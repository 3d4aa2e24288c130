"""`-`: the structure on standard input."""

from __future__ import annotations

from plainnet.files.standard_input import read_standard_input
from plainnet.naming.form import Form, Reading
from plainnet.naming.subject import Subject
from plainnet.naming.written import structure_in

__all__ = ["FORM"]


def _takes(text: str) -> bool:
    return text == "-"


def _read(text: str, reading: Reading) -> Subject:
    structure, notes = structure_in(read_standard_input(), reading, where="standard input")
    return Subject(text, "from standard input", structure, notes=notes)


FORM = Form("standard input", "- (standard input)", 0, _takes, _read)
