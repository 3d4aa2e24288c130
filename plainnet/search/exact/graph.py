"""The layered graph of a start structure: vertices (place, map, state, width, layers used), edges that are blocks.

A vertex here is everything but the width and the layers used, which are the axes of its arrays; a family is one option with its
formula between two vertices.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from plainnet.search.exact.measured_blocks import Vertex
from plainnet.search.exact.monomials import Floats
from plainnet.search.exact.nodes import Nodes
from plainnet.search.exact.place_options import Ints, Option, Slots
from plainnet.search.exact.question import Question
from plainnet.search.exact.tables import Table

__all__ = ["Bounds", "Edge", "Family", "Graph"]


class Bounds(NamedTuple):
    """Coefficients that make an upper estimate: those of the upper ends and those of the lower ends, [depth, quantity, monomial].

    Quantities: the gain, n, the costs, the parts of the gain. A cost is estimated from below.
    """

    high: Floats
    low: Floats


@dataclass
class Family:
    """An option between two vertices. steps: what each depth uses of the axis. `alive`: the depths that are not ruled out."""

    option: Option
    steps: Ints
    generic: Bounds
    equal: tuple[tuple[tuple[int, int], Bounds], ...]
    inner: Nodes | None
    alive: list[int]
    table: Table | None = None
    """what the blocks add up to where no formula says it; its quantities are those of the bounds"""


@dataclass
class Edge:
    """All families between two vertices."""

    source: int
    target: int
    families: list[Family]
    repeats: bool
    """whether it is one of any number of further blocks"""


@dataclass
class Graph:
    """vertices in the order of the places; nodes[place + 1]: the widths behind a place; ends: what the end adds, by vertex."""

    slots: Slots
    question: Question
    vertices: list[Vertex]
    edges: list[Edge]
    nodes: list[Nodes]
    ends: dict[int, Bounds]
    curve: Callable[[int], float] | None
    dropped: int = 0
    """options that fit nowhere"""
    masks: dict[tuple[int, bool], tuple[bool, float]] = field(default_factory=dict)
    """(place, whether it is a further block) -> whether it may not narrow, and how much it may widen at most"""
    whole: tuple[list[Nodes], list[list[Family]], list[Nodes | None]] | None = None
    """what there was before anything was ruled out"""

    def remember(self) -> None:
        """Keep what there is now for `restore`."""
        families = [family for edge in self.edges for family in edge.families]
        self.whole = list(self.nodes), [list(edge.families) for edge in self.edges], [each.inner for each in families]

    def restore(self) -> None:
        """Take everything back in that was ruled out."""
        assert self.whole is not None
        self.nodes = list(self.whole[0])
        for edge, families in zip(self.edges, self.whole[1], strict=True):
            edge.families = list(families)
        for family, inner in zip((each for edge in self.edges for each in edge.families), self.whole[2], strict=True):
            family.inner, family.alive = inner, list(range(len(family.option.depths)))
