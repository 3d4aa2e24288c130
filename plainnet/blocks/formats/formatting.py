"""A structure for the eyes: one block a line, nested blocks indented. It reads back as the same structure."""

from __future__ import annotations

from collections.abc import Iterator

from plainnet.blocks.base import PlainNetBasicBlockClass
from plainnet.blocks.structure import Structure

__all__ = ["pretty"]

INDENT = "    "


def pretty(structure: Structure) -> str:
    """The structure with one block a line, and the blocks inside a block indented below it."""
    return "\n".join(line for block in structure.blocks for line in _lines(block, 0))


def _lines(block: PlainNetBasicBlockClass, depth: int) -> Iterator[str]:
    margin = INDENT * depth
    if not block.children:
        yield f"{margin}{block}"
        return
    numbers = [str(getattr(block, field.name)) for field in block.fields if not field.kind.is_children]
    label = f"{block.label}|" if block.label else ""
    yield f"{margin}{block.name}({label}{','.join(numbers)}{',' if numbers else ''}"
    for field in block.fields:
        if not field.kind.is_children:
            continue
        value = getattr(block, field.name)
        branches = value if field.kind.kind == "branches" else (value,)
        for number, branch in enumerate(branches):
            if number:
                yield f"{margin};"
            for child in branch:
                yield from _lines(child, depth + 1)
    yield f"{margin})"
