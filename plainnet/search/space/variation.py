"""How a child is made of its parents: what strategies ask of a space, whatever it is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

from plainnet.search.candidates.genes import Gene, Genes
from plainnet.search.space.space import Space

__all__ = ["Random", "Variation"]

Random = Callable[[], float]
"""Gives numbers in [0, 1)."""


class Variation(Protocol):
    """The operators of one space; a child that cannot keep its rules is None."""

    space: Space
    starts: tuple[Genes, ...]

    def mutate(self, genes: Genes, random: Random, *, blocks: int = 1) -> Genes | None:
        """A child of one parent; `blocks`: how many changes there may be."""

    def crossover(self, first: Genes, second: Genes, random: Random) -> Genes | None:
        """A child of two."""

    def shrink(self, genes: Genes, random: Random, *, depth: bool) -> Genes:
        """A cheaper relative, in depth or in another way; the candidate itself where there is none."""

    def neighbours(self, genes: Genes) -> Iterator[Genes]:
        """Every child that differs in one thing."""

    def text_of(self, genes: Genes) -> str:
        """The canonical string of a candidate."""

    def read_gene(self, rule: Any, source: str) -> Gene:
        """The gene that stands under a rule and has a `source`."""
