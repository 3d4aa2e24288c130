"""What each place of a space may be: the names, arguments and widths that mutation could reach, and a little more.

A *place* is a block of the start structure (split where the space splits it), or, behind one that may be split, any number of
further blocks of stride 1. All that mutation can make is among what the places hold; where rules tie widths of neighbours, every
width that a rule accepts is.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from plainnet.search.candidates.evaluation import Setting
from plainnet.search.candidates.genes import UNKNOWN, Gene, GenePool, Genes, kind_of
from plainnet.search.exact.summed_objectives import NotASumError
from plainnet.search.space.mutation import Mutator
from plainnet.search.space.rules import Rule
from plainnet.search.space.space import Change, Space

__all__ = ["Ints", "Option", "Place", "Slots", "find_slots", "is_shipped"]

Ints = NDArray[np.int64]

MOST_CLOSED = 4096
"""Values up to which those that mutation reaches are found one by one; of more, all that the rule accepts are taken."""
MOST_OPTIONS = 2_000
"""Combinations of names and arguments other than widths and depths that a place may have."""


class Option(NamedTuple):
    """A block with its widths and its depth left open.

    values: the arguments, those that are open with any value. inner: the argument that is a width inside;
    inner_values: what it may be, or, with `ratio`, what it is for each number of channels put out (`ratio` times them,
    as `change` allows it). takes: the only width that it takes; None for any. puts: the only width that it puts out;
    None for what comes in; -1 for any.
    """

    rule: int
    name: str
    values: tuple[Any, ...]
    depths: tuple[int, ...]
    inner: int = -1
    inner_values: Ints | None = None
    ratio: tuple[Change, float] | None = None
    takes: int | None = None
    puts: int | None = -1

    def gene(self, pool: GenePool, x: int, y: int, z: int, depth: int) -> Gene | None:
        """The block itself; None where it cannot take what comes in."""
        kind = kind_of(self.name) if self.values else None
        if kind is None or kind.in_channels < 0:
            gene = pool.gene((self.rule, self.name, self.values)) if kind else _container(pool, self)
            return gene if gene.width_in in (None, x) else pool.with_input(gene, x)
        values = list(self.values)
        values[kind.in_channels], values[kind.out_channels] = x, y
        if self.inner >= 0:
            values[self.inner] = z
        if kind.depth >= 0:
            values[kind.depth] = depth
        return pool.gene((self.rule, self.name, tuple(values)))

    def inner_of(self, y: int) -> int:
        """The width inside where it follows from the channels put out."""
        assert self.ratio is not None
        change, ratio = self.ratio
        return change.limited(y * ratio)


def is_shipped(option: Option) -> bool:
    """Whether a block is one of the package's own, whose counts are arithmetic on its widths."""
    return not option.values or kind_of(option.name).cls.__module__.startswith("plainnet.blocks.")


class Place(NamedTuple):
    """What may stand at a place. `widths`: the channels that its blocks may put out; None for those that come in."""

    options: tuple[Option, ...]
    widths: Ints | None
    further: tuple[Option, ...] = ()
    """blocks of which any number may follow; empty where none may"""


class Slots(NamedTuple):
    """The places of one start structure, and what makes genes of them."""

    places: tuple[Place, ...]
    mutator: Mutator
    start: Genes


def find_slots(space: Space, setting: Setting, most_steps: int | None) -> list[Slots]:
    """The places of each start of a space. most_steps: what the budget that is counted along paths (layers,
    convolutions) allows; None without one.
    """
    mutator = Mutator(space, GenePool(), setting.shape)
    return [_slots(mutator, start, most_steps) for start in mutator.starts]


def _slots(mutator: Mutator, start: Genes, most_steps: int | None) -> Slots:
    widths = _widths_of_all(mutator, start)
    places: list[Place] = []
    for gene in start:
        if gene.fault is not None:
            raise gene.fault
        if gene.is_compound:
            raise NotASumError(
                "blocks that take values of each other are no chain, whose best could be found block by block"
            )
        if gene.width_out == UNKNOWN:
            raise NotASumError(f"what {gene.text} puts out depends on the map, so its width is none that can be chosen")
        places.append(_place(mutator, gene, widths[len(places)], most_steps))
    return Slots(tuple(places), mutator, start)


