"""The layered graph of a start structure: vertices (place, map, state, width, layers used), edges that are blocks.

A vertex here is everything but the width and the layers used, which are the axes of its arrays; a family is one option with its
formula between two vertices.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from plainnet.blocks.rows.counts import block_totals
from plainnet.blocks.rows.shapes import Shape
from plainnet.search.candidates.evaluation import Setting
from plainnet.search.candidates.faults import FAULTS, fault_of, is_refusal
from plainnet.search.candidates.genes import Gene
from plainnet.search.exact.forms import Floats, Form, Meetings, find_form
from plainnet.search.exact.nodes import Nodes, first_nodes
from plainnet.search.exact.slots import Ints, Option, Place, Slots
from plainnet.search.exact.sums import NotASumError, Sum, SumCost

__all__ = ["Edge", "Family", "Graph", "Question", "Vertex", "build_graph"]

NONE = np.array([999_999_937], dtype=np.int64)
NO_INNER = np.array([999_999_936], dtype=np.int64)
"""In place of a width that a block does not have: no number of channels is so large."""


class Question(NamedTuple):
    """What is asked: the objective, the budgets with prices, and the one whose units are counted along paths (layers, say).

    most: what that one allows; 0 where there is none.
    """

    setting: Setting
    objective: Sum
    costs: tuple[SumCost, ...]
    limits: tuple[float, ...]
    axis: SumCost | None
    most: int


class Bounds(NamedTuple):
    """Coefficients that make an upper estimate: those of the upper ends and those of the lower ends, [depth, quantity, monomial].

    Quantities: the gain, n, the costs. A cost is estimated from below.
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


@dataclass
class Edge:
    """All families between two vertices."""

    source: int
    target: int
    families: list[Family]
    repeats: bool
    """whether it is one of any number of further blocks"""


class Vertex(NamedTuple):
    """A place that was passed (-1: none), the map behind it, and the objective's state there."""

    place: int
    height: int
    width: int
    state: Hashable


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


def build_graph(slots: Slots, question: Question, watch: Callable[[], None] = lambda: None) -> Graph:
    """The graph of a start structure; `NotASumError` where something is no sum over blocks."""
    builder = _Builder(slots, question, watch)
    return builder.graph()


