"""Variation of cells: one place of a code changes, and with it every copy of the cell in the network."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from plainnet.blocks.base import PlainNetBasicBlockClass
from plainnet.blocks.rows.memo import BoundedMemo
from plainnet.search.candidates.compounds import Compound
from plainnet.search.candidates.genes import Genes
from plainnet.search.cells.families import FAMILIES
from plainnet.search.cells.family import CellFamily, Code
from plainnet.search.space.space import CellRule, Space
from plainnet.search.space.variation import Random

__all__ = ["CellMutator", "find_family", "start_blocks"]

KNOWN = 2_000
"""Cells that are remembered (of a large network, about 20 kB each)."""


def find_family(rule: CellRule) -> CellFamily:
    """The cells that a space names, in networks of the size that it says."""
    return FAMILIES[rule.family](**rule.sizes)


def start_blocks(space: Space) -> Iterator[tuple[PlainNetBasicBlockClass, ...]]:
    """The blocks of each network that a space of cells starts from."""
    assert space.cell is not None
    family = find_family(space.cell)
    for code in space.start:
        yield family.blocks(family.read(code))


class _Cell(Compound):
    """A whole network, by the code of its cell."""

    __slots__ = ("code", "family")

    def __init__(self, family: CellFamily, code: Code) -> None:
        self.family, self.code = family, code
        super().__init__(0, family.write(code), family.blocks(code))

    def blocks(self) -> tuple[PlainNetBasicBlockClass, ...]:
        return self.family.blocks(self.code)


class CellMutator:
    """The operators of a space of cells. A candidate is one gene, which holds the code."""

    def __init__(self, space: Space) -> None:
        assert space.cell is not None
        self.space, self.family = space, find_family(space.cell)
        self._known: BoundedMemo[Code, Genes] = BoundedMemo(KNOWN)
        self.starts: tuple[Genes, ...] = tuple(self._genes(self.family.read(code)) for code in space.start)

    def _genes(self, code: Code) -> Genes:
        found = self._known.get(code)
        if found is None:
            found = self._known[code] = (_Cell(self.family, code),)
        return found

    def read_gene(self, rule: Any, source: str) -> _Cell:  # noqa: ARG002
        """The gene of a code that is written so."""
        return self._genes(self.family.read(source))[0]  # type: ignore[return-value]

    def text_of(self, genes: Genes) -> str:
        """The canonical string of a network."""
        return genes[0].text

    def mutate(self, genes: Genes, random: Random, *, blocks: int = 1) -> Genes | None:
        """A network whose code differs at up to `blocks` places, each drawn from all networks that differ at one."""
        code = _code(genes)
        for _ in range(blocks):
            around = list(self.family.neighbours(code))
            if not around:
                return genes
            code = around[int(random() * len(around))]
        return self._genes(code)

    def crossover(self, first: Genes, second: Genes, random: Random) -> Genes | None:
        """Each place from either parent; None where that is no network."""
        pairs = zip(_code(first), _code(second), strict=True)
        code = self.family.ordered(tuple(pair[random() < 0.5] for pair in pairs))
        return self._genes(code) if self.family.is_network(code) else None

    def shrink(self, genes: Genes, random: Random, *, depth: bool) -> Genes:  # noqa: ARG002
        """The network with an option that costs less at one place."""
        smaller = list(self.family.neighbours(_code(genes), cheaper=True))
        return self._genes(smaller[int(random() * len(smaller))]) if smaller else genes

    def neighbours(self, genes: Genes) -> Iterator[Genes]:
        """Every network whose code differs at one place."""
        return map(self._genes, self.family.neighbours(_code(genes)))


def _code(genes: Genes) -> Code:
    (gene,) = genes
    assert isinstance(gene, _Cell)
    return gene.code
