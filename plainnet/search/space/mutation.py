"""Variation: how a child is made of its parents. All operators draw from one function that gives numbers in [0, 1).

The rules are those of the space; that a child is a network which keeps them is seen to by `plainnet.search.space.joining`. A
child that cannot be one is None.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from plainnet.blocks.rows.shapes import Shape
from plainnet.blocks.text.reader import read_blocks
from plainnet.search.candidates.genes import Gene, GenePool, Genes, kind_of
from plainnet.search.candidates.structures import as_structure
from plainnet.search.space.joining import Joiner
from plainnet.search.space.linked import Linked, Links
from plainnet.search.space.rules import resolve_rules
from plainnet.search.space.space import Change, Space
from plainnet.search.space.variation import Random

__all__ = ["Mutator"]

Moves = tuple[tuple[str, ...], tuple[tuple[int, list[int]], ...], tuple[tuple[int, int, Change], ...]]
"""Names that a gene may take, the options of its values, and its values that are multiples of other values."""


class Mutator:
    """The operators of one space on the genes of one pool, for inputs of one shape (by default that of the space)."""

    def __init__(self, space: Space, pool: GenePool, shape: Shape | None = None) -> None:
        self.space, self.pool = space, pool
        resolved = resolve_rules(space)
        self.rules = resolved.within_limits()
        self.shape = shape = shape or Shape(resolved.starts[0].in_channels, space.resolution, space.resolution)
        self.joiner = Joiner(space, pool, self.rules, shape)
        self._one = space.mutation.arguments == "one"
        self._known_options: dict[tuple[int, int], list[int]] = {}
        self.links = Links(self, shape)
        self.joiner.take = self.links.taking
        self.written: tuple[Genes, ...] = tuple(map(self.links.genes, resolved.starts, resolved.of_block))
        """the start structures as they are written"""
        self.joiner.watch_for(self.written)
        self.starts: tuple[Genes, ...] = tuple(self.joiner.joined(start) or start for start in self.written)
        self._named = not all(start.is_plain for start in resolved.starts)
        self._some_fixed = any(
            gene.is_compound or self.rules[gene.rule].is_frozen for start in self.written for gene in start
        )

    # One gene ---------------------------------------------------------------------------------

    def _moves(self, gene: Gene) -> Moves:
        rule = self.rules[gene.rule]
        kind = kind_of(gene.name) if gene.values else None
        options, ratios = [], []
        for name, change in rule.change.items() if kind else ():
            assert kind is not None
            index = kind.fields.index(name)
            if change.ratios is not None:
                ratios.append((index, kind.fields.index(change.of), change))
            else:
                options.append((index, self._options(change, gene.values[index])))
        if self._one:  # what is drawn alone is drawn to be another one
            options = [(index, other) for index, choices in options if (other := _without(choices, gene.values[index]))]
            ratios = [
                each for each in ratios if _without(each[2].multiples(gene.values[each[1]]), gene.values[each[0]])
            ]
        gene.fixed = not (options or ratios or _without(rule.names, gene.name))
        gene.moves = (rule.names or (gene.name,), tuple(options), tuple(ratios))
        return gene.moves  # type: ignore[no-any-return]

    def _options(self, change: Change, value: int) -> list[int]:
        """What a value may become; widths being multiples of some step, few values are ever asked about."""
        key = (id(change), value)
        found = self._known_options.get(key)
        if found is None:
            found = self._known_options[key] = change.options(value)
        return found

    def text_of(self, genes: Genes) -> str:
        """The canonical string of a candidate: names are numbered through the whole of it."""
        return as_structure(genes).text if self._named else "".join([gene.text for gene in genes])

    def may_vary(self, gene: Gene) -> bool:
        """Whether a rule lets a block become another one."""
        if gene.moves is None:
            self._moves(gene)
        return not gene.fixed

    def vary(self, gene: Gene, random: Random) -> Gene:
        """A replacement of a gene, drawn from all that its rule allows (the gene itself among it)."""
        names, options, ratios = gene.moves or self._moves(gene)
        if self._one:
            return self._vary_one(gene, random)
        name = names[int(random() * len(names))] if len(names) > 1 else names[0]
        if not options and name == gene.name and not ratios:
            return gene
        values = list(gene.values)
        for index, choices in options:
            values[index] = choices[int(random() * len(choices))]
        for index, of, change in ratios:
            choices = change.ratios or []
            values[index] = change.limited(values[of] * choices[int(random() * len(choices))])
        return self.pool.gene((gene.rule, name, tuple(values)))

    def _vary_one(self, gene: Gene, random: Random) -> Gene:
        """The gene with another name, or one other argument (those that are multiples of it follow)."""
        names, options, ratios = gene.moves
        names = () if len(names) == 1 and names[0] == gene.name else _without(names, gene.name)
        ways = len(options) + len(ratios) + bool(names)
        if not ways:
            return gene
        way, values, name = int(random() * ways), list(gene.values), gene.name
        if way < len(options):
            index, choices = options[way]
            values[index] = choices[int(random() * len(choices))]
            self.joiner.keep_ratios(gene, values, drawn=())
        elif way < len(options) + len(ratios):
            index, of, change = ratios[way - len(options)]
            choices = _without(change.multiples(values[of]), values[index])
            values[index] = choices[int(random() * len(choices))]
        else:
            name = names[int(random() * len(names))]
        return self.pool.gene((gene.rule, name, tuple(values)))

    # Whole candidates -------------------------------------------------------------------------

    def mutate(self, genes: Genes, random: Random, *, blocks: int = 1) -> Genes | None:
        """A copy with up to `blocks` of its genes that may change replaced (positions are drawn with replacement)."""
        places = self._places(genes) if self._some_fixed else range(len(genes))
        length = len(places)
        if not length:
            return genes
        child = list(genes)
        changed = []
        for _ in range(blocks):
            position = places[int(random() * length)]
            gene = child[position]
            if gene is genes[position] and not gene.is_compound:
                child[position] = self.vary(gene, random)
                changed.append(position)
            elif isinstance(gene, Linked):
                varied = self.links.vary(gene, random)
                if varied is None:
                    return None
                child[position] = varied
                changed.append(position)
        return self.joiner.joined_at(child, changed)

    def _places(self, genes: Genes) -> list[int]:
        """The positions of the genes that may change."""
        places = []
        for position, gene in enumerate(genes):
            if isinstance(gene, Linked):
                places += [position] * self.links.ways(gene)
            elif self.may_vary(gene):
                places.append(position)
        return places

    def crossover(self, first: Genes, second: Genes, random: Random) -> Genes | None:
        """The front of one parent and the back of the other, cut before a block with a stride, at the same resolution;
        the first parent where they have no such place in common.
        """
        cuts = _strided(first)
        others = _strided(second)
        if not cuts or len(cuts) != len(others):
            return first
        cut = int(random() * len(cuts))
        return self.joiner.joined([*first[: cuts[cut]], *second[others[cut] :]])

    def shrink(self, genes: Genes, random: Random, *, depth: bool) -> Genes:
        """A cheaper relative: one block, drawn from those that can give something, with less depth or less width; the
        candidate itself where nothing can.
        """
        length = len(genes)
        first = int(random() * length)
        for offset in range(length):
            position = (first + offset) % length
            smaller = self.smaller(genes[position], random, depth=depth)
            if smaller is not None:
                child = self.joiner.joined_at([*genes[:position], smaller, *genes[position + 1 :]], [position])
                if child is not None and child != genes:
                    return child
        return genes

    def smaller(self, gene: Gene, random: Random, *, depth: bool) -> Gene | None:
        """A gene with less depth, or less width; None where it has none to give."""
        if isinstance(gene, Linked):
            return self.links.smaller(gene, random, depth=depth)
        if gene.less is None:
            gene.less = self._less(gene)
        usable = gene.less[depth]
        if not usable:
            return None
        index, value = usable[int(random() * len(usable))]
        return self._with_value(gene, index, value)

    def _with_value(self, gene: Gene, index: int, value: int) -> Gene:
        values = list(gene.values)
        values[index] = value
        self.joiner.keep_ratios(gene, values, drawn=())
        return self.pool.gene((gene.rule, gene.name, tuple(values)))

    def _less(self, gene: Gene) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """The arguments of a gene that can be less, each with the next smaller value: widths and the like, and depth."""
        _, options, ratios = gene.moves or self._moves(gene)
        depth_index = kind_of(gene.name).depth if gene.values else -1
        usable: tuple[list[tuple[int, int]], list[tuple[int, int]]] = ([], [])
        for index, choices in options:
            less = [value for value in choices if value < gene.values[index]]
            if less:
                usable[index == depth_index].append((index, max(less)))
        for index, of, change in ratios:
            less = [value for value in change.multiples(gene.values[of]) if value < gene.values[index]]
            if less:
                usable[False].append((index, max(less)))
        return usable

    def read_gene(self, rule: Any, source: str) -> Gene:
        """The gene of a block that is written so, under a rule; of several blocks, the channels that come in and their rules."""
        if isinstance(rule, list):
            came, *rules = rule
            return self.links.of_blocks(read_blocks(source), rules, came or None)
        return self.pool.of_block(read_blocks(source)[0], rule)

    def neighbours(self, genes: Genes) -> Iterator[Genes]:
        """Every candidate that differs in one argument, or in the name, of one block."""
        for position, gene in enumerate(genes):
            for other in self.others(gene):
                child = self.joiner.joined_at([*genes[:position], other, *genes[position + 1 :]], [position])
                if child is not None and child != genes:
                    yield child

    def others(self, gene: Gene) -> Iterator[Gene]:
        """Every gene that differs in one argument, or in the name."""
        if isinstance(gene, Linked):
            yield from self.links.others(gene)
            return
        names, options, ratios = gene.moves or self._moves(gene)
        for name in _without(names, gene.name):
            yield self.pool.gene((gene.rule, name, gene.values))
        for index, choices in options:
            for value in dict.fromkeys(_without(choices, gene.values[index])):
                yield self._with_value(gene, index, value)
        for index, of, change in ratios:
            for value in dict.fromkeys(_without(change.multiples(gene.values[of]), gene.values[index])):
                yield self._with_value(gene, index, value)


def _without(choices: Sequence[object], present: object) -> list:  # type: ignore[type-arg]
    return [each for each in choices if each != present]


def _strided(genes: Genes) -> list[int]:
    """The positions of the blocks with a stride above 1, the first block left out."""
    return [
        position
        for position, gene in enumerate(genes)
        if position and gene.values and (at := kind_of(gene.name).stride) >= 0 and gene.values[at] > 1
    ]