class _Builder:
    def __init__(self, slots: Slots, question: Question, watch: Callable[[], None]) -> None:
        self.slots, self.question, self.watch = slots, question, watch
        shape = question.setting.shape
        self.vertices = [Vertex(-1, shape.height, shape.width, question.objective.start)]
        self.edges: list[Edge] = []
        self.grids: list[Ints] = [np.array([shape.channels], dtype=np.int64)]
        self.dropped = 0
        self.meetings: Meetings = {}

    def graph(self) -> Graph:
        for number, place in enumerate(self.slots.places):
            takes = [each.takes for each in place.options if each.takes is not None]
            if takes:
                self.grids[-1] = self.grids[-1][np.isin(self.grids[-1], takes)]
                if not len(self.grids[-1]):
                    raise NotASumError(f"{place.options[0].name} takes {takes[0]} channels, and nothing puts them out")
            self.grids.append(self.grids[-1] if place.widths is None else place.widths)
            self._pass(number, place)
        last = len(self.slots.places) - 1
        final = [at for at, vertex in enumerate(self.vertices) if vertex.place == last]
        ends = {at: self._end(self.vertices[at]) for at in final}
        curves = [self.question.objective.curve(self.vertices[at].state) for at in final]
        if (
            len(final) > 1
            and any(each is not None for each in curves)
            and len({self.vertices[at].state for at in final}) > 1
        ):
            raise NotASumError("the structures of this space end in different activations; `plainnet search` remains")
        graph = Graph(
            self.slots,
            self.question,
            self.vertices,
            self.edges,
            [first_nodes(grid) for grid in self.grids],
            ends,
            curves[0] if curves else None,
            self.dropped,
            _width_rules(self.slots),
        )
        graph.remember()
        return graph

    def _pass(self, number: int, place: Place) -> None:
        """The edges into the vertices behind a place, and those among them."""
        for at in [at for at, vertex in enumerate(self.vertices) if vertex.place == number - 1]:
            self._add(at, number, place.options, repeats=False)
        done = 0
        while place.further:
            new = [at for at, vertex in enumerate(self.vertices) if vertex.place == number][done:]
            if not new:
                break
            done += len(new)
            for at in new:
                self._add(at, number, place.further, repeats=True)

    def _add(self, source: int, number: int, options: Sequence[Option], *, repeats: bool) -> None:
        into: dict[int, list[Family]] = {}
        for option in options:
            self.watch()
            found = self._family(source, option, self.grids[number + repeats], self.grids[number + 1])
            if found is None:
                self.dropped += 1
                continue
            family, height, width, state = found
            self._check_steps(family, repeats=repeats)
            target = Vertex(number, height, width, state)
            if target not in self.vertices:
                self.vertices.append(target)
            into.setdefault(self.vertices.index(target), []).append(family)
        self.edges += [Edge(source, target, families, repeats) for target, families in into.items()]

    def _check_steps(self, family: Family, *, repeats: bool) -> None:
        """See that the axis ends what else would go on without end: further blocks, and depth."""
        axis, option = self.question.axis, family.option
        if axis is None:
            return
        depths = np.array(option.depths)
        if repeats and family.steps.min() < 1:
            raise NotASumError(
                f"{option.name} adds no {axis.name}, so any number of them may follow; give --max-layers"
            )
        if len(depths) > 1 and np.any(np.diff(family.steps) < np.diff(depths)):
            raise NotASumError(f"the {axis.name} of {option.name} do not grow with its depth; give --max-layers")

    def _family(self, source: int, option: Option, x: Ints, y: Ints) -> tuple[Family, int, int, Hashable] | None:
        """The formula of an option behind a vertex, and what it puts out; None where it fits nowhere."""
        vertex, question = self.vertices[source], self.question
        passes = option.puts is None
        inner = option.inner_values
        if option.ratio is not None:
            inner = np.array(sorted({option.inner_of(int(each)) for each in y}), dtype=np.int64)
        grids = (x, NONE if passes else y, NO_INNER if inner is None else inner)
        measured = _Measured(self.slots, question, option, vertex)
        tried = [measured.fits(int(x[at]), int(grids[1][at]), int(grids[2][at]), option.depths[at]) for at in (0, -1)]
        if not any(tried):
            return None
        exact = [
            isinstance(each, SumCost) and each.name != "latency_ms" for each in (question.objective, *question.costs)
        ]
        form = find_form(measured, grids, option.depths, [exact[0], True, True, *exact[1:]], option.name, self.meetings)
        steps = form.generic[:, 2, 0].round().astype(np.int64)
        family = Family(
            option,
            steps if question.axis is not None else np.zeros_like(steps),
            _bounds(form.generic),
            tuple((pair, _bounds(each)) for pair, each in form.equal),
            None if inner is None or option.ratio is not None else first_nodes(inner),
            list(range(len(option.depths))),
        )
        height, width, state = measured.behind()
        return family, height, width, state

    def _end(self, vertex: Vertex) -> Bounds:
        """What the last map adds, as a formula of its width (in place of y)."""
        question = self.question
        grid = self.grids[-1]

        def measure(x: int, y: int, z: int, depth: int) -> list[float]:  # noqa: ARG001
            shape = Shape(y, vertex.height, vertex.width)
            costs = [each.amount_of_classifier(shape) + each.constant for each in question.costs]
            return [question.objective.of_end(shape, vertex.state), 0, 0, *costs]

        exact = [
            isinstance(each, SumCost) and each.name != "latency_ms" for each in (question.objective, *question.costs)
        ]
        form: Form = find_form(measure, (NONE, grid, NO_INNER), (1,), [exact[0], True, True, *exact[1:]], "the end")
        return _bounds(form.generic)


