"""A file (or a pipe) that holds a structure; `FILE:2` is the second structure of one that holds several."""

from __future__ import annotations

from pathlib import Path

from plainnet.files import file_kinds
from plainnet.files.text_files import existing_path, read_text
from plainnet.naming.form import Form, Reading
from plainnet.naming.forms.components_file import is_components_file
from plainnet.naming.forms.weights_file import SUFFIXES
from plainnet.naming.subject import Subject
from plainnet.naming.written import structure_in

__all__ = ["FORM"]


def _place(text: str) -> tuple[Path | None, int | None]:
    """The file, and the number of `FILE:2`."""
    path = existing_path(text)
    if path is None:
        name, colon, number = text.rpartition(":")
        if colon and number.isascii() and number.isdigit() and len(number) < 6:
            return existing_path(name), int(number)
    return path, None


def _takes(text: str) -> bool:
    path, _ = _place(text)
    others = text.endswith(SUFFIXES) or is_components_file(text)
    return path is not None and not path.is_dir() and not others


def _read(text: str, reading: Reading) -> Subject:
    path, number = _place(text)
    assert path is not None
    file_kinds.refuse_records(path)
    with file_kinds.reading(path, "structure"):
        structure, notes = structure_in(read_text(path), reading, where=str(path), number=number)
    name = path.name if path.is_file() else None
    return Subject(text, f"from the file {text}", structure, name=name, notes=notes)


FORM = Form("a file with a structure", "FILE[:N]", 60, _takes, _read)
