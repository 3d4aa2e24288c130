"""Candidates as networks: every block takes what comes out before it, deep blocks are split, and the rules are kept.

The rules of a space are constraints. What was changed is fitted to them where that leaves a network that keeps them
all; where it does not, there is no candidate.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

from plainnet.blocks.rows.counts import block_totals
from plainnet.blocks.rows.shapes import Shape
from plainnet.search.candidates.faults import FAULTS
from plainnet.search.candidates.genes import UNKNOWN, Gene, GenePool, Genes, kind_of
from plainnet.search.space.linked import Linked
from plainnet.search.space.rules import Rule
from plainnet.search.space.space import Change, Space

__all__ = ["Joiner"]

OUT = "out_channels"
_Constraint = tuple[str, int, Change, int]


class Joiner:
    """What makes networks of genes, for one space and one input."""

    def __init__(self, space: Space, pool: GenePool, rules: Sequence[Rule], shape: Shape) -> None:
        self.space, self.pool, self.rules, self.shape = space, pool, rules, shape
        widths = space.widths
        self._ordered = widths.at_least_input or widths.at_most_next
        self._bounded = self._ordered or widths.at_most_input_times is not None
        self._split_at = space.split.at_least if space.split else 1 << 30
        self._free: list[Change | None] = [rule.change.get(OUT) for rule in rules]
        """rule -> how widths under it may change; None where they may not"""
        self._constraints: dict[tuple[int, str], tuple[_Constraint, ...]] = {}
        self._ratios: dict[tuple[int, str], tuple[tuple[int, Change, int], ...]] = {}
        self._accepted: dict[tuple[int, int], bool] = {}
        self.take: Callable[[Linked, int], Gene | None] = lambda gene, width: None  # noqa: ARG005
        """how blocks that take values of each other take other channels"""
        self.everywhere = self._bounded
        """whether every gene is to be looked at, whatever was changed"""

    def watch_for(self, starts: Sequence[Genes]) -> None:
        """Look at every gene where the starts hold something that a change far away may concern."""
        self.everywhere = self._bounded or any(
            (gene.depth >= self._split_at and gene.values) or gene.width_out == UNKNOWN
            for start in starts
            for gene in start
        )

    def joined(self, child: Sequence[Gene]) -> Genes | None:
        """The genes as a network that keeps the rules; None if they cannot be one."""
        genes: list[Gene] | None = list(child)
        for _ in range(len(child) + 1):
            if genes is not None and self._bounded:
                genes = self._bound_widths(genes)
            if genes is None:
                return None
            found = self._chained(genes)
            if not isinstance(found, int):
                return found if self.keeps(found) else None
            genes = self._pinned(genes, found)
        return None

    def joined_at(self, child: list[Gene], changed: list[int]) -> Genes | None:
        """`joined` of a candidate that is joined but for the genes at `changed`: only they and what follows them are looked
        at, unless something is met that takes more.
        """
        if self.everywhere:
            return self.joined(child)
        fitted, last, fit = child[:], len(child) - 1, self.pool.with_input
        changed.sort()
        for position in changed:
            gene = fitted[position]
            if position and gene.width_in != (width := fitted[position - 1].width_out):
                fitting = None
                if width and gene.width_in:
                    fitting = fit(gene, width) if gene.wide else self._follow(gene, width)
                if fitting is None:
                    return self.joined(child)
                fitted[position] = gene = fitting
            if gene.depth >= self._split_at:
                return self.joined(child)
            if position < last and (after := fitted[position + 1]).width_in != (width := gene.width_out):
                fitting = None
                if width and after.width_in:
                    fitting = fit(after, width) if after.wide else self._follow(after, width)
                if fitting is None or fitting.width_out is None or fitting.width_out != after.width_out:
                    return self.joined(child)
                fitted[position + 1] = fitting
        return tuple(fitted)

    def _chained(self, child: Sequence[Gene]) -> Genes | int:
        """The genes with every block taking what comes in; or the position of one that cannot."""
        out: list[Gene] = []
        width: int | None = None
        for position, gene in enumerate(child):
            wanted = gene.width_in
            if wanted is not None and wanted != width and width is not None:
                if width == UNKNOWN:
                    width = self._width_of_map(out)
                fitting = self._follow(gene, width) if width and width != wanted else gene
                if fitting is None:
                    return position
                gene = fitting
            width = width if gene.width_out is None else gene.width_out
            out.extend(self._pieces(gene) if gene.depth >= self._split_at else (gene,))
        return tuple(out)

    def fitted(self, gene: Gene, came: int | None, wanted: int | None) -> tuple[Gene, ...]:
        """The gene taking what comes in and putting out the channels `wanted` (None: any), in pieces where it is deep; none where
        it cannot.
        """
        fitting: Gene | None = gene
        if came and gene.width_in not in (None, came):
            fitting = self._follow(gene, came)
        if fitting is not None and wanted is not None and fitting.width_out != wanted:
            change = self._free[fitting.rule]
            fitting = self.with_width(fitting, wanted) if change is not None and change.accepts(wanted) else None
        if fitting is None:
            return ()
        return self._pieces(fitting) if fitting.depth >= self._split_at else (fitting,)

    def _follow(self, gene: Gene, width: int) -> Gene | None:
        """The gene taking what comes in; None if it must not, or cannot."""
        if not gene.wide:
            if isinstance(gene, Linked):
                return self.take(gene, width)
            if OUT in self.rules[gene.rule].keeps:
                return None
        return self.pool.with_input(gene, width)

    def _width_of_map(self, genes: Sequence[Gene]) -> int | None:
        """The channels, or features, that come out of genes: what only the maps tell (behind Flatten, say)."""
        shape = self.shape
        try:
            for gene in genes:
                shape = block_totals(gene.kept_block(), shape).out_shape
        except FAULTS:
            return None  # it is no network at this input, or not sound, which is found when it is counted
        return shape.channels

    def _pinned(self, child: Sequence[Gene], position: int) -> list[Gene] | None:
        """The genes with the block before `position` that has a width of its own putting out what that one takes."""
        wanted, genes = child[position].width_in, list(child)
        for before in range(position - 1, -1, -1):
            gene = genes[before]
            if gene.wide:
                change = self._free[gene.rule]
                if wanted is None or gene.width_out == wanted or change is None or not change.accepts(wanted):
                    return None
                genes[before] = self.with_width(gene, wanted)
                return genes
            if gene.width_out is not None and gene.width_out != gene.width_in:
                return None
        return None

    def with_width(self, gene: Gene, width: int) -> Gene:
        """The gene putting out another number of channels; arguments that are multiples of it stay so."""
        kind = kind_of(gene.name)
        values = list(gene.values)
        values[kind.out_channels] = width
        self.keep_ratios(gene, values, drawn=())
        return self.pool.gene((gene.rule, gene.name, tuple(values)))

    def keep_ratios(self, gene: Gene, values: list[int], *, drawn: Sequence[int]) -> None:
        """Give arguments that are multiples of others, but for those that were drawn, the ratio that they had in `gene`."""
        for at, change, of in self._ratios_of(gene):
            if at not in drawn and values[of] != gene.values[of]:
                before = gene.values[at] / gene.values[of]
                ratio = min(change.ratios or (), key=lambda each: (abs(each - before), each))
                values[at] = change.limited(values[of] * ratio)

    def _pieces(self, gene: Gene) -> tuple[Gene, ...]:
        """The gene, or those that a deep one is split into."""
        split = self.space.split
        kind = kind_of(gene.name) if gene.values else None
        if split is None or kind is None or kind.depth < 0 or not gene.wide:
            return (gene,)
        pieces, rest = [], list(gene.values)
        while rest[kind.depth] >= split.at_least:
            first = [*rest[: kind.depth], split.first, *rest[kind.depth + 1 :]]
            pieces.append(self.pool.gene((gene.rule, gene.name, tuple(first))))
            rest[kind.depth] -= split.first
            rest[kind.in_channels] = rest[kind.out_channels]
            if kind.stride >= 0:
                rest[kind.stride] = 1
        return (*pieces, self.pool.gene((gene.rule, gene.name, tuple(rest))))

    # The rules --------------------------------------------------------------------------------

    def keeps(self, genes: Genes) -> bool:
        """Whether genes keep all rules."""
        for gene in genes:
            if gene.lawful is None:
                gene.lawful = self._is_lawful(gene)
            if not gene.lawful:
                return False
        return not self._bounded or next(self._width_violations(genes), None) is None

    def _is_lawful(self, gene: Gene) -> bool:
        """Whether there is nothing that `_own_violations` would say, asked about few values again and again."""
        values, known = gene.values, self._accepted
        if not values:
            return True
        if self._ratios_of(gene):
            return next(self._own_violations(gene), None) is None
        for _, at, change, _ in self._constraints_on(gene):
            key = (id(change), values[at])
            if key not in known:
                known[key] = change.accepts(values[at])
            if not known[key]:
                return False
        return True

    def violations(self, genes: Genes) -> Iterator[str]:
        """What genes violate, one sentence each."""
        for gene in genes:
            yield from self._own_violations(gene)
        yield from self._width_violations(genes)

    def _own_violations(self, gene: Gene) -> Iterator[str]:
        if isinstance(gene, Linked):
            for part in gene.parts:
                yield from self._own_violations(part.gene) if part.gene is not None else ()
            return
        values = gene.values
        for name, at, change, of in self._constraints_on(gene) if values else ():
            if not change.accepts(values[at]):
                yield f"{name} of {gene.text} is {values[at]}; accepted: {change.accepted}"
            elif change.ratios is not None and values[at] not in change.multiples(values[of]):
                ratios = ", ".join(f"{ratio:g}" for ratio in change.ratios)
                yield (
                    f"{name} of {gene.text} is {values[at]}; accepted: {ratios} times {change.of}, which is {values[of]}"
                )

    def _constraints_on(self, gene: Gene) -> tuple[_Constraint, ...]:
        """What the rule of a gene says of its arguments: the name of each, its place, the change, the place of its `of`."""
        key = (gene.rule, gene.name)
        found = self._constraints.get(key)
        if found is None:
            fields = kind_of(gene.name).fields
            found = self._constraints[key] = tuple(
                (name, fields.index(name), change, -1 if change.ratios is None else fields.index(change.of))
                for name, change in self.rules[gene.rule].change.items()
            )
        return found

    def _ratios_of(self, gene: Gene) -> tuple[tuple[int, Change, int], ...]:
        """The arguments of a gene that are multiples of others: the place of each, its change, the place of its `of`."""
        key = (gene.rule, gene.name)
        found = self._ratios.get(key)
        if found is None:
            constraints = self._constraints_on(gene)
            found = self._ratios[key] = tuple((at, change, of) for _, at, change, of in constraints if change.ratios)
        return found

    def _width_violations(self, genes: Sequence[Gene]) -> Iterator[str]:
        factor, before = self.space.widths.at_most_input_times, None
        for gene in genes:
            if not gene.wide:
                continue
            assert gene.width_out is not None
            assert gene.width_in is not None
            free = self._free[gene.rule]
            if before is not None:
                low = max(gene.width_in if self.space.widths.at_least_input else 0, before.width_out or 0)
                if self._ordered and gene.width_out < low and (free or self._free[before.rule]):
                    yield f"{gene.text} puts out fewer channels than {before.text} before it"
                if free and factor is not None and gene.width_out > factor * gene.width_in:
                    yield f"{gene.text} puts out more than {factor:g} times the channels that it takes"
            before = gene

    def _bound_widths(self, child: list[Gene]) -> list[Gene] | None:
        """The genes with their widths in the space's order; what the first block makes of the image is its own affair. None
        where there is no such order.
        """
        wide = [position for position, gene in enumerate(child) if gene.wide]
        free, ordered, last = self._free, self._ordered, len(wide) - 1
        at_most_next, factor, width = self.space.widths.at_most_next, self.space.widths.at_most_input_times, 0
        for number, position in enumerate(wide):
            gene = child[position]
            out: int = gene.width_out  # type: ignore[assignment]
            change = free[gene.rule]
            if change is not None:
                low = width if ordered else 0
                high = width * factor if factor is not None and number else math.inf
                if ordered and number < last:
                    after = child[wide[number + 1]]
                    yields = free[after.rule] is not None
                    if (at_most_next or not yields) and after.width_out < high:  # type: ignore[operator]
                        high = max(low, change.least, after.width_out) if yields else after.width_out  # type: ignore
                if not low <= out <= high:
                    bounded = change.nearest(out, low, high)
                    if bounded is None:
                        return None
                    child[position], out = self.with_width(gene, bounded), bounded
            width = out
        return child
