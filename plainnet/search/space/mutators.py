"""What varies the candidates of a space: blocks by their rules, or the codes of cells."""

from __future__ import annotations

from plainnet.blocks.rows.shapes import Shape
from plainnet.blocks.structure import Structure, parse
from plainnet.errors import UsageError
from plainnet.search.candidates.genes import GenePool
from plainnet.search.space.cell_mutation import CellMutator, find_family, start_blocks
from plainnet.search.space.mutation import Mutator
from plainnet.search.space.space import Space
from plainnet.search.space.variation import Variation

__all__ = ["cell_code", "find_mutator", "start_structures"]


def find_mutator(space: Space, pool: GenePool, shape: Shape | None = None) -> Variation:
    """The operators of a space on the genes of a pool, for inputs of one shape (by default that of the space)."""
    return CellMutator(space) if space.cell is not None else Mutator(space, pool, shape)


def cell_code(space: Space, structure: str) -> str | None:
    """What a network of a space of cells is written from; None in a space of blocks, and for a network of another space."""
    if space.cell is None:
        return None
    family = find_family(space.cell)
    try:
        return family.write(family.code_of(structure))
    except UsageError:
        return None


def start_structures(space: Space) -> tuple[Structure, ...]:
    """The networks that a space starts from."""
    if space.cell is not None:
        return tuple(map(Structure, start_blocks(space)))
    return tuple(map(parse, space.start))
