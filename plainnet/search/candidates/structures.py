"""The structure of a candidate, for what asks about whole networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from plainnet.blocks.structure import Structure
from plainnet.blocks.text.reader import read_blocks

__all__ = ["as_structure"]


def as_structure(genes: Sequence[Any]) -> Structure:
    """The structure of genes, which fit each other as they are made; unlike `parse` this checks nothing again."""
    structure = object.__new__(Structure)
    vars(structure).update(_ANY)
    structure._blocks = tuple([block for gene in genes for block in gene.kept_blocks()])
    structure.look_at_names()
    return structure


_ANY = dict(vars(Structure(read_blocks("RELU(1)"))))
"""What a structure holds beside its blocks."""
