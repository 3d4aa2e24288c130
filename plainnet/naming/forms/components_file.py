"""`net.yaml`: a file of components (a backbone, a neck, heads) and the wires between them."""

from __future__ import annotations

import re
from dataclasses import replace
from os.path import isfile
from pathlib import Path
from shlex import quote

from plainnet.naming.form import Form, Reading
from plainnet.naming.subject import Subject

__all__ = ["FORM", "is_components_file"]

_MOST = 1_000_000
"""Characters of a file in which a backbone is looked for."""


def is_components_file(text: str) -> bool:
    """Whether a text is the path of a YAML file that says a backbone at its top."""
    if not text.endswith((".yaml", ".yml")) or not isfile(text):
        return False
    try:
        with open(text, encoding="utf-8", errors="replace") as file:
            return re.search(r"^[\"']?backbone[\"']?[ \t]*:", file.read(_MOST), re.MULTILINE) is not None
    except OSError:  # whoever reads it as something else says so
        return False


def _read(text: str, reading: Reading) -> Subject:
    from plainnet.naming.stored_components import composition_of

    found, _, parts = composition_of(Path(text), limits=reading.limits)
    notes = [
        f"the weights of {part.said} are not taken here, but by: plainnet store compose {quote(text)}"
        for part in parts.values()
    ]
    return replace(
        found,
        said=text,
        form=f"of the components in {text}",
        name=Path(text).name,
        notes=(*found.notes, *dict.fromkeys(notes)),
    )


FORM = Form("a file of components", "NET.yaml", 55, is_components_file, _read)
