"""A program that checks a certificate: plain Python and whole numbers, and none of the solver's code.

It reads the space by itself (`check_space`), reads each block's counts off the rows of an ordinary walk (`rows_of`), sees that
they are those of the block's string, and finds the best path at the certificate's prices once more: a dynamic program over
(place, map, layers used, width), with all sums exact and all logarithms rounded up. Widths that are far out are taken together
(the gain of the widest, the cost of the narrowest) and divided where that is not enough. The network that a certificate names
is counted and scored from its string.
"""

from __future__ import annotations

import math
from operator import add
from typing import NamedTuple

from plainnet.errors import RunError, UsageError
from plainnet.search.exact.certificate import Certificate
from plainnet.search.exact.check_blocks import BlockReader, Map, last_term
from plainnet.search.exact.check_network import is_of, network_fault
from plainnet.search.exact.check_parts import NEVER, Node, first_parts, parts_of
from plainnet.search.exact.check_space import CheckedPlace, Choice, read_places
from plainnet.search.exact.check_worth import PATTERNS, Matrix, Worth
from plainnet.search.settings.config import SearchConfig

__all__ = ["Checked", "verify"]

ROUNDS = 20
MOST_LAYERS = 1_000
"""Of a network, where they are counted along paths: memory and time go with them."""
LEAST_PRICE, GREATEST_PRICE = 2.0**-130, 2.0**50
"""So that sums of whole numbers of units stay above `NEVER`."""

Table = list[list[int]]
"""[layers used][node]: the best value"""


class Arc(NamedTuple):
    """The best blocks of one number of layers between all widths, from one map to another; worth: [behind][in front]."""

    before: Map
    behind: Map
    uses: int
    worth: Matrix
    turned: Matrix


class Checked(NamedTuple):
    """What checking gave: the bound that this program proves at the certificate's prices, the claimed one, and whether the
    certificate holds; where it does not, why.
    """

    proven: float
    claimed: float
    holds: bool
    formulas: int
    """blocks that were read"""
    fault: str = ""


def verify(certificate: Certificate) -> Checked:
    """Prove the bound of a certificate again, in a minute or so. `UsageError` for what this program does not know."""
    config = SearchConfig.from_json(certificate.config)
    most = _understood(config, certificate)
    worth = sum(price * config.limits[name] for name, price in certificate.prices.items())
    allowed = certificate.bound + 1e-9 * (1 + abs(certificate.bound) + worth)
    if not math.isfinite(allowed):
        raise RunError("a bound, or budgets at their prices, beyond all numbers prove nothing")
    space = config.space.model_dump()
    if not 0 <= certificate.start < len(space["start"]):
        raise RunError(f"the certificate is for start {certificate.start}, and the space has {len(space['start'])}")
    places = read_places(space, certificate.start, most)
    program = _Program(config, certificate, places, most)
    scale = program.worth.scale
    budgets = sum(price * math.floor(config.limits[name]) for name, price in program.worth.prices.items())
    proven = scale.number(program.proven(math.floor(scale.above(allowed)) - budgets) + budgets)
    fault = "" if proven <= allowed else f"at these prices networks may have up to {proven:.9f}"
    fault = fault or _fault_of_network(config, certificate, places, proven, most)
    return Checked(proven, certificate.bound, not fault, len(program.blocks.read), fault)


def _fault_of_network(
    config: SearchConfig, certificate: Certificate, places: list[CheckedPlace], proven: float, most: int
) -> str:
    """What is wrong with the network that a certificate names; empty for nothing."""
    structure, value = certificate.structure, certificate.value
    if structure is None and value is None:
        return ""
    if structure is None or value is None:
        return "a network and what it is worth belong together, and one of them is missing"
    fault = network_fault(config, structure, value)
    if fault:
        return fault
    if is_of(structure, places):
        return "" if value <= proven else f"{structure} is worth {value:.9f}, more than the {proven:.9f} that is proven"
    space = config.space.model_dump()
    others = [at for at in range(len(space["start"])) if at != certificate.start]
    is_known = any(is_of(structure, read_places(space, at, most)) for at in others)
    return "" if is_known else f"{structure} is no network of the space"


