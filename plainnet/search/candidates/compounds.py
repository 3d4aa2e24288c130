"""Genes of several blocks: what a search changes at once, as one block of a candidate is otherwise."""

from __future__ import annotations

from typing import Any

from plainnet.blocks.base import PlainNetBasicBlockClass
from plainnet.blocks.families.containers import Sequential
from plainnet.blocks.rows.layers import Layers
from plainnet.blocks.structure import Structure
from plainnet.search.candidates.genes import Gene, GenePool, Genes

__all__ = ["Compound", "Run", "genes_of"]


class Compound(Gene):
    """Blocks that a search changes together; they take no value by name from outside.

    They are one gene, under `rule`, that `source` is read back from; made anew whenever they are asked for, because a network of
    a thousand blocks weighs a thousand times what a gene does.
    """

    __slots__ = ("_source",)

    is_compound = True

    def __init__(self, rule: Any, source: str, blocks: tuple[PlainNetBasicBlockClass, ...]) -> None:
        structure = Structure(blocks)
        super().__init__(rule, source, (), structure.text)
        self._source = source
        self.depth = sum(block.num_layers() for block in blocks)

    @property
    def source(self) -> str:
        """What the gene is read back from."""
        return self._source

    def blocks(self) -> tuple[PlainNetBasicBlockClass, ...]:
        """The blocks, in order."""
        raise NotImplementedError

    @property
    def block(self) -> PlainNetBasicBlockClass:
        """The blocks as one."""
        return Sequential(blocks=self.blocks())  # type: ignore[call-arg]

    def kept_block(self) -> PlainNetBasicBlockClass:
        """The blocks as one."""
        return self.block

    def kept_blocks(self) -> tuple[PlainNetBasicBlockClass, ...]:
        """The blocks, in order."""
        return self.blocks()

    def layers(self) -> Layers:
        """The blocks as one layer."""
        return (self.block,)


class Run(Compound):
    """Blocks that take values of each other by name, and those between them."""

    __slots__ = ("_blocks",)

    def __init__(self, rule: Any, blocks: tuple[PlainNetBasicBlockClass, ...]) -> None:
        self._blocks = blocks
        super().__init__(rule, "".join(map(str, blocks)), blocks)

    def blocks(self) -> tuple[PlainNetBasicBlockClass, ...]:
        return self._blocks


def genes_of(structure: Structure, pool: GenePool) -> Genes:
    """The genes of any network, under no rules: what it costs and scores is asked of them."""
    found: list[Gene] = []
    first = 0
    for length in structure.unit_lengths:
        blocks = structure.blocks[first : first + length]
        found.append(pool.of_block(blocks[0], 0) if length == 1 else Run(0, blocks))
        first += length
    return tuple(found)
