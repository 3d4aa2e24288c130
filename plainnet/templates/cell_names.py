"""Names in strings of cells: two strings that differ in names only are one network."""

from __future__ import annotations

import re

__all__ = ["renamed"]


def renamed(text: str) -> str:
    """The text with the names of each cell (a `Sequential`, which holds no other) by their order in it."""
    return "".join(map(_renamed, re.split(r"(?=Sequential\()", text)))


def _renamed(cell: str) -> str:
    names: dict[str, str] = {}
    for name in re.findall(r"\(([A-Za-z_]\w*)\|", cell):
        names.setdefault(name, f"#{len(names)}")
    cell = re.sub(r"\(([A-Za-z_]\w*)\|", lambda found: f"({names[found[1]]}|", cell)
    return re.sub(r"From\((\w+)\)", lambda found: f"From({names.get(found[1], found[1])})", cell)
