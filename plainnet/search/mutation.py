"""Variation: how a child is made of its parents. All operators draw from one function that gives numbers in [0, 1).

The rules are those of the space; that neighbours fit (the next block takes what comes out), that deep blocks are
split and that widths keep to the space's order is seen to here, so every child is a network.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from plainnet.blocks.fields import FieldKind
from plainnet.search.genes import Gene, GenePool, Genes, kind_of
from plainnet.search.rules import Rule, resolve_rules
from plainnet.search.space import Change, Space

__all__ = ["Mutator"]

Random = Callable[[], float]

Moves = tuple[tuple[str, ...], tuple[tuple[int, list[int]], ...], tuple[tuple[int, int, Change], ...]]
"""Names that a gene may take, the options of its values, and its values that are multiples of other values."""


class Mutator:
    """The operators of one space on the genes of one pool."""

    def __init__(self, space: Space, pool: GenePool) -> None:
        self.space, self.pool = space, pool
        resolved = resolve_rules(space)
        self.rules = resolved.rules
        self.starts: tuple[Genes, ...] = tuple(
            pool.of_structure(structure, rules)
            for structure, rules in zip(resolved.starts, resolved.of_block, strict=True)
        )
        widths = space.widths
        self._bounded = widths.at_least_input or widths.at_most_input_times is not None or widths.at_most_next
        self._split_at = space.split.at_least if space.split else 1 << 30
        deep = any(gene.depth >= self._split_at and gene.values for start in self.starts for gene in start)
        self._everywhere = self._bounded or deep
        self._one = space.mutation.arguments == "one"
        self._known_options: dict[tuple[int, int], list[int]] = {}

    # One gene ---------------------------------------------------------------------------------

    def _moves(self, gene: Gene) -> Moves:
        rule: Rule = self.rules[gene.rule]
        kind = kind_of(gene.name) if gene.values else None
        options, ratios = [], []
        for name, change in rule.change.items() if kind else ():
            assert kind is not None
            index = kind.fields.index(name)
            limits = kind.cls.fields[index].kind
            if change.ratios is not None:
                ratios.append((index, kind.fields.index(change.of), change))
            else:
                options.append((index, self._options(change, gene.values[index], limits)))
        gene.moves = (rule.names or (gene.name,), tuple(options), tuple(ratios))
        return gene.moves  # type: ignore[no-any-return]

    def _options(self, change: Change, value: int, limits: FieldKind) -> list[int]:
        """What a value may become; widths being multiples of some step, few values are ever asked about."""
        key = (id(change), value)
        found = self._known_options.get(key)
        if found is None:
            found = self._known_options[key] = [_within(each, limits) for each in change.options(value)]
        return found

    def vary(self, gene: Gene, random: Random) -> Gene:
        """A replacement of a gene, drawn from all that its rule allows (the gene itself among it)."""
        names, options, ratios = gene.moves or self._moves(gene)
        if self._one:
            return self._vary_one(gene, random)
        name = names[int(random() * len(names))] if len(names) > 1 else gene.name
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
        names, options, ratios = gene.moves
        ways = len(options) + len(ratios) + (len(names) > 1)
        if not ways:
            return gene
        way, values, name = int(random() * ways), list(gene.values), gene.name
        if way < len(options):
            index, choices = options[way]
            values[index] = choices[int(random() * len(choices))]
        elif way < len(options) + len(ratios):
            index, of, change = ratios[way - len(options)]
            ratio_choices = change.ratios or []
            values[index] = change.limited(values[of] * ratio_choices[int(random() * len(ratio_choices))])
        else:
            name = names[int(random() * len(names))]
        return self.pool.gene((gene.rule, name, tuple(values)))

    def _pieces(self, gene: Gene) -> tuple[Gene, ...]:
        """The gene, or the two that a deep one is split into."""
        split = self.space.split
        if split is None or gene.depth < split.at_least or not gene.values:
            return (gene,)
        kind = kind_of(gene.name)
        if kind.depth < 0 or kind.in_channels < 0 or kind.out_channels < 0:
            return (gene,)
        first, rest = list(gene.values), list(gene.values)
        first[kind.depth] = split.first
        rest[kind.depth] -= split.first
        rest[kind.in_channels] = rest[kind.out_channels]
        if kind.stride >= 0:
            rest[kind.stride] = 1
        return tuple(self.pool.gene((gene.rule, gene.name, tuple(values))) for values in (first, rest))

    # Whole candidates -------------------------------------------------------------------------

    def mutate(self, genes: Genes, random: Random, *, blocks: int = 1) -> Genes:
        """A copy with up to `blocks` of its genes replaced (positions are drawn with replacement)."""
        length = len(genes)
        child = list(genes)
        changed = []
        for _ in range(blocks):
            position = int(random() * length)
            if child[position] is genes[position]:
                child[position] = self.vary(genes[position], random)
                changed.append(position)
        return self._joined_at(child, changed)

    def crossover(self, first: Genes, second: Genes, random: Random) -> Genes:
        """The front of one parent and the back of the other, cut before a block with a stride, at the same resolution;
        the first parent where they have no such place in common.
        """
        cuts = _strided(first)
        others = _strided(second)
        if not cuts or len(cuts) != len(others):
            return first
        cut = int(random() * len(cuts))
        return self.joined([*first[: cuts[cut]], *second[others[cut] :]])

    def joined(self, child: Sequence[Gene]) -> Genes:
        """The genes with every block taking what comes out before it, deep blocks split, widths in the space's order."""
        if self._bounded:
            child = self._bound_widths(list(child))
        out: list[Gene] = []
        width, split_at, pool = None, self._split_at, self.pool
        for gene in child:
            if gene.width_in != width and width is not None and gene.width_in is not None:
                fitting = pool.with_input(gene, width)
                if fitting is None:
                    return self._pinned(child)
                gene = fitting
            width = gene.width_out or width
            if gene.depth < split_at:
                out.append(gene)
            else:
                out.extend(self._pieces(gene))
        return tuple(out)

    def _joined_at(self, child: list[Gene], changed: list[int]) -> Genes:
        """`joined` of a candidate that is joined but for the genes at `changed`: only they and what follows them are looked
        at, unless something is met that takes more.
        """
        if self._everywhere:
            return self.joined(child)
        fitted, last = child[:], len(child) - 1
        changed.sort()
        for position in changed:
            gene = fitted[position]
            if position and gene.width_in != (width := fitted[position - 1].width_out):
                fitting = self.pool.with_input(gene, width) if width and gene.width_in else None
                if fitting is None:
                    return self.joined(child)
                fitted[position] = gene = fitting
            if gene.depth >= self._split_at:
                return self.joined(child)
            if position < last and (after := fitted[position + 1]).width_in != (width := gene.width_out):
                fitting = self.pool.with_input(after, width) if width and after.width_in else None
                if fitting is None or fitting.width_out != after.width_out:
                    return self.joined(child)
                fitted[position + 1] = fitting
        return tuple(fitted)

    def _pinned(self, child: Sequence[Gene]) -> Genes:
        """The genes where some block cannot take another width: the blocks before it put out what it takes."""
        fixed = list(child)
        for position in range(len(fixed) - 1, 0, -1):
            wanted, before = fixed[position].width_in, fixed[position - 1]
            if fixed[position].wide or wanted is None or before.width_out in (None, wanted):
                continue
            kind = kind_of(before.name)
            values = list(before.values)
            values[kind.out_channels] = wanted
            fixed[position - 1] = self.pool.gene((before.rule, before.name, tuple(values)))
        out: list[Gene] = []
        for gene in fixed:
            width = out[-1].width_out if out else None
            fitting = self.pool.with_input(gene, width) if width is not None and gene.wide else gene
            out.extend(self._pieces(fitting or gene))
        return tuple(out)

    def _bound_widths(self, child: list[Gene]) -> list[Gene]:
        """The genes with their widths in the space's order; what the first block makes of the image is its own affair."""
        widths = self.space.widths
        width = child[0].width_in
        for position, gene in enumerate(child):
            if width is None or gene.width_out is None or not gene.wide or not self.rules[gene.rule].change:
                width = gene.width_out or width
                continue
            low = width if widths.at_least_input and position else 1
            factor = widths.at_most_input_times if position else None
            high = width * factor if factor is not None else 1 << 30
            after = child[position + 1].width_out if position + 1 < len(child) else None
            if widths.at_most_next and after is not None:
                high = max(low, min(high, after))
            bounded = int(min(max(gene.width_out, low), high))
            if bounded != gene.width_out:
                kind = kind_of(gene.name)
                values = list(gene.values)
                values[kind.out_channels] = bounded
                child[position] = gene = self.pool.gene((gene.rule, gene.name, tuple(values)))
            width = bounded
        return child

    def shrink(self, genes: Genes, random: Random, *, depth: bool) -> Genes:
        """A cheaper relative: one block, drawn from those that can give something, with less depth or less width."""
        length = len(genes)
        first = int(random() * length)
        for offset in range(length):
            position = (first + offset) % length
            smaller = self._smaller(genes[position], random, depth=depth)
            if smaller is not None:
                return self._joined_at([*genes[:position], smaller, *genes[position + 1 :]], [position])
        return genes

    def _smaller(self, gene: Gene, random: Random, *, depth: bool) -> Gene | None:
        if gene.less is None:
            gene.less = self._less(gene)
        usable = gene.less[depth]
        if not usable:
            return None
        index, value = usable[int(random() * len(usable))]
        values = list(gene.values)
        values[index] = value
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
            less = [v for r in change.ratios or () if (v := change.limited(gene.values[of] * r)) < gene.values[index]]
            if less:
                usable[False].append((index, max(less)))
        return usable


def _within(value: int, kind: FieldKind) -> int:
    return int(min(max(value, kind.minimum), kind.maximum))


def _strided(genes: Genes) -> list[int]:
    """The positions of the blocks with a stride above 1, the first block left out."""
    return [
        position
        for position, gene in enumerate(genes)
        if position and gene.values and (at := kind_of(gene.name).stride) >= 0 and gene.values[at] > 1
    ]
