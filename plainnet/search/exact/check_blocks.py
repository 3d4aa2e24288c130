"""Blocks as the checker reads them: formulas of their widths, compared with what the blocks' strings are counted to have."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

from plainnet.blocks.rows.counts import block_totals
from plainnet.blocks.rows.shapes import Shape
from plainnet.blocks.text.reader import read_blocks
from plainnet.errors import UsageError
from plainnet.search.candidates.evaluation import Setting
from plainnet.search.candidates.faults import FAULTS, fault_of, is_refusal
from plainnet.search.exact.check_space import Choice
from plainnet.search.exact.check_worth import PATTERNS
from plainnet.search.exact.rows_of import PRIMES, UNIT, BlockRows, read_rows

__all__ = ["BlockReader", "Map", "last_term"]

Map = tuple[int, int, str]
"""Height, width, and what comes in."""


class BlockReader:
    """The formulas of all blocks that were asked for. prices: the costs that they are compared by; most: the layers of a network,
    counted along paths where `counts_layers`.
    """

    def __init__(self, setting: Setting, prices: Collection[str], most: int, *, counts_layers: bool) -> None:
        self._setting, self._prices, self._most, self._counts_layers = setting, prices, most, counts_layers
        self.read: dict[Any, BlockRows | None] = {}
        self._activations: dict[tuple[int, bool], dict[int, int]] = {}
        """(place, whether further blocks) -> layers used -> the most activations"""

    @staticmethod
    def is_same(form: BlockRows, generic: BlockRows | None, pattern: str) -> bool:
        """Whether a block of equal widths is the one of any widths, so that it was looked at already."""
        if generic is None or (form.constant, form.activations, form.out) != (
            generic.constant,
            generic.activations,
            generic.out,
        ):
            return False
        merged = {other: kept for kept, other in PATTERNS[pattern]}
        logs: dict[int, int] = {}
        for at, times in generic.logs.items():
            logs[merged.get(at, at)] = logs.get(merged.get(at, at), 0) + times
        products: dict[tuple[int, int], dict[str, int]] = {}
        for (a, b), factors in generic.products.items():
            one, two = merged.get(a, a), merged.get(b, b)
            into = products.setdefault((min(one, two), max(one, two)), {})
            for name, factor in factors.items():
                into[name] = into.get(name, 0) + factor
        return (form.logs, form.products) == (logs, products)

    def form(self, name: Any, choice: Choice, place: Map, depth: int, pattern: str) -> BlockRows | None:
        """The formula of a block under a name (place, whether further, ...); None where it does not fit the map, or such widths
        cannot be equal.
        """
        if name not in self.read:
            self.read[name] = form = self._read(choice, place, depth, pattern, is_first=name[0] == 0 and not name[1])
            if form is not None:
                most = self._activations.setdefault((name[0], name[1]), {})
                uses = form.layers if self._counts_layers else 0
                most[uses] = max(most.get(uses, 0), form.activations)
        return self.read[name]

    def _read(self, choice: Choice, place: Map, depth: int, pattern: str, *, is_first: bool) -> BlockRows | None:
        """The formula of a block; None where it does not fit the map, or such widths cannot be equal."""
        widths = [prime * UNIT for prime in PRIMES]
        widths[0] = self._setting.shape.channels if is_first else widths[0]
        for kept, other in PATTERNS[pattern]:
            widths[other] = widths[kept]
        number = widths[0] if is_first else 0  # the image's channels are no width
        free = {at: width for at, width in enumerate(widths) if width != number and width not in widths[:at]}
        shape, text = Shape(widths[0], place[0], place[1]), choice.text(widths[0], widths[1], widths[2], depth)
        try:
            block = read_blocks(text)[0]
            form = read_rows(block.num_layers(), block, shape, place[2], self._setting.variant, free)
            sums = block_totals(block, shape, self._setting.variant).sums
        except FAULTS as error:
            if not is_refusal(fault_of(error)):
                raise
            if not pattern and self._fits(choice, place, depth):
                raise UsageError(f"{text} cannot be read, so that it cannot be checked: {error}") from None
            return None
        for cost in self._prices:
            if form.cost(cost, tuple(widths)) != getattr(sums, cost):
                raise UsageError(f"{block}: its rows do not say what it costs, so that it cannot be checked")
        return form

    def _fits(self, choice: Choice, place: Map, depth: int) -> bool:
        """Whether some small block of a choice fits a map: then one of the widths that formulas are read at should, too."""
        for width in (8, 48, self._setting.shape.channels):
            try:
                block = read_blocks(choice.text(width, width, width, depth))[0]
                block_totals(block, Shape(width, place[0], place[1]), self._setting.variant)
            except FAULTS as error:
                if not is_refusal(fault_of(error)):
                    raise
            else:
                return True
        return False

    def most_activations(self, places: int) -> int:
        """The most activations that a path may have."""
        table = {0: 0}
        for number in range(places):
            first, further = self._activations.get((number, False), {}), self._activations.get((number, True), {})
            now: dict[int, int] = {}
            for used in range(self._most + 1):
                for uses, count in first.items():
                    if used - uses in table:
                        now[used] = max(now.get(used, 0), table[used - uses] + count)
                for uses, count in further.items():
                    if used - uses in now:
                        now[used] = max(now.get(used, 0), now[used - uses] + count)
            table = now
        return max(table.values(), default=0)


def last_term(most: int, count_worth: float, before: str) -> float:
    """The most of the last term of the Zen-score minus the price of its activations, over all numbers of them up to `most`.
    before: what stands at the end, "relu" or, where no activation does, another word.
    """
    square, variance = 1 / (2 * math.pi), 0.5 - 1 / (2 * math.pi)
    c = 1 / math.sqrt(1.0001)
    best = math.log(2 * math.sqrt((1 - c) / math.pi))
    for count in range(1, most + 1):
        last = math.log(2 * math.sqrt(2 - 2 * c) / (2 * math.sqrt(2 * math.pi)))
        c = ((math.sqrt(1 - c * c) + c * (math.pi - math.acos(c))) / (2 * math.pi) - square) / variance
        if before != "relu":
            last = math.log(2 * math.sqrt((1 - c) / math.pi))
        best = max(best, last - count_worth * count)
    return best