def _understood(config: SearchConfig, certificate: Certificate) -> int:
    """The layers that a network may have (0: any); an error for what proves nothing, or is not known here."""
    if config.objectives not in (("zen",), ("max:zen",)):
        raise UsageError(f"certificates of {', '.join(config.objectives)} are not checked; accepted: zen")
    if any(not 0 <= price < math.inf for price in certificate.prices.values()) or not math.isfinite(
        certificate.count_worth
    ):
        raise RunError("a price that is negative or not finite proves nothing")
    for price in (certificate.count_worth, *certificate.prices.values()):
        if price and not LEAST_PRICE <= abs(price) <= GREATEST_PRICE:
            raise RunError(
                f"a price of {price:g} is beyond all sense; accepted: 0, or {LEAST_PRICE:.0e} to {GREATEST_PRICE:.0e}"
            )
    unpriced = sorted(set(config.limits) - set(certificate.prices) - {certificate.axis})
    if unpriced or not set(certificate.prices) <= {"params", "macs", "activations"} & set(config.limits):
        raise UsageError(
            f"certificates are checked with prices for params, macs and activations; {unpriced or 'others'} are here"
        )
    if certificate.axis not in (None, "layers"):
        raise UsageError(f"certificates that count {certificate.axis} along paths are not checked; accepted: layers")
    if certificate.axis and certificate.axis not in config.limits:
        raise RunError(f"the certificate counts {certificate.axis} along paths, and its search has no budget of them")
    if certificate.axis and config.limits["layers"] > MOST_LAYERS:
        raise UsageError(f"certificates that count more than {MOST_LAYERS:,} layers along paths are not checked")
    if config.space.cell is not None:
        raise UsageError("certificates of spaces of cells are not checked")
    return int(config.limits["layers"]) if certificate.axis else 0


