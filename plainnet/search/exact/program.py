"""The best path at given prices: a dynamic program over places, layers used and widths, forwards and backwards.

At prices w = (1, mu, -l1, -l2, ...) on (gain, n, costs) an edge is worth the scalar product of w and its quantities. The
inner width and the depth of a block are chosen where the edge is made (`values`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from plainnet.search.exact.block_values import NEVER, family_values, outer, sides, weighed
from plainnet.search.exact.graph import Edge, Family, Graph
from plainnet.search.exact.monomials import Floats, point_monomials
from plainnet.search.exact.nodes import Nodes

__all__ = ["Path", "Step", "Tables", "edge_tables", "end_values", "quantities", "solve_at"]


class Step(NamedTuple):
    """A block of a path: which edge and family, the number of its depth, and the nodes of its widths."""

    edge: int
    family: int
    depth: int
    x: int
    y: int
    z: int


class Path(NamedTuple):
    """A path to an end: its steps and the sums of (gain, n, costs), estimated as the bound is."""

    steps: tuple[Step, ...]
    end: int
    quantities: Floats


class EdgeTable(NamedTuple):
    """The best value of an edge at prices for each use of the axis: value[x, y], and which (family, depth) it is."""

    value: dict[int, Floats]
    which: dict[int, NDArray[np.int32]]


class Tables(NamedTuple):
    """What `solve_at` found: best values of beginnings and of completions, [layers used, width], by vertex."""

    value: float
    forward: list[Floats]
    backward: list[Floats]
    edges: list[EdgeTable]
    ends: dict[int, Floats]


def edge_tables(graph: Graph, prices: Floats) -> list[EdgeTable]:
    """The best value of every edge."""
    return [_edge_table(graph, edge, prices) for edge in graph.edges]


def _edge_table(graph: Graph, edge: Edge, prices: Floats) -> EdgeTable:
    value: dict[int, Floats] = {}
    which: dict[int, NDArray[np.int32]] = {}
    for number, family in enumerate(edge.families):
        if not family.alive:
            continue
        found = family_values(graph, edge, family, prices)
        for at, depth in enumerate(family.alive):
            steps, name = int(family.steps[depth]), number * 4096 + depth
            if steps > graph.question.most and graph.question.axis is not None:
                continue
            if steps not in value:
                value[steps], which[steps] = found[at], np.full(found[at].shape, name, dtype=np.int32)
            else:
                better = found[at] > value[steps]
                which[steps] = np.where(better, np.int32(name), which[steps])
                value[steps] = np.maximum(found[at], value[steps])
    return EdgeTable(value, which)


def end_values(graph: Graph, vertex: int, prices: Floats) -> Floats:
    """What the end adds at prices, by width."""
    high, low = weighed(graph.ends[vertex], [0], prices)
    last = graph.nodes[-1]
    one = Nodes(np.array([1]), np.array([0]), np.array([0]))
    found: Floats = outer(high, low, one, last)[0, 0]
    return found


def solve_at(graph: Graph, prices: Floats, *, completions: bool = False) -> Tables:
    """The best paths at prices (the curve of n left out); with their completions where these are asked for."""
    tables = edge_tables(graph, prices)
    length = graph.question.most + 1
    counts = [graph.nodes[vertex.place + 1].count for vertex in graph.vertices]
    forward = [np.full((length, count), NEVER) for count in counts]
    forward[0][0, :] = 0
    for place in range(-1, len(graph.nodes) - 2):
        for edge, table in zip(graph.edges, tables, strict=True):
            if not edge.repeats and graph.vertices[edge.source].place == place:
                _pass_on(forward[edge.source], forward[edge.target], table)
        further = [
            (edge, table)
            for edge, table in zip(graph.edges, tables, strict=True)
            if edge.repeats and graph.vertices[edge.source].place == place + 1
        ]
        for used in range(length if further else 0):
            for edge, table in further:
                for steps, value in table.value.items():
                    if used + steps < length:
                        best = (forward[edge.source][used][:, None] + value).max(axis=0)
                        np.maximum(forward[edge.target][used + steps], best, out=forward[edge.target][used + steps])
    ends = {at: end_values(graph, at, prices) for at in graph.ends}
    best_value = max([NEVER, *[float((forward[at] + ends[at]).max()) for at in ends]])
    backward = _completions(graph, tables, ends, counts, length) if completions else []
    return Tables(best_value, forward, backward, tables, ends)


def _pass_on(source: Floats, target: Floats, table: EdgeTable) -> None:
    for steps, value in table.value.items():
        if steps < len(source):
            best = (source[: len(source) - steps, :, None] + value[None]).max(axis=1)
            np.maximum(target[steps:], best, out=target[steps:])


def _completions(
    graph: Graph, tables: list[EdgeTable], ends: dict[int, Floats], counts: list[int], length: int
) -> list[Floats]:
    backward = [np.full((length, count), NEVER) for count in counts]
    for at, value in ends.items():
        backward[at][:] = value
    for place in range(len(graph.nodes) - 2, -1, -1):
        further = [
            (edge, table)
            for edge, table in zip(graph.edges, tables, strict=True)
            if edge.repeats and graph.vertices[edge.source].place == place
        ]
        for used in range(length - 1, -1, -1) if further else ():
            for edge, table in further:
                for steps, value in table.value.items():
                    if used + steps < length:
                        best = (backward[edge.target][used + steps][None, :] + value).max(axis=1)
                        np.maximum(backward[edge.source][used], best, out=backward[edge.source][used])
        for edge, table in zip(graph.edges, tables, strict=True):
            if edge.repeats or graph.vertices[edge.target].place != place:
                continue
            for steps, value in table.value.items():
                if steps < length:
                    best = (backward[edge.target][steps:, None, :] + value[None]).max(axis=2)
                    into = backward[edge.source][: length - steps]
                    np.maximum(into, best, out=into)
    return backward


def quantities(graph: Graph, step: Step) -> Floats:
    """What a block of a path adds to (gain, n, costs), estimated as the bound is."""
    edge = graph.edges[step.edge]
    family = edge.families[step.family]
    x, y = sides(graph, edge)
    if family.table is not None:
        z = family.inner.first[step.z] if family.inner is not None else 0
        return family.table.at(step.depth, x.first[step.x], y.first[step.y], z)
    ends = [(float(each.low[at]), float(each.high[at])) for each, at in ((x, step.x), (y, step.y))]
    if family.option.ratio is not None:
        ends.append((family.option.inner_of(int(ends[1][0])), family.option.inner_of(int(ends[1][1]))))
    elif family.inner is not None:
        ends.append((float(family.inner.low[step.z]), float(family.inner.high[step.z])))
    else:
        ends.append((1.0, 1.0))
    lower, upper = ([pair[at] for pair in ends] for at in (0, 1))
    return _estimate(family, step.depth, lower, upper)


def _estimate(family: Family, depth: int, lower: list[float], upper: list[float]) -> Floats:
    bounds = family.generic
    for pair, special in family.equal:
        if lower[pair[0]] == upper[pair[0]] == lower[pair[1]] == upper[pair[1]]:
            bounds = special
            merged = 0 if pair == (0, 1) else pair[1]
            lower = [*lower[:merged], 1.0, *lower[merged + 1 :]]
            upper = [*upper[:merged], 1.0, *upper[merged + 1 :]]
            break
    low, high = (point_monomials(*side) for side in (lower, upper))
    result: Floats = bounds.high[depth] @ high + bounds.low[depth] @ low
    return result
