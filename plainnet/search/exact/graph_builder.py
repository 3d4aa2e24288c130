"""From the places of a start structure to its graph: options as formulas, or as tables, between vertices."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Sequence

import numpy as np

from plainnet.blocks.rows.shapes import Shape
from plainnet.search.candidates.genes import kind_of
from plainnet.search.exact.forms import MORE, MORE_OF_ENTROPIES, Form, Meetings, find_form
from plainnet.search.exact.graph import Bounds, Edge, Family, Graph
from plainnet.search.exact.measured_blocks import Measured, Vertex
from plainnet.search.exact.monomials import MONOMIALS, Floats
from plainnet.search.exact.nodes import SINGLE, first_nodes
from plainnet.search.exact.place_options import Ints, Option, Place, Slots, is_shipped
from plainnet.search.exact.question import Question
from plainnet.search.exact.summed_objectives import NoFormulaError, NotASumError
from plainnet.search.exact.tables import MOST_COUNTED, MOST_WIDTHS, Table, counted, size_of, uses_vary
from plainnet.search.exact.width_rules import width_rules

__all__ = ["TooManyBlocksError", "build_graph"]

NONE = np.array([999_999_937], dtype=np.int64)
NO_INNER = np.array([999_999_936], dtype=np.int64)
"""In place of a width that a block does not have: no number of channels is so large."""


class TooManyBlocksError(NotASumError):
    """Blocks that are no formula of their widths, and too many to be counted one by one: of which place, and why."""

    def __init__(self, place: int, why: str) -> None:
        super().__init__(why)
        self.place, self.why = place, why.removesuffix("; `plainnet search` remains")


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
        self.more = MORE_OF_ENTROPIES if question.objective.count else MORE
        self.is_forgotten = False
        """whether no block behind the place at hand needs the objective's state"""
        self._formed: dict[Hashable, tuple[Form, tuple[int, int, Hashable]]] = {}
        """the formulas of blocks that stand behind equal maps at several places"""
        self.tabled: set[int] = set()
        """the identities of the grids whose widths are looked at one by one"""

    def graph(self) -> Graph:
        for number, place in enumerate(self.slots.places):
            takes = [each.takes for each in place.options if each.takes is not None]
            if takes and not np.isin(takes, self.grids[-1]).any():
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
            [first_nodes(grid, most_single=len(grid) if id(grid) in self.tabled else SINGLE) for grid in self.grids],
            ends,
            curves[0] if curves else None,
            self.dropped,
            width_rules(self.slots),
        )
        graph.remember()
        return graph

    def _pass(self, number: int, place: Place) -> None:
        """The edges into the vertices behind a place, and those among them."""
        self.is_forgotten = self._forgets_behind(number)
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
            found = self._family(source, number, option, self.grids[number + repeats], self.grids[number + 1])
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

    def _forgets_behind(self, number: int) -> bool:
        """Whether every block that may stand behind a block of a place begins anew, whatever the objective's state is."""
        places, x = self.slots.places, self.grids[number + 1]
        vertex = next(each for each in self.vertices if each.place == number - 1)
        behind = [(option, x) for option in places[number].further]
        if number + 1 < len(places):
            widths = places[number + 1].widths
            behind += [(option, x if widths is None else widths) for option in places[number + 1].options]
        return all(self._forgets(option, x, y, vertex) for option, y in behind)

    def _forgets(self, option: Option, x: Ints, y: Ints, vertex: Vertex) -> bool:
        """Whether the blocks of an option do: of equal widths and of different ones, of all depths."""
        both = np.intersect1d(x, y)[:1].tolist()
        pairs = [*((each, each) for each in both), (int(x[0]), int(y[-1])), (int(x[-1]), int(y[0]))]
        seen = False
        for (a, b), depth in itertools.product(pairs, option.depths):
            a = a if option.takes is None else option.takes
            z = option.inner_of(b) if option.ratio is not None else a if option.inner_values is None else 0
            gene = option.gene(self.slots.mutator.pool, a, b, z or int(option.inner_values[0]), depth)  # type: ignore[index]
            if gene is not None and gene.fault is None:
                if not self.question.objective.forgets(gene, Shape(a, vertex.height, vertex.width)):
                    return False
                seen = True
        return seen

    def _family(
        self, source: int, number: int, option: Option, x: Ints, y: Ints
    ) -> tuple[Family, int, int, Hashable] | None:
        """The formula of an option behind a vertex, and what it puts out; None where it fits nowhere."""
        vertex, question = self.vertices[source], self.question
        if option.takes is not None:  # others come in as well where further blocks may follow, but not here
            x = x[x == option.takes]
            if not len(x):
                return None
        inner = option.inner_values
        if option.ratio is not None:
            inner = np.array(sorted({option.inner_of(int(each)) for each in y}), dtype=np.int64)
        grids = (x, NONE if option.puts is None else y, NO_INNER if inner is None else inner)
        measured = Measured(self.slots.mutator.pool, question, option, vertex, is_forgotten=self.is_forgotten)
        key = (_closed(option), vertex[1:], self.is_forgotten, *(grid.tobytes() for grid in grids))
        try:
            found_form = self._formed.get(key) or self._form(option, grids, measured)
            if found_form is None:
                return None
            form, behind = self._formed[key] = found_form
        except NoFormulaError as error:
            found = self._tabled(number, option, grids, measured, error)
            if found is None:
                return None
            family, behind = found, measured.behind()
        else:
            steps = form.generic[:, 2, 0].round().astype(np.int64)
            costs = len(question.costs)
            family = Family(
                option,
                steps if question.axis is not None else np.zeros_like(steps),
                _bounds(form.generic, costs),
                tuple((pair, _bounds(each, costs)) for pair, each in form.equal),
                None if inner is None or option.ratio is not None else first_nodes(inner),
                list(range(len(option.depths))),
            )
        return family, *behind

    def _form(
        self, option: Option, grids: tuple[Ints, Ints, Ints], measured: Measured
    ) -> tuple[Form, tuple[int, int, Hashable]] | None:
        """The formula of an option behind a vertex, and what it puts out; None where it fits nowhere."""
        x, y, z = grids
        tried = [measured.fits(int(x[at]), int(y[at]), int(z[at]), option.depths[at]) for at in (0, -1)]
        if not any(tried):
            if is_shipped(option):  # which refuse maps, not widths
                return None
            raise NoFormulaError(f"{option.name} accepts only some widths")
        whole = self.question.are_whole
        every = not (is_shipped(option) and self.question.objective.is_arithmetic)
        form = find_form(measured, grids, option.depths, whole, option.name, self.meetings, self.more, every=every)
        used = form.generic[:, 2]
        if self.question.axis is not None and (
            np.any(used[:, 1:]) or not all(np.array_equal(each[:, 2], used) for _, each in form.equal)
        ):
            raise NotASumError(uses_vary(option.name))
        return form, measured.behind()

    def _tabled(
        self, number: int, option: Option, grids: tuple[Ints, Ints, Ints], measured: Measured, error: NoFormulaError
    ) -> Family | None:
        """An option whose blocks are counted one by one; None where it fits nowhere."""
        grids = grids if option.ratio is None else (*grids[:2], NO_INNER)
        if size_of(grids, option.depths) > MOST_COUNTED or max(map(len, grids)) > MOST_WIDTHS:
            raise TooManyBlocksError(number, str(error))
        table = counted(measured, grids, option.depths, len(self.question.are_whole), self.watch)
        if table is None:
            return None
        self.tabled |= {id(self.grids[at]) for at in (number, number + 1) if at > number or option.takes is None}
        depths = np.flatnonzero(table.fits.any(axis=(1, 2, 3)))
        steps = np.array([table.sums[at][table.fits[at]][0, 2] for at in depths]).round().astype(np.int64)
        kept = [at for at in range(table.sums.shape[-1]) if at != 2]
        nothing = np.zeros((len(depths), len(kept), len(MONOMIALS)))
        inner = option.inner_values if option.ratio is None else None
        return Family(
            option._replace(depths=tuple(option.depths[at] for at in depths)),
            steps if self.question.axis is not None else np.zeros_like(steps),
            Bounds(nothing, nothing),
            (),
            None if inner is None else first_nodes(inner, most_single=len(inner)),
            list(range(len(depths))),
            Table(table.sums[depths][..., kept], table.fits[depths]),
        )

    def _end(self, vertex: Vertex) -> Bounds:
        """What the last map adds, as a formula of its width (in place of y)."""
        question = self.question
        grid = self.grids[-1]

        def measure(x: int, y: int, z: int, depth: int) -> list[float]:  # noqa: ARG001
            shape = Shape(y, vertex.height, vertex.width)
            costs = [each.amount_of_classifier(shape) + each.constant for each in question.costs]
            objective = question.objective
            return [objective.of_end(shape, vertex.state), 0, 0, *costs, *objective.parts_of_end(shape, vertex.state)]

        every = not question.objective.is_arithmetic
        form: Form = find_form(
            measure, (NONE, grid, NO_INNER), (1,), question.are_whole, "the end", more=self.more, every=every
        )
        return _bounds(form.generic, len(question.costs))


def _closed(option: Option) -> Hashable:
    """All that an option says of a block's cost: its arguments, those that are open left out."""
    kind = kind_of(option.name) if option.values else None
    open_ones = (
        () if kind is None or kind.in_channels < 0 else (kind.in_channels, kind.out_channels, kind.depth, option.inner)
    )
    values = tuple(None if at in open_ones else value for at, value in enumerate(option.values))
    tie = None if option.ratio is None else (option.ratio[0].model_dump_json(), option.ratio[1])
    return option.name, values, option.depths, option.puts, option.takes, tie


def _bounds(coefficients: Floats, costs: int) -> Bounds:
    """Upper estimates of the gain, n and the parts, lower ones of the costs; what is used of the axis is left out."""
    above, below = np.maximum(coefficients, 0), np.minimum(coefficients, 0)
    high, low, priced = above.copy(), below.copy(), slice(3, 3 + costs)
    high[:, priced], low[:, priced] = below[:, priced], above[:, priced]
    kept = [0, 1, *range(3, coefficients.shape[1])]
    return Bounds(high[:, kept], low[:, kept])
