"""A structure that is written out, in any form that is read."""

from __future__ import annotations

from dataclasses import replace

from plainnet.blocks.formats.foreign import read_network
from plainnet.blocks.structure import Structure
from plainnet.errors import StructureError
from plainnet.naming.form import Reading

__all__ = ["structure_in"]


def structure_in(
    text: str, reading: Reading, *, where: str | None = None, number: int | None = None
) -> tuple[Structure, tuple[str, ...]]:
    """The structure of a text, and what a reader should know of the reading; errors begin with `where`.

    number: which one, from 1, of a text that holds several.
    """
    try:
        read = read_network(text, number=number, drop_bits=reading.drop_bits, limits=reading.limits)
    except StructureError as error:
        if where is None:
            raise
        first, *others = error.problems
        named = replace(first, message=f"{where}: {first.message}")
        raise StructureError([named, *others], text=error.text) from None
    return read.structure, read.notes
