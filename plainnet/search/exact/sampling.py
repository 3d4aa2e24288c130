"""Coarse grids for blocks that are no formula of their widths, made finer around the best networks.

Such blocks are counted one by one, which is too much for all the widths of most spaces. So only some widths are looked at, at the
places of such blocks and in front of them; an exact search over these says which are best, and widths next to those are
added, until there are none. What is proven then holds for networks of the widths that were looked at.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import numpy as np

from plainnet.search.candidates.genes import Gene, kind_of
from plainnet.search.exact.graph import Graph
from plainnet.search.exact.place_options import Ints, Option, Place, Slots

__all__ = ["Sampling", "grid_lines"]

FIRST = 5
"""Widths of a grid that are looked at first, the ends among them."""

Key = tuple[int, str]
"""The number of a place, and `out` or the argument that is a width inside."""


class Sampling:
    """Which widths of a start structure are looked at."""

    def __init__(self, slots: Slots) -> None:
        self.slots = slots
        self.reasons: dict[int, str] = {}
        """place -> why its blocks are counted one by one"""
        self.chosen: dict[Key, set[int]] = {}
        self.looked_at: dict[Key, tuple[int, ...]] = {}
        """what was chosen when blocks were last counted: `finer` chooses more, which may be too much to be counted"""

    def begin(self, place: int, reason: str) -> bool:
        """Look at some widths of a place, and of what comes into it, only; False where that was done already."""
        if place in self.reasons:
            return False
        self.reasons[place] = reason
        before = place - 1
        while before >= 0 and self.slots.places[before].widths is None:
            before -= 1
        for at in (before, place):
            if at >= 0:
                self._choose((at, "out"), self.slots.places[at].widths, self.slots.start[at].width_out)
        for option in (*self.slots.places[place].options, *self.slots.places[place].further):
            if option.inner_values is not None:
                argument = kind_of(option.name).fields[option.inner]
                self._choose((place, argument), option.inner_values, option.values[option.inner])
        return True

    def _choose(self, key: Key, grid: Ints | None, start: int | None) -> None:
        if grid is None or len(grid) == 1 or key in self.chosen:
            return
        wanted = np.geomspace(max(1, grid[0]), max(1, grid[-1]), FIRST)
        nearest = {int(grid[np.abs(grid - each).argmin()]) for each in wanted}
        self.chosen[key] = nearest | ({start} if start is not None and start in grid else set())

    def places(self) -> Slots:
        """The places with the widths that are looked at."""
        found = []
        for number, place in enumerate(self.slots.places):
            widths = place.widths if place.widths is None else self._kept((number, "out"), place.widths)
            options, further = (self._options(number, each) for each in (place.options, place.further))
            found.append(Place(options, widths, further))
        return self.slots._replace(places=tuple(found))

    def _options(self, number: int, options: tuple[Option, ...]) -> tuple[Option, ...]:
        return tuple(
            option
            if option.inner_values is None
            else option._replace(
                inner_values=self._kept((number, kind_of(option.name).fields[option.inner]), option.inner_values)
            )
            for option in options
        )

    def _kept(self, key: Key, grid: Ints) -> Ints:
        chosen = self.chosen.get(key)
        return grid if chosen is None else grid[np.isin(grid, sorted(chosen))]

    def finer(self, networks: Iterable[tuple[Gene, ...]]) -> bool:
        """Look at the widths between those of good networks and their neighbours, too; whether there are any."""
        found = False
        for (number, argument), chosen in self.chosen.items():
            place = self.slots.places[number]
            options = [*place.options, *place.further]
            grid = place.widths if argument == "out" else _inner_grid(options, argument)
            assert grid is not None
            names = {option.name for option in options}
            for genes in networks:
                for gene in genes:
                    value = _value(gene, argument) if gene.name in names else None
                    if value in chosen:
                        more = _between(grid, sorted(chosen), value) - chosen
                        chosen |= more
                        found = found or bool(more)
        return found

    def counted(self) -> None:
        """Remember what is chosen now as the widths that were looked at."""
        self.looked_at = {key: tuple(sorted(chosen)) for key, chosen in self.chosen.items()}

    def lines(self) -> list[str]:
        """The widths that were looked at where others were not, in words."""
        names = {"out": "out_channels"}
        return [
            f"{place}: {self.slots.start[place].name}: {names.get(argument, argument)} looked at: "
            + ", ".join(map(str, chosen))
            for (place, argument), chosen in sorted(self.looked_at.items())
        ]

    def told(self) -> str:
        """Why not all widths were looked at, in a sentence."""
        return "; ".join(dict.fromkeys(self.reasons.values()))


def _inner_grid(options: list[Option], argument: str) -> Ints:
    grids = [
        option.inner_values
        for option in options
        if option.inner_values is not None and kind_of(option.name).fields[option.inner] == argument
    ]
    return np.unique(np.concatenate(grids))


def _value(gene: Gene, argument: str) -> int | None:
    if argument == "out":
        return gene.width_out
    fields = kind_of(gene.name).fields
    value = gene.values[fields.index(argument)] if gene.values and argument in fields else None
    return value if isinstance(value, int) else None


def _between(grid: Ints, chosen: list[int], value: int) -> set[int]:
    """The widths in the middle between one that was chosen and its neighbours among the chosen."""
    at, where = int(np.searchsorted(grid, value)), chosen.index(value)
    found = set()
    for other in chosen[max(0, where - 1) : where] + chosen[where + 1 : where + 2]:
        middle = (int(np.searchsorted(grid, other)) + at) / 2
        found.add(int(grid[int(middle) if other < value else -int(-middle // 1)]))
    return found


def grid_lines(graph: Graph, sampling: Sampling | None) -> list[str]:
    """The widths of each place that a bound holds for, in words."""
    lines = sampling.lines() if sampling is not None else []
    for number, place in enumerate(graph.slots.places):
        widths = graph.nodes[number + 1].grid
        further = ", and further blocks" if place.further else ""
        if sampling is not None and (number, "out") in sampling.looked_at:
            continue
        if len(widths) == 1:
            what = str(widths[0])
        else:
            steps = {int(b - a) for a, b in pairwise(widths)}
            step = f" in steps of {steps.pop()}" if len(steps) == 1 else f" ({len(widths)} values)"
            what = f"{widths[0]} to {widths[-1]}{step}"
        lines.append(f"{number}: {graph.slots.start[number].name}: out_channels {what}{further}")
    return sorted(lines, key=lambda line: int(line.partition(":")[0]))
