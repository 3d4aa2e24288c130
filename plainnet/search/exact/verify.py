"""A program that checks a certificate: exact integers, and none of the solver's code.

It finds the best path at the certificate's prices once more: a dynamic program over (place, map, layers used, width),
with blocks as `rows_of` reads them off the walk. What it has in common with the solver is what the claim is about, the
places of a space. Widths that are far out are taken together (the gain of the widest, the cost of the narrowest) and
divided where that is not enough.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from plainnet.blocks.rows.counts import block_totals
from plainnet.blocks.rows.shapes import Shape
from plainnet.errors import RunError, UsageError
from plainnet.search.candidates.faults import FAULTS, fault_of, is_refusal
from plainnet.search.exact.certificate import Certificate
from plainnet.search.exact.check_parts import Floats, Node, first_parts, parts_of
from plainnet.search.exact.check_worth import Sides, Worth, has_inner
from plainnet.search.exact.rows_of import PRIMES, UNIT, BlockRows, read_rows
from plainnet.search.exact.slots import Option, Slots, find_slots
from plainnet.search.settings.config import SearchConfig

__all__ = ["Checked", "verify"]

ROUNDS = 20
NEVER = -math.inf

Place = tuple[int, int, str]
"""Height, width, and what comes in."""


class Arc(NamedTuple):
    """The best blocks of one number of layers between all widths, from one map to another."""

    before: Place
    behind: Place
    uses: int
    worth: Floats


class Checked(NamedTuple):
    """What checking gave: the bound that this program proves at the certificate's prices, the claimed one, and whether
    it holds.
    """

    proven: float
    claimed: float
    holds: bool
    formulas: int
    """blocks that were read"""


def verify(certificate: Certificate) -> Checked:
    """Prove the bound of a certificate again, in a minute or so. `UsageError` for what this program does not know."""
    config = SearchConfig.from_json(certificate.config)
    if config.objectives not in (("zen",), ("max:zen",)):
        raise UsageError(f"certificates of {', '.join(config.objectives)} are not checked; accepted: zen")
    if any(not 0 <= price < math.inf for price in certificate.prices.values()):
        raise RunError("a price that is negative or not finite proves nothing")
    unpriced = sorted(set(config.limits) - set(certificate.prices) - {certificate.axis})
    if unpriced or not set(certificate.prices) <= {"params", "macs", "activations"} & set(config.limits):
        raise UsageError(
            f"certificates are checked with prices for params, macs and activations; {unpriced or 'others'} are here"
        )
    if certificate.axis not in (None, "layers"):
        raise UsageError(f"certificates that count {certificate.axis} along paths are not checked; accepted: layers")
    most = int(config.limits["layers"]) if certificate.axis else 0
    worth = sum(price * config.limits[name] for name, price in certificate.prices.items())
    allowed = certificate.bound + 1e-9 * (1 + abs(certificate.bound) + worth)
    slots = find_slots(config.space, config.setting, most or None)
    if not 0 <= certificate.start < len(slots):
        raise RunError(f"the certificate is for start {certificate.start}, and the space has {len(slots)}")
    program = _Program(config, certificate, slots[certificate.start], most)
    proven = program.proven(allowed - worth) + worth
    return Checked(proven, certificate.bound, proven <= allowed, len(program.read))


class _Program:
    """The best path of one start structure at the certificate's prices."""

    def __init__(self, config: SearchConfig, certificate: Certificate, slots: Slots, most: int) -> None:
        self.setting, self.prices, self.slots, self.most = config.setting, certificate.prices, slots, most
        self.count_worth = certificate.count_worth
        self.counts_layers = certificate.axis is not None
        self.read: dict[Any, BlockRows | None] = {}
        self.worth = Worth(certificate.prices, certificate.count_worth, config.setting.num_classes)
        self.activations: dict[tuple[int, bool], dict[int, int]] = {}
        """(place, whether further blocks) -> layers used -> the most activations"""

    def proven(self, allowed: float) -> float:
        """The best value, widths divided until it is at most `allowed` or nothing is left to divide."""
        shape = self.setting.shape
        grids = [[shape.channels]]
        for place in self.slots.places:
            grids.append(grids[-1] if place.widths is None else place.widths.tolist())
        nodes = [first_parts(grid) for grid in grids]
        for _ in range(ROUNDS):
            best, passed = self._solved(nodes, allowed)
            if best <= allowed:
                break
            divided = [
                [
                    piece
                    for at, node in enumerate(those)
                    for piece in (parts_of(node, grid) if passed[number][at] else [node])
                ]
                for number, (those, grid) in enumerate(zip(nodes, grids, strict=True))
            ]
            if divided == nodes:
                break
            nodes = divided
        return best

    def _solved(self, nodes: list[list[Node]], allowed: float) -> tuple[float, list[list[bool]]]:
        """The best value, and which nodes have one above `allowed`."""
        forward, arcs = self._forward(nodes)
        later = {
            behind: np.tile(self.worth.of_end(behind[0], behind[1], nodes[-1]), (1 + self.most, 1))
            for behind in forward[-1]
        }
        curve = self._curve()
        best = max(float((forward[-1][behind] + later[behind]).max()) for behind in later) + curve
        passed = [[False] * len(those) for those in nodes]
        for number in range(len(nodes) - 1, -1, -1):
            if number < len(nodes) - 1:
                later = self._before(forward[number], arcs[number][0], later)
            if number:
                self._further_back(arcs[number - 1][1], later)
            for behind, values in later.items():
                through = (forward[number][behind] + values).max(axis=0) + curve
                passed[number] = [one or bool(two > allowed) for one, two in zip(passed[number], through, strict=True)]
        return best, passed

    def _forward(self, nodes: list[list[Node]]) -> tuple[list[dict[Place, Floats]], list[tuple[list[Arc], list[Arc]]]]:
        """The best value up to each node at each use of the axis, by what stands behind it; and the arcs of each place."""
        shape = self.setting.shape
        start = np.zeros((1 + self.most, 1))
        start[1:] = NEVER
        forward: list[dict[Place, Floats]] = [{(shape.height, shape.width, "image"): start}]
        arcs: list[tuple[list[Arc], list[Arc]]] = []
        for number, place in enumerate(self.slots.places):
            x, y = nodes[number], nodes[number + 1]
            first = [arc for behind in forward[-1] for arc in self._arcs(number, place.options, behind, x, y)]
            table: dict[Place, Floats] = {arc.behind: np.full((1 + self.most, len(y)), NEVER) for arc in first}
            for arc in first:
                for used in range(self.most + 1 - arc.uses):
                    _raise(
                        table[arc.behind],
                        used + arc.uses,
                        (forward[-1][arc.before][used][:, None] + arc.worth).max(axis=0),
                    )
            further = [arc for behind in table for arc in self._arcs(number, place.further, behind, y, y)]
            for used in range(self.most + 1 if further else 0):
                for arc in further:
                    if arc.behind not in table:
                        raise UsageError("blocks behind a split that change the map cannot be checked")
                    if used + arc.uses <= self.most:
                        _raise(
                            table[arc.behind],
                            used + arc.uses,
                            (table[arc.before][used][:, None] + arc.worth).max(axis=0),
                        )
            forward.append(table)
            arcs.append((first, further))
        return forward, arcs

    def _before(self, here: dict[Place, Floats], arcs: list[Arc], later: dict[Place, Floats]) -> dict[Place, Floats]:
        """The best completions in front of a place."""
        found = {behind: np.full(values.shape, NEVER) for behind, values in here.items()}
        for arc in arcs:
            for used in range(self.most + 1 - arc.uses):
                _raise(found[arc.before], used, (arc.worth + later[arc.behind][used + arc.uses]).max(axis=1))
        return found

    def _further_back(self, arcs: list[Arc], later: dict[Place, Floats]) -> None:
        """The same where further blocks may come first: those that use most are known first."""
        for used in range(self.most, -1, -1):
            for arc in arcs:
                if used + arc.uses <= self.most:
                    _raise(later[arc.before], used, (arc.worth + later[arc.behind][used + arc.uses]).max(axis=1))

    def _arcs(self, number: int, options: tuple[Option, ...], place: Place, x: list[Node], y: list[Node]) -> list[Arc]:
        """The best blocks between all widths for each number of layers and each map behind them."""
        found: dict[tuple[int, Place], Floats] = {}
        sides = Sides(*(np.array(side, dtype=float).reshape(-1, 2) for side in (x, y)))
        for at, option in enumerate(options):
            for depth in option.depths:
                for pattern in self._patterns(option):
                    name = (number, id(options), at, place, depth, pattern)
                    form = self._form(name, option, place, depth, pattern, number == 0)
                    if form is None:
                        continue
                    worth = self.worth.of(name, option, form, sides, pattern)
                    behind = (form.layers if self.counts_layers else 0, (*form.out, form.before))
                    found[behind] = np.maximum(found[behind], worth) if behind in found else worth
        return [Arc(place, behind, uses, worth) for (uses, behind), worth in found.items() if uses <= self.most]

    @staticmethod
    def _patterns(option: Option) -> list[str]:
        """Which widths may be equal: blocks may then be other ones."""
        if option.puts is None:
            return [""]
        return ["", "xy", "xz", "yz", "xyz"] if has_inner(option) else ["", "xy"]

    def _form(
        self, name: Any, option: Option, place: Place, depth: int, pattern: str, is_first: bool
    ) -> BlockRows | None:
        if name not in self.read:
            self.read[name] = form = self._read(option, place, depth, pattern, is_first)
            if form is not None:
                further = name[1] == id(self.slots.places[name[0]].further)
                most = self.activations.setdefault((name[0], further), {})
                uses = form.layers if self.counts_layers else 0
                most[uses] = max(most.get(uses, 0), form.activations)
        return self.read[name]

    def _read(self, option: Option, place: Place, depth: int, pattern: str, is_first: bool) -> BlockRows | None:
        """The formula of a block; None where it does not fit the map, or such widths cannot be equal."""
        widths = [prime * UNIT for prime in PRIMES]
        widths[0] = self.setting.shape.channels if is_first else widths[0]
        if is_first and "x" in pattern:
            return None  # the image's channels are a number: formulas know them already
        pair = {"xy": (0, 1), "xz": (0, 2), "yz": (1, 2)}.get(pattern)
        if pattern == "xyz":
            widths[1] = widths[2] = widths[0]
        elif pair is not None:
            widths[pair[1]] = widths[pair[0]]
        free = {at: width for at, width in enumerate(widths) if not (is_first and at == 0) and width not in widths[:at]}
        gene = option.gene(self.slots.mutator.pool, widths[0], widths[1], widths[2], depth)
        if gene is None:
            return None
        shape = Shape(widths[0], place[0], place[1])
        try:
            form = read_rows(gene.depth, gene.block, shape, place[2], self.setting.variant, free)
            sums = block_totals(gene.block, shape, self.setting.variant).sums
        except FAULTS as error:
            if is_refusal(fault_of(error)):
                return None
            raise
        for cost in self.prices:
            if form.cost(cost, tuple(widths)) != getattr(sums, cost):
                raise UsageError(f"{gene.text}: its rows do not say what it costs, so that it cannot be checked")
        return form

    def _most_activations(self) -> int:
        """The most activations that a path may have."""
        table = {0: 0}
        for number in range(len(self.slots.places)):
            first, further = self.activations.get((number, False), {}), self.activations.get((number, True), {})
            now: dict[int, int] = {}
            for used in range(self.most + 1):
                for uses, count in first.items():
                    if used - uses in table:
                        now[used] = max(now.get(used, 0), table[used - uses] + count)
                for uses, count in further.items():
                    if used - uses in now:
                        now[used] = max(now.get(used, 0), now[used - uses] + count)
            table = now
        return max(table.values(), default=0)

    def _curve(self) -> float:
        """The most of the last term minus the price of its activations, over all numbers of them that paths may have."""
        square, variance = 1 / (2 * math.pi), 0.5 - 1 / (2 * math.pi)
        c, best = 1 / math.sqrt(1.0001), NEVER
        for count in range(1, self._most_activations() + 1):
            last = math.log(2 * math.sqrt(2 - 2 * c) / (2 * math.sqrt(2 * math.pi)))
            best = max(best, last - self.count_worth * count)
            c = ((math.sqrt(1 - c * c) + c * (math.pi - math.acos(c))) / (2 * math.pi) - square) / variance
        return max(best, math.log(2 * math.sqrt((1 - 1 / math.sqrt(1.0001)) / math.pi)))


def _raise(table: Floats, row: int, values: Floats) -> None:
    np.maximum(table[row], values, out=table[row])