def _container(pool: GenePool, option: Option) -> Gene:
    from plainnet.blocks.text.reader import read_blocks

    return pool.of_block(read_blocks(option.name)[0], option.rule)


def _place(mutator: Mutator, gene: Gene, widths: Ints, most_steps: int | None) -> Place:
    rule = mutator.rules[gene.rule]
    if not gene.wide:
        return _place_of_any_width(mutator, gene, rule)
    kind = kind_of(gene.name)
    first, further = _depths(mutator, gene, most_steps)
    options = list(_options(mutator, gene, first))
    rest: list[Option] = []
    if further:
        again = list(gene.values)
        if kind.stride >= 0:
            again[kind.stride] = 1
        later = mutator.pool.gene((gene.rule, gene.name, tuple(again)))
        rest = list(_options(mutator, later, further))
        if most_steps is None:
            raise NotASumError(
                "blocks of this space are split in two again and again, so nothing says how many a network has; give "
                "--max-layers"
            )
    return Place(tuple(options), widths, tuple(rest))


def _place_of_any_width(mutator: Mutator, gene: Gene, rule: Rule) -> Place:
    """The place of a block without widths of its own: it puts out what comes in, or always the same."""
    changes = [name for name in rule.change if kind_of(gene.name).changes(name)] if gene.values else []
    if "out_channels" in changes:
        raise NotASumError(f"{gene.name} takes any width and changes its own: no family that can be solved")
    puts = gene.width_out if not gene.values and gene.width_out is not None else None
    if gene.values and gene.width_out is not None and kind_of(gene.name).annotation < 0 and gene.width_in is None:
        puts = gene.width_out
    is_fixed = not gene.values or "out_channels" in rule.keeps
    takes = gene.width_in if is_fixed else None
    options = [
        each._replace(takes=takes, puts=puts)
        for each in (_options(mutator, gene, (0,)) if gene.values else [Option(gene.rule, gene.text, (), (0,))])
    ]
    return Place(tuple(options), None if puts is None else np.array([puts], dtype=np.int64))


def _options(mutator: Mutator, gene: Gene, depths: Iterable[int]) -> Iterable[Option]:
    """The options of a block: its names, times the values of all arguments that are no widths and no depth."""
    rule, kind = mutator.rules[gene.rule], kind_of(gene.name)
    inner, inner_values, change_of_inner = -1, None, None
    ratios: list[float | None] = [None]
    others: list[tuple[int, list[int]]] = []
    widths: list[tuple[int, Ints]] = []
    for name, change in rule.change.items():
        at = kind.fields.index(name)
        if at in (kind.out_channels, kind.depth) and gene.wide:
            continue
        if change.ratios is not None:
            if change.of != "out_channels" or inner >= 0 or not gene.wide:
                raise NotASumError(f"{name} of {gene.name} is a multiple of {change.of}: no family that can be solved")
            inner, change_of_inner = at, change
            ratios = [*dict.fromkeys(change.ratios)]
            continue
        values = _reached(change, gene.values[at])
        if kind.cls.fields[at].kind.kind == "channels" and gene.wide:
            widths.append((at, values))
        else:
            others.append((at, values.tolist()))
    if (
        not widths and inner < 0 and gene.wide
    ):  # one that stays: blocks are others where what comes in or goes out is equal to it
        widths = _widths_that_stay(gene, {*rule.change})
    widths.sort(key=lambda each: len(each[1]))
    if widths and inner < 0:
        inner, inner_values = widths.pop()
    others += [(at, values.tolist()) for at, values in widths]
    names = list(dict.fromkeys([gene.name, *rule.names])) if rule.names else [gene.name]
    count = len(names) * len(ratios) * int(np.prod([len(values) for _, values in others]))
    if count > MOST_OPTIONS:
        raise NotASumError(f"{gene.name} may be {count:,} blocks beside its widths; accepted: at most {MOST_OPTIONS:,}")
    for name, ratio, chosen in itertools.product(names, ratios, itertools.product(*(values for _, values in others))):
        arguments = list(gene.values)
        for (at, _), value in zip(others, chosen, strict=True):
            arguments[at] = value
        tie = (change_of_inner, ratio) if ratio is not None and change_of_inner is not None else None
        yield Option(gene.rule, name, tuple(arguments), tuple(depths), inner, inner_values, tie)


