"""The best path at given prices: a dynamic program over places, layers used and widths, forwards and backwards.

At prices w = (1, mu, -l1, -l2, ...) on (gain, n, costs) an edge is worth the scalar product of w and its quantities. The inner width
and the depth of a block are chosen where the edge is made: of a block's value only h(z) + z (a x + b y) depends on its inner width z,
so the best z is found on the upper envelope of lines in u = a x + b y.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from plainnet.search.exact.forms import Floats
from plainnet.search.exact.graph import Bounds, Edge, Family, Graph
from plainnet.search.exact.nodes import Nodes, corners

__all__ = ["Path", "Step", "Tables", "edge_tables", "end_values", "family_values", "quantities", "solve_at"]

DIRECT = 60_000
"""Values of one family that are all worked out; of more, the envelope is."""
NEVER = -np.inf


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


def sides(graph: Graph, edge: Edge) -> tuple[Nodes, Nodes]:
    """The nodes at the two sides of an edge."""
    return graph.nodes[graph.vertices[edge.source].place + 1], graph.nodes[graph.vertices[edge.target].place + 1]


def _mask(graph: Graph, edge: Edge, x: Nodes, y: Nodes, family: Family) -> NDArray[np.bool_] | None:
    """Which pairs of nodes a family may join; None for all."""
    option = family.option
    allowed: NDArray[np.bool_] | None = None
    if option.puts is None:
        allowed = (
            (x.first[:, None] == y.first[None, :]) if x.grid is y.grid or len(x.grid) == len(y.grid) else x.overlaps(y)
        )
        allowed = allowed & (x.low[:, None] == y.low[None, :])
    rule = graph.masks.get((graph.vertices[edge.target].place, edge.repeats))
    if rule is not None and option.puts == -1:
        ordered, factor = rule
        allowed = np.ones((x.count, y.count), dtype=bool) if allowed is None else allowed
        if ordered:
            allowed &= y.high[None, :] >= x.low[:, None]
        if np.isfinite(factor):
            allowed &= y.low[None, :] <= factor * x.high[:, None]
    return allowed


def family_values(graph: Graph, edge: Edge, family: Family, prices: Floats, *, inner: bool = False) -> Floats:
    """The value of a family at prices, [alive depth, x, y], or with `inner` [alive depth, x, y, z] where z is free."""
    x, y = sides(graph, edge)
    depths = family.alive
    values = _valued(family.generic, depths, prices, x, y, family, inner=inner)
    for pair, bounds in family.equal:
        _with_equal(values, pair, bounds, depths, prices, x, y, family, inner=inner)
    allowed = _mask(graph, edge, x, y, family)
    if allowed is not None:
        values = np.where(allowed[..., None] if values.ndim == 4 else allowed, values, NEVER)
    return values


def _weighed(bounds: Bounds, depths: list[int], prices: Floats) -> tuple[Floats, Floats]:
    return (np.einsum("q,dqm->dm", prices, each[depths]) for each in bounds)  # type: ignore[return-value]


def _valued(
    bounds: Bounds, depths: list[int], prices: Floats, x: Nodes, y: Nodes, family: Family, *, inner: bool
) -> Floats:
    high, low = _weighed(bounds, depths, prices)
    z = family.inner
    if family.option.ratio is not None:
        z_low, z_high = (
            np.array([family.option.inner_of(int(each)) for each in side], float) for side in (y.low, y.high)
        )
        return _tied(high, low, x, y, z_low, z_high)
    base = _outer(high, low, x, y)
    if z is None:
        return base
    lone = _lone(high, low, z)
    size = len(depths) * x.count * y.count * z.count
    if inner or size <= DIRECT or np.any(high[:, 8:10]):
        whole = base[..., None] + lone[:, None, None, :]
        whole = whole + _cross(low, x.low, y.low)[..., None] * z.low + _cross(high, x.high, y.high)[..., None] * z.high
        return whole if inner else whole.max(axis=-1)
    return base + np.stack(
        [_envelope(z.low, lone[at], _cross(low[at : at + 1], x.low, y.low)[0]) for at in range(len(depths))]
    )


def _outer(high: Floats, low: Floats, x: Nodes, y: Nodes) -> Floats:
    """The part of values that depends on the outer widths alone, [depth, x, y]."""
    total = np.zeros((len(high), x.count, y.count))
    for table, a, b in ((low, x.low, y.low), (high, x.high, y.high)):
        along_x = table[:, [1, 4, 10]] @ np.stack([a, a * a, np.log(a)])
        along_y = table[:, [0, 2, 5, 11]] @ np.stack([np.ones_like(b), b, b * b, np.log(b)])
        total += along_x[:, :, None] + along_y[:, None, :]
        if np.any(table[:, 7]):
            total += table[:, 7, None, None] * (a[:, None] * b[None, :])
    return total


def _lone(high: Floats, low: Floats, z: Nodes) -> Floats:
    """The part that depends on the inner width alone, [depth, z]."""
    lone: Floats = low[:, [3, 6, 12]] @ np.stack([z.low, z.low**2, np.log(z.low)])
    return lone + high[:, [3, 6, 12]] @ np.stack([z.high, z.high**2, np.log(z.high)])


def _cross(table: Floats, x: Floats, y: Floats) -> Floats:
    """What an inner width is multiplied with, [depth, x, y]."""
    return table[:, 8, None, None] * x[:, None] + table[:, 9, None, None] * y[None, :]


def _tied(high: Floats, low: Floats, x: Nodes, y: Nodes, z_low: Floats, z_high: Floats) -> Floats:
    """The same where the inner width follows from y."""
    total = _outer(high, low, x, y)
    for table, a, b, c in ((low, x.low, y.low, z_low), (high, x.high, y.high, z_high)):
        lone = table[:, [3, 6, 12]] @ np.stack([c, c * c, np.log(c)])
        total += lone[:, None, :] + _cross(table, a, b) * c[None, None, :]
    return total


def _envelope(slopes: Floats, heights: Floats, at: Floats) -> Floats:
    """max over lines of heights + slopes * at; slopes ascend."""
    steps = np.diff(slopes)
    turns = -np.diff(heights) / steps
    if np.any(np.diff(turns) <= 0):
        kept = _hull(slopes, heights)
        slopes, heights = slopes[kept], heights[kept]
        turns = -np.diff(heights) / np.diff(slopes)
    best = np.searchsorted(turns, at)
    result: Floats = heights[best] + slopes[best] * at
    return result


def _hull(slopes: Floats, heights: Floats) -> list[int]:
    """The lines on the upper envelope."""
    kept: list[int] = []
    for line in range(len(slopes)):
        while len(kept) > 1:
            one, two = kept[-2], kept[-1]
            left = (heights[one] - heights[two]) * (slopes[line] - slopes[two])
            right = (heights[two] - heights[line]) * (slopes[two] - slopes[one])
            if left < right:
                break
            kept.pop()
        kept.append(line)
    return kept


def _with_equal(
    values: Floats,
    pair: tuple[int, int],
    bounds: Bounds,
    depths: list[int],
    prices: Floats,
    x: Nodes,
    y: Nodes,
    family: Family,
    *,
    inner: bool,
) -> None:
    """Take in what blocks of two equal widths are worth, where nodes may hold equal ones."""
    high, low = _weighed(bounds, depths, prices)
    z, tied = family.inner, family.option.ratio is not None
    if pair == (0, 1):  # in y and z
        other = _valued(bounds, depths, prices, y, y, family, inner=inner)
        meet = x.overlaps(y)
        for a, b in np.argwhere(meet):
            values[:, a, b] = np.maximum(values[:, a, b], other[:, b, b])
        return
    other = _outer(high, low, x, y)  # in x and y
    if tied:
        z_low, z_high = (
            np.array([family.option.inner_of(int(each)) for each in side], float) for side in (y.low, y.high)
        )
        side = y if pair == (1, 2) else x
        meet = (z_low[None, :] <= side.high[:, None]) & (side.low[:, None] <= z_high[None, :])
        where = np.broadcast_to(np.diag(meet)[None, :], (x.count, y.count)) if pair == (1, 2) else meet
        values[:] = np.where(where, np.maximum(values, other), values)
        return
    assert z is not None
    meet = (y if pair == (1, 2) else x).overlaps(z)
    spread = meet[None, :, :] if pair == (1, 2) else meet[:, None, :]
    if inner:
        values[:] = np.where(spread, np.maximum(values, other[..., None]), values)
    else:
        values[:] = np.where(spread.any(axis=-1), np.maximum(values, other), values)


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
    high, low = _weighed(graph.ends[vertex], [0], prices)
    last = graph.nodes[-1]
    one = Nodes(np.array([1]), np.array([0]), np.array([0]))
    return _outer(high, low, one, last)[0, 0]


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
    value = max((float((forward[at] + ends[at]).max()) for at in ends), default=NEVER)
    backward = _completions(graph, tables, ends, counts, length) if completions else []
    return Tables(value, forward, backward, tables, ends)


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
    from plainnet.search.exact.forms import monomials

    bounds = family.generic
    for pair, special in family.equal:
        if lower[pair[0]] == upper[pair[0]] == lower[pair[1]] == upper[pair[1]]:
            bounds = special
            merged = 0 if pair == (0, 1) else pair[1]
            lower = [*lower[:merged], 1.0, *lower[merged + 1 :]]
            upper = [*upper[:merged], 1.0, *upper[merged + 1 :]]
            break
    low, high = (monomials(*(np.array(each) for each in side)) for side in (lower, upper))
    result: Floats = bounds.high[depth] @ high + bounds.low[depth] @ low
    return result


__all__ += ["corners"]