class _Measured:
    """What blocks of an option cost and gain behind a vertex."""

    def __init__(self, slots: Slots, question: Question, option: Option, vertex: Vertex) -> None:
        self.pool, self.question, self.option, self.vertex = slots.mutator.pool, question, option, vertex
        self._behind: tuple[int, int, Hashable] | None = None

    def fits(self, x: int, y: int, z: int, depth: int) -> bool:
        """Whether there is such a block, and it takes what comes in."""
        try:
            gene = self._gene(x, y, z, depth)
            block_totals(gene.block, self._shape(x), self.question.setting.variant)
        except FAULTS as error:
            if is_refusal(fault_of(error)):
                return False
            raise
        return True

    def _shape(self, x: int) -> Shape:
        return Shape(x, self.vertex.height, self.vertex.width)

    def _gene(self, x: int, y: int, z: int, depth: int) -> Gene:
        gene = self.option.gene(self.pool, x, y, z, depth)
        if gene is None:
            raise NotASumError(f"{self.option.name} cannot take {x} channels")
        if gene.fault is not None:
            raise gene.fault.with_traceback(None)
        return gene

    def __call__(self, x: int, y: int, z: int, depth: int) -> list[float]:
        question, shape = self.question, self._shape(x)
        try:
            gene = self._gene(x, y, z, depth)
            out = block_totals(gene.kept_block(), shape, question.setting.variant).out_shape
        except NotASumError:
            raise
        except FAULTS as error:
            if is_refusal(fault_of(error)):
                raise NotASumError(f"{self.option.name} accepts only some widths ({error})") from None
            raise
        gain, count, state = question.objective.of_block(gene, shape, self.vertex.state)
        wanted = x if self.option.puts is None else y
        if out.channels != wanted:
            raise NotASumError(f"{gene.text} puts out {out.channels} channels; accepted: {wanted}")
        behind = (out.height, out.width, state)
        if self._behind is not None and behind != self._behind:
            raise NotASumError(f"the map that {self.option.name} puts out depends on its widths or its depth")
        self._behind = behind
        steps = question.axis.amount(gene, shape) if question.axis is not None else 0
        return [gain, count, steps, *(each.amount(gene, shape) for each in question.costs)]

    def behind(self) -> tuple[int, int, Hashable]:
        assert self._behind is not None
        return self._behind


def _bounds(coefficients: Floats) -> Bounds:
    """Upper estimates of the gain and n, lower ones of the costs; what is used of the axis is left out."""
    above, below = np.maximum(coefficients, 0), np.minimum(coefficients, 0)
    high, low = above.copy(), below.copy()
    high[:, 3:], low[:, 3:] = below[:, 3:], above[:, 3:]
    kept = [0, 1, *range(3, coefficients.shape[1])]
    return Bounds(high[:, kept], low[:, kept])


def _width_rules(slots: Slots) -> dict[tuple[int, bool], tuple[bool, float]]:
    """(Place, whether it is a further block) -> whether it may not narrow and how much it may widen, where rules of
    the space say so.
    """
    rules = slots.mutator.space.widths
    ordered = rules.at_least_input or rules.at_most_next
    free = [rule.change.get("out_channels") is not None for rule in slots.mutator.rules]
    found: dict[tuple[int, bool], tuple[bool, float]] = {}
    before: int | None = None
    for number, gene in enumerate(slots.start):
        if not gene.wide:
            if slots.places[number].widths is not None:
                before = None  # other channels come in than the last block with a width put out
            continue
        factor = rules.at_most_input_times if free[gene.rule] and rules.at_most_input_times is not None else np.inf
        found[number, True] = (ordered and free[gene.rule], float(factor))
        if before is not None:
            found[number, False] = (ordered and (free[gene.rule] or free[before]), float(factor))
        before = gene.rule
    return found