def _widths_that_stay(gene: Gene, changed: set[str]) -> list[tuple[int, Ints]]:
    """The arguments of a block that are widths inside and do not change, each with its only value."""
    kind = kind_of(gene.name)
    outer = (kind.in_channels, kind.out_channels)
    return [
        (at, np.array([gene.values[at]], dtype=np.int64))
        for at, each in enumerate(kind.cls.fields)
        if each.kind.kind == "channels" and at not in outer and each.name not in changed
    ]


def _widths_of_all(mutator: Mutator, start: Genes) -> list[Ints]:
    """The channels that each block may come to put out. Where rules tie neighbours, a width is also cut to what its neighbours
    have, or to so many times that.
    """
    changes = [mutator.rules[gene.rule].change.get("out_channels") if gene.wide else None for gene in start]
    found = [_reached(change, gene.width_out or 0) for change, gene in zip(changes, start, strict=True)]
    widths = mutator.space.widths
    tied = widths.at_least_input or widths.at_most_next or widths.at_most_input_times is not None
    if not tied:  # a block that takes one width alone only ever cuts the one before it back to where it started
        return found
    factor = widths.at_most_input_times or 1
    known = [set(each.tolist()) if len(each) <= MOST_CLOSED else set() for each in found]
    while True:
        near = {value for values in known for value in values} | {gene.width_in or 0 for gene in start}
        cuts = near | {int(value * factor) for value in near}
        more = [_cut(change, values, cuts) for change, values in zip(changes, known, strict=True)]
        if more == known:
            break
        known = more
    return [
        np.array(sorted(values), dtype=np.int64) if values else each for values, each in zip(known, found, strict=True)
    ]


def _cut(change: Change | None, values: set[int], cuts: set[int]) -> set[int]:
    """Values with what they become where widths are cut."""
    if change is None or not values or change.values is not None:
        return values
    fitted = {value // change.step * change.step + up for value in cuts for up in (0, change.step)}
    return _closure(change, values | {value for value in fitted if change.accepts(value)}, change.greatest)


def _reached(change: Change | None, value: int) -> Ints:
    """The values that an argument may come to have, `value` being where it starts."""
    if change is None:
        return np.array([value], dtype=np.int64)
    if change.values is not None:
        return np.array(sorted({*change.values, *([value] if change.accepts(value) else [])}), dtype=np.int64)
    count = (change.greatest - change.least) // change.step + 1
    if count > MOST_CLOSED:
        return np.arange(change.least, int(change.greatest) + 1, change.step, dtype=np.int64)
    return np.array(sorted(_closure(change, {value}, change.greatest)), dtype=np.int64)


def _closure(change: Change, known: set[int], most: float) -> set[int]:
    """All that values become, one change after the other, up to `most`."""
    waiting = list(known)
    while waiting:
        for value in change.options(waiting.pop()):
            if value not in known and value <= most:
                known.add(value)
                waiting.append(value)
    return known


def _depths(mutator: Mutator, gene: Gene, most_steps: int | None) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The depths that a block may have, and those of the blocks that it may be split into; empty where it never is."""
    kind, split = kind_of(gene.name), mutator.space.split
    if kind.depth < 0:
        return (0,), ()
    depth = gene.values[kind.depth]
    change = mutator.rules[gene.rule].change.get(kind.fields[kind.depth])
    if change is None:
        return (depth,), ()
    if change.values is not None:
        reached = {depth, *change.values}
    else:
        widest = max(map(abs, change.add), default=0) if change.add else 0
        most = min(change.greatest, (MOST_CLOSED if most_steps is None else 4 * most_steps) + 4 * widest)
        reached = _closure(change, {depth}, most)
    splits = {value for value in reached if split is not None and value >= split.at_least}
    if splits:
        assert split is not None
        parts = {split.first} | {value - count * split.first for value in splits for count in range(1, value)}
        parts = {value for value in parts if change.accepts(value) and 0 < value < split.at_least}
        reached = (
            reached | parts | (_closure(change, set(parts), split.at_least + 0.0) if change.values is None else set())
        )
        reached = {value for value in reached if value < split.at_least}
    kept = {value for value in reached if change.accepts(value) and (most_steps is None or value <= most_steps)}
    if most_steps is None and len(kept) > 256:
        raise NotASumError(f"{kind.fields[kind.depth]} of {gene.name} grows without end; give --max-layers")
    return tuple(sorted(kept)), tuple(sorted(kept)) if splits else ()