class _Program:
    """The best path of one start structure at the certificate's prices."""

    def __init__(self, config: SearchConfig, certificate: Certificate, places: list[CheckedPlace], most: int) -> None:
        self.setting, self.places, self.most = config.setting, places, most
        self.widths = config.space.widths
        self.count_worth = certificate.count_worth
        self.counts_layers = certificate.axis is not None
        self.blocks = BlockReader(config.setting, certificate.prices, most, counts_layers=self.counts_layers)
        self.worth = Worth(certificate.prices, certificate.count_worth, config.setting.num_classes)

    def proven(self, allowed: int) -> int:
        """The best value, widths divided until it is at most `allowed` or nothing is left to divide. Widths through which nothing
        is above `allowed` are looked at no further: the best through them is remembered.
        """
        grids: list[tuple[int, ...]] = [(self.setting.shape.channels,)]
        for place in self.places:
            grids.append(grids[-1] if place.widths is None else place.widths)
        nodes, dropped = [first_parts(grid) for grid in grids], NEVER
        for _ in range(ROUNDS):
            best, through = self._solved(nodes)
            near = [
                [node for node, value in zip(those, values, strict=True) if value > allowed]
                for those, values in zip(nodes, through, strict=True)
            ]
            if best <= allowed or all(low == high for those in near for low, high in those):
                break
            dropped = max(
                dropped, max((value for each in through for value in each if value <= allowed), default=NEVER)
            )
            nodes = [
                [piece for node in those for piece in parts_of(node, grid)]
                for those, grid in zip(near, grids, strict=True)
            ]
        return max(best, dropped)

    def _solved(self, nodes: list[list[Node]]) -> tuple[int, list[list[int]]]:
        """The best value, and the best through each node."""
        forward, arcs = self._forward(nodes)
        later = {behind: self._ends(behind, nodes[-1]) for behind in forward[-1]}
        best = max(
            max(map(add, one, two))
            for behind in later
            for one, two in zip(forward[-1][behind], later[behind], strict=True)
        )
        through = [[NEVER] * len(those) for those in nodes]
        for number in range(len(nodes) - 1, -1, -1):
            if number < len(nodes) - 1:
                later = self._before(forward[number], arcs[number][0], later)
            if number:
                self._further_back(arcs[number - 1][1], later)
            for behind, table in later.items():
                for one, two in zip(forward[number][behind], table, strict=True):
                    through[number] = list(map(max, through[number], map(add, one, two)))
        return best, through

    def _ends(self, behind: Map, last: list[Node]) -> Table:
        """What the end is worth behind a map, whatever was used: with the last term for as many activations as suit it best."""
        most = self.blocks.most_activations(len(self.places))
        curve = self.worth.scale.above(last_term(most, self.count_worth, behind[2]) + 1e-9)
        values = [value + curve for value in self.worth.of_end(behind[0], behind[1], last)]
        return [values] * (1 + self.most)

    def _forward(self, nodes: list[list[Node]]) -> tuple[list[dict[Map, Table]], list[tuple[list[Arc], list[Arc]]]]:
        """The best value up to each node at each use of the axis, by what stands behind it; and the arcs of each place."""
        shape = self.setting.shape
        start: Table = [[0], *([NEVER] for _ in range(self.most))]
        forward: list[dict[Map, Table]] = [{(shape.height, shape.width, "image"): start}]
        arcs: list[tuple[list[Arc], list[Arc]]] = []
        for number, place in enumerate(self.places):
            x, y = nodes[number], nodes[number + 1]
            first = [arc for behind in forward[-1] for arc in self._arcs(number, place.first, behind, x, y)]
            if not first:
                raise UsageError(f"no block of place {number} fits, so that there is nothing to check")
            table: dict[Map, Table] = {arc.behind: [[NEVER] * len(y) for _ in range(1 + self.most)] for arc in first}
            for arc in first:
                for used in range(self.most + 1 - arc.uses):
                    _forth(table[arc.behind], used + arc.uses, forward[-1][arc.before][used], arc.worth)
            further = [arc for behind in table for arc in self._arcs(number, place.further, behind, y, y)]
            if any(arc.behind not in table or not arc.uses for arc in further):
                raise UsageError("blocks behind a split that change the map, or have no layers, cannot be checked")
            for used in range(self.most + 1 if further else 0):
                for arc in further:
                    if used + arc.uses <= self.most:
                        _forth(table[arc.behind], used + arc.uses, table[arc.before][used], arc.worth)
            forward.append(table)
            arcs.append((first, further))
        return forward, arcs

    def _before(self, here: dict[Map, Table], arcs: list[Arc], later: dict[Map, Table]) -> dict[Map, Table]:
        """The best completions in front of a place."""
        found = {behind: [[NEVER] * len(row) for row in table] for behind, table in here.items()}
        for arc in arcs:
            for used in range(self.most + 1 - arc.uses):
                _forth(found[arc.before], used, later[arc.behind][used + arc.uses], arc.turned)
        return found

    def _further_back(self, arcs: list[Arc], later: dict[Map, Table]) -> None:
        """The same where further blocks may come first: those that use most are known first."""
        for used in range(self.most, -1, -1):
            for arc in arcs:
                if used + arc.uses <= self.most:
                    _forth(later[arc.before], used, later[arc.behind][used + arc.uses], arc.turned)

    # Blocks -----------------------------------------------------------------------------------------

    def _arcs(self, number: int, choices: tuple[Choice, ...], place: Map, x: list[Node], y: list[Node]) -> list[Arc]:
        """The best blocks between all widths for each number of layers and each map behind them."""
        found: dict[tuple[int, Map], Matrix] = {}
        further = choices is self.places[number].further
        for at, choice in enumerate(choices):
            for depth in choice.depths:
                for pattern in PATTERNS if choice.is_wide and choice.inner else ("", "xy") if choice.is_wide else ("",):
                    name = (number, further, at, place, depth, pattern)
                    form = self.blocks.form(name, choice, place, depth, pattern)
                    if form is None or (
                        pattern and self.blocks.is_same(form, self.blocks.read[(*name[:-1], "")], pattern)
                    ):
                        continue
                    worth = self.worth.of(name, choice, form, (x, y), pattern)
                    behind = (form.layers if self.counts_layers else 0, (*form.out, form.before))
                    if behind in found:
                        worth = [list(map(max, one, two)) for one, two in zip(found[behind], worth, strict=True)]
                    found[behind] = worth
        masked = {behind: self._lawful(worth, number, x, y, further=further) for behind, worth in found.items()}
        return [
            Arc(place, behind, uses, worth, [list(row) for row in zip(*worth, strict=True)])
            for (uses, behind), worth in masked.items()
            if uses <= self.most
        ]

    def _lawful(self, worth: Matrix, number: int, x: list[Node], y: list[Node], *, further: bool) -> Matrix:
        """The same without what rules of neighbours' widths forbid; the first block with widths has no neighbour."""
        rules, place = self.widths, self.places[number]
        before = place if further else self._wide_before(number)
        if before is None or place.widths is None:
            return worth
        ordered = (rules.at_least_input or rules.at_most_next) and (place.is_free or before.is_free)
        times = rules.at_most_input_times if place.is_free else None
        if not ordered and times is None:
            return worth
        most = math.inf if times is None else times
        return [
            [
                value if (not ordered or high >= one[0]) and low <= most * one[1] else NEVER
                for value, one in zip(row, x, strict=True)
            ]
            for row, (low, high) in zip(worth, y, strict=True)
        ]

    def _wide_before(self, number: int) -> CheckedPlace | None:
        """The last place in front of one that has widths of its own."""
        return next((each for each in reversed(self.places[:number]) if each.widths is not None), None)


def _forth(table: Table, row: int, before: list[int], worth: Matrix) -> None:
    """Raise a row to the best of another row and what is worth something in between."""
    table[row] = [max(here, *map(add, before, column)) for here, column in zip(table[row], worth, strict=True)]
