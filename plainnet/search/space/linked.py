"""Variation of blocks that take values of each other by name.

They are one gene. Where one of them is varied by its rule, the values that are taken stay what they are, and the widths of
all follow: a block takes what comes in, by name too, and blocks whose values are added change together. What does not fit
then, or breaks a rule, is no child.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple
from weakref import proxy

from plainnet.blocks.base import PlainNetBasicBlockClass
from plainnet.blocks.chain import chain_channels, chain_problems
from plainnet.blocks.families.containers import first_channels
from plainnet.blocks.rows.layers import LayerError
from plainnet.blocks.rows.memo import BoundedMemo
from plainnet.blocks.rows.shapes import Shape
from plainnet.blocks.rows.value_names import IN
from plainnet.blocks.rows.walk import WalkError, dead_rows
from plainnet.blocks.structure import Structure
from plainnet.errors import StructureError
from plainnet.search.candidates.compounds import Run
from plainnet.search.candidates.genes import UNKNOWN, Gene, Genes
from plainnet.search.space.variation import Random
from plainnet.search.space.widths import Path, followed_block, replaced, taken_places, tied_places

if TYPE_CHECKING:
    from plainnet.search.space.mutation import Mutator

__all__ = ["Linked", "Links"]

KNOWN = 10_000
"""Runs of blocks that are remembered."""
Block = PlainNetBasicBlockClass


class Part(NamedTuple):
    """One of the blocks: with its name, the rule that it stands under, and its gene where a rule may be for it."""

    block: Block
    rule: int
    gene: Gene | None


class Linked(Run):
    """Blocks that take values of each other, each under its rule, where `came` channels come in (None: not known).

    `rule` is the channels that come in (0: not known), and the rules of the blocks.
    """

    __slots__ = ("parts",)

    def __init__(self, parts: tuple[Part, ...], came: int | None) -> None:
        blocks = tuple(part.block for part in parts)
        super().__init__([came or UNKNOWN, *[part.rule for part in parts]], blocks)
        problem = next(chain_problems(blocks, channels=came), None)
        if problem is not None:
            raise StructureError(problem.message)
        self.parts, self.width_in = parts, came
        self.width_out = chain_channels(blocks, came) or UNKNOWN


class Links:
    """What a mutator does with such genes."""

    def __init__(self, mutator: Mutator, shape: Shape) -> None:
        self._mutator: Mutator = proxy(mutator)  # no circle: a search's genes go when it does, not at some later time
        self._shape = shape
        self._known: BoundedMemo[tuple[str, int | None, tuple[int, ...]], Linked] = BoundedMemo(KNOWN)

    def genes(self, structure: Structure, rules: Sequence[int]) -> Genes:
        """The genes of a structure whose blocks stand under `rules`."""
        found: list[Gene] = []
        first, came = 0, first_channels(structure.blocks)
        for length in structure.unit_lengths:
            blocks, numbers = structure.blocks[first : first + length], rules[first : first + length]
            single = self._mutator.pool.of_block(blocks[0], numbers[0]) if length == 1 else None
            found.append(single or self.of_blocks(blocks, numbers, came))
            came = self._behind(structure, first + length, chain_channels(blocks, came))
            first += length
        return tuple(found)

    def _behind(self, structure: Structure, count: int, channels: int | None) -> int | None:
        """The channels behind so many blocks: where only values by name say them, what the maps tell."""
        if channels is not None or count >= len(structure):
            return channels
        try:
            return structure.totals(self._shape)[count - 1].out_shape.channels
        except StructureError:
            return None

    def of_blocks(self, blocks: Sequence[Block], rules: Sequence[int], came: int | None) -> Linked:
        """The gene of blocks, each under its rule, where `came` channels come in; `StructureError` where they do not fit."""
        pool = self._mutator.pool
        parts = [
            Part(block, rule, None if block.children or block.taken_names else pool.of_block(block, rule))
            for block, rule in zip(blocks, rules, strict=True)
        ]
        return self._gene(parts, came)

    def _gene(self, parts: Sequence[Part], came: int | None) -> Linked:
        key = ("".join([str(part.block) for part in parts]), came, tuple([part.rule for part in parts]))
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = Linked(tuple(parts), came)
        return found

    # Children ---------------------------------------------------------------------------------

    def ways(self, gene: Linked) -> int:
        """In how many places a gene may change."""
        return len(self._able(gene)) + len(self._redirections(gene))

    def _able(self, gene: Linked) -> list[int]:
        """The numbers of the blocks that a rule lets vary."""
        if gene.less is None:
            gene.less = [
                number
                for number, part in enumerate(gene.parts)
                if part.gene is not None and self._mutator.may_vary(part.gene)
            ]
        return gene.less  # type: ignore[no-any-return]

    def _redirections(self, gene: Linked) -> list[tuple[Path, Block, list[str]]]:
        """The places that may take another value, and which."""
        if not self._mutator.space.mutation.redirect:
            return []
        if gene.moves is None:
            gene.moves = [
                (place, block, others)
                for place, block, names in taken_places(gene.blocks())
                if (others := [name for name in names if name != block.taken_value])
            ]
        return gene.moves  # type: ignore[no-any-return]

    def vary(self, gene: Linked, random: Random) -> Linked | None:
        """The gene with one of its blocks varied, or with another value taken somewhere."""
        able, redirections = self._able(gene), self._redirections(gene)
        way = int(random() * (len(able) + len(redirections)))
        if way < len(able):
            part = gene.parts[able[way]]
            assert part.gene is not None
            other = self._mutator.vary(part.gene, random)
            return gene if other is part.gene else self._with(gene, able[way], other)
        place, block, names = redirections[way - len(able)]
        return self._redirected(gene, place, block, names[int(random() * len(names))])

    def smaller(self, gene: Linked, random: Random, *, depth: bool) -> Linked | None:
        """The gene with less depth or width in one of its blocks, drawn from those that can give something."""
        able = self._able(gene)
        first = int(random() * len(able)) if able else 0
        for offset in range(len(able)):
            number = able[(first + offset) % len(able)]
            less = self._mutator.smaller(gene.parts[number].gene, random, depth=depth)  # type: ignore[arg-type]
            found = self._with(gene, number, less) if less is not None else None
            if found is not None:
                return found
        return None

    def others(self, gene: Linked) -> Iterator[Linked]:
        """The gene with one thing about one of its blocks changed."""
        for number in self._able(gene):
            for other in self._mutator.others(gene.parts[number].gene):  # type: ignore[arg-type]
                found = self._with(gene, number, other)
                if found is not None:
                    yield found
        for place, block, names in self._redirections(gene):
            for name in names:
                found = self._redirected(gene, place, block, name)
                if found is not None:
                    yield found

    def _with(self, gene: Linked, number: int, other: Gene) -> Linked | None:
        """The gene with another block, and all widths that are tied to it."""
        before = gene.parts[number].gene
        assert before is not None
        parts = list(gene.parts)
        parts[number] = parts[number]._replace(gene=other)
        wanted: dict[Path, int] = {}
        if before.wide and other.width_out and other.width_out != before.width_out:
            wanted = dict.fromkeys(tied_places(gene.blocks()).get((number,), ()), other.width_out)
        return self._joined(parts, gene.width_in, wanted)

    def _redirected(self, gene: Linked, place: Path, block: Block, name: str) -> Linked | None:
        """The gene with another value taken at a place; None where nothing would depend on some block any more."""
        taking = block.replace(value=name)
        try:
            blocks = replaced(gene.blocks(), place, taking)
            parts = [part._replace(block=other) for part, other in zip(gene.parts, blocks, strict=True)]
            found = self._joined(parts, gene.width_in, {})
            return None if found is None or self._is_dead_somewhere(found) else found
        except (StructureError, LayerError, WalkError):
            return None

    def _is_dead_somewhere(self, gene: Linked) -> bool:
        """Whether nothing depends on some layer; on maps of the space's size, for where the blocks stand is not known here."""
        _, height, width = self._shape
        return bool(dead_rows(gene.blocks(), Shape(gene.width_in or self._shape.channels, height, width)))

    def taking(self, gene: Linked, width: int) -> Linked | None:
        """The gene with other channels coming in."""
        return self._joined(gene.parts, width, {})

    def _joined(self, parts: Sequence[Part], came: int | None, wanted: Mapping[Path, int]) -> Linked | None:
        """The blocks with all widths followed; None where one of them cannot follow."""
        names: dict[str, int | None] = {IN: came}
        found: list[Part] = []
        now = came
        try:
            for number, part in enumerate(parts):
                if part.gene is None:
                    block, now = followed_block(part.block, now, names, wanted, (number,))
                    found.append(part._replace(block=block))
                else:
                    pieces = self._mutator.joiner.fitted(part.gene, now, wanted.get((number,)))
                    if not pieces:
                        return None
                    labels = [*[None] * (len(pieces) - 1), part.block.label]
                    found += [
                        Part(piece.kept_block().with_label(label), part.rule, piece)
                        for piece, label in zip(pieces, labels, strict=True)
                    ]
                    now = pieces[-1].block.channels_out(now)
                if part.block.label is not None:
                    names[part.block.label] = now
            return self._gene(found, came)
        except (StructureError, LayerError):
            return None
