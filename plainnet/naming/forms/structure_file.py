"""A file (or a pipe) that holds a structure; `FILE:2` is the second structure of one that holds several."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from plainnet.blocks.rows.limits import MOST_SIDE
from plainnet.blocks.rows.variants import Variant
from plainnet.errors import UsageError
from plainnet.files import file_kinds
from plainnet.files.text_files import existing_path, json_value, read_text
from plainnet.naming.form import Form, Reading
from plainnet.naming.forms.components_file import is_components_file
from plainnet.naming.forms.weights_file import SUFFIXES
from plainnet.naming.subject import Known, Subject
from plainnet.naming.written import structure_in

__all__ = ["FORM"]

ANALYSED = "from the analysis"


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
    found = Subject(text, f"from the file {text}", structure, name=name, notes=notes)
    return _as_analysed(found, path) if number is None and path.suffix == ".json" else found


def _as_analysed(found: Subject, path: Path) -> Subject:
    """A network with the variant, the size and the classes with which an analysis (`analyze --json`) has counted it."""
    kind = file_kinds.kind_of(path)
    if kind is None or not kind.schema.startswith("plainnet.analysis"):
        return found
    said = json_value(read_text(path), f"{path} holds no analysis")
    try:
        assert found.structure is not None
        if said["structure"] != str(found.structure):
            raise ValueError("its structure is not the one that was read")
        _, height, width = map(int, said["input"])
        classes = int(said["num_classes"])
        if not (1 <= min(height, width) <= max(height, width) <= MOST_SIDE and classes >= 0):
            raise ValueError(f"images of {height}x{width}, and {classes} classes")
        return replace(
            found,
            variant=Known(Variant(**said["variant"]), ANALYSED),
            resolution=Known(height if height == width else (height, width), ANALYSED),
            num_classes=Known(classes, ANALYSED),
            notes=(),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{path} is a damaged analysis: {error}") from None


FORM = Form("a file with a structure", "FILE[:N]", 60, _takes, _read)
