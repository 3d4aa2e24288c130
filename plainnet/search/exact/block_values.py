"""What blocks are worth at prices, as arrays over the nodes of their widths.

Of a block's value only h(z) + z (a x + b y) depends on its inner width z, so the best z is found on the upper envelope of
lines in u = a x + b y. Where a term log z (c x + d y) stands beside it, as in entropies, all z are worked out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from plainnet.search.exact.graph import Bounds, Edge, Family, Graph
from plainnet.search.exact.monomials import WITH_LOGS, Floats
from plainnet.search.exact.nodes import Nodes

__all__ = ["NEVER", "family_values", "outer", "sides", "weighed"]

DIRECT = 60_000
"""Values of one family that are all worked out; of more, the envelope is."""
AT_ONCE = 200_000
"""Where lines are not enough, so many values are worked out at a time."""
NEVER = -np.inf
CROSSED = [8, 9, WITH_LOGS + 6, WITH_LOGS + 7]
"""x z, y z, z log x, z log y"""
BENT = [WITH_LOGS + 2, WITH_LOGS + 5]
"""x log z, y log z"""


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
    if option.takes is not None:
        taken = (x.low <= option.takes) & (option.takes <= x.high)
        allowed = taken[:, None] & (np.ones((x.count, y.count), dtype=bool) if allowed is None else allowed)
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
    if family.table is not None:
        sums, fits = family.table.of(depths, x, y, family.inner)
        found = np.where(fits, sums @ prices, NEVER)
        values = np.ascontiguousarray(np.broadcast_to(found, (*found.shape[:2], y.count, found.shape[3])))
        values = values if inner and family.inner is not None else values.max(axis=-1)
        return _allowed(graph, edge, x, y, family, values)
    values = _valued(family.generic, depths, prices, x, y, family, inner=inner)
    for pair, bounds in family.equal:
        _with_equal(values, pair, bounds, depths, prices, x, y, family, inner=inner)
    return _allowed(graph, edge, x, y, family, values)


def _allowed(graph: Graph, edge: Edge, x: Nodes, y: Nodes, family: Family, values: Floats) -> Floats:
    """The values of the pairs of nodes that the family may join."""
    allowed = _mask(graph, edge, x, y, family)
    if allowed is not None:
        values = np.where(allowed[..., None] if values.ndim == 4 else allowed, values, NEVER)
    return values


def weighed(bounds: Bounds, depths: list[int], prices: Floats) -> tuple[Floats, Floats]:
    return (np.einsum("q,dqm->dm", prices, each[depths]) for each in bounds)  # type: ignore[return-value]


def _valued(
    bounds: Bounds, depths: list[int], prices: Floats, x: Nodes, y: Nodes, family: Family, *, inner: bool
) -> Floats:
    high, low = weighed(bounds, depths, prices)
    z = family.inner
    if family.option.ratio is not None:
        z_low, z_high = (
            np.array([family.option.inner_of(int(each)) for each in side], float) for side in (y.low, y.high)
        )
        return _tied(high, low, x, y, z_low, z_high)
    base = outer(high, low, x, y)
    if z is None:
        return base
    lone = _lone(high, low, z)
    size = len(depths) * x.count * y.count * z.count
    if inner or size <= DIRECT:
        whole = _direct(base, lone, high, low, (x.low, y.low, z.low), (x.high, y.high, z.high))
        return whole if inner else whole.max(axis=-1)
    if np.any(high[:, [*CROSSED, *BENT]]) or np.any(low[:, BENT]):
        return base + _best_of_all(lone, high, low, x, y, z)
    return base + np.stack(
        [_envelope(z.low, lone[at], _cross(low[at : at + 1], x.low, y.low)[0]) for at in range(len(depths))]
    )


def outer(high: Floats, low: Floats, x: Nodes, y: Nodes) -> Floats:
    """The part of values that depends on the outer widths alone, [depth, x, y]."""
    total = np.zeros((len(high), x.count, y.count))
    for table, a, b in ((low, x.low, y.low), (high, x.high, y.high)):
        of_a, of_b = np.log(a), np.log(b)
        along_x = table[:, [1, 4, 10, WITH_LOGS]] @ np.stack([a, a * a, of_a, a * of_a])
        along_y = table[:, [0, 2, 5, 11, WITH_LOGS + 4]] @ np.stack([np.ones_like(b), b, b * b, of_b, b * of_b])
        total += along_x[:, :, None] + along_y[:, None, :]
        for monomial, one, two in ((7, a, b), (WITH_LOGS + 1, a, of_b), (WITH_LOGS + 3, of_a, b)):
            if np.any(table[:, monomial]):
                total += table[:, monomial, None, None] * (one[:, None] * two[None, :])
    return total


def _direct(
    base: Floats,
    lone: Floats,
    high: Floats,
    low: Floats,
    below: tuple[Floats, Floats, Floats],
    above: tuple[Floats, Floats, Floats],
) -> Floats:
    """The values for all inner widths, [depth, x, y, z]; below, above: the ends of the nodes of x, y, z."""
    whole = base[..., None] + lone[:, None, None, :]
    for table, (a, b, c) in ((low, below), (high, above)):
        if np.any(table[:, CROSSED]):
            whole += _cross(table, a, b)[..., None] * c
        if np.any(table[:, BENT]):
            whole += _bent(table, a, b)[..., None] * np.log(c)
    return whole


def _best_of_all(lone: Floats, high: Floats, low: Floats, x: Nodes, y: Nodes, z: Nodes) -> Floats:
    """The most that inner widths add, [depth, x, y], all of them worked out as products of what x and y are and what z is."""
    outside = [
        *(_cross(table, a, b) for table, a, b in ((low, x.low, y.low), (high, x.high, y.high))),
        *(_bent(table, a, b) for table, a, b in ((low, x.low, y.low), (high, x.high, y.high))),
    ]
    inside = [z.low, z.high, np.log(z.low), np.log(z.high)]
    kept = [at for at, each in enumerate(outside) if np.any(each)]
    best = np.empty((len(lone), x.count * y.count))
    pairs = max(1, AT_ONCE // z.count)
    for depth in range(len(lone)):
        left = np.stack([np.ones(best.shape[1]), *(outside[at][depth].ravel() for at in kept)], axis=1)
        right = np.stack([lone[depth], *(inside[at] for at in kept)])
        for at in range(0, len(left), pairs):
            best[depth, at : at + pairs] = (left[at : at + pairs] @ right).max(axis=1)
    return best.reshape(len(lone), x.count, y.count)


def _lone(high: Floats, low: Floats, z: Nodes) -> Floats:
    """The part that depends on the inner width alone, [depth, z]."""
    return _lone_of(low, z.low) + _lone_of(high, z.high)


def _lone_of(table: Floats, z: Floats) -> Floats:
    logs = np.log(z)
    lone: Floats = table[:, [3, 6, 12, WITH_LOGS + 8]] @ np.stack([z, z * z, logs, z * logs])
    return lone


def _cross(table: Floats, x: Floats, y: Floats) -> Floats:
    """What an inner width is multiplied with, [depth, x, y]."""
    along_x = table[:, [8, WITH_LOGS + 6]] @ np.stack([x, np.log(x)])
    along_y = table[:, [9, WITH_LOGS + 7]] @ np.stack([y, np.log(y)])
    crossed: Floats = along_x[:, :, None] + along_y[:, None, :]
    return crossed


def _bent(table: Floats, x: Floats, y: Floats) -> Floats:
    """What the logarithm of an inner width is multiplied with, [depth, x, y]."""
    return table[:, BENT[0], None, None] * x[:, None] + table[:, BENT[1], None, None] * y[None, :]


def _tied(high: Floats, low: Floats, x: Nodes, y: Nodes, z_low: Floats, z_high: Floats) -> Floats:
    """The same where the inner width follows from y."""
    total = outer(high, low, x, y)
    for table, a, b, c in ((low, x.low, y.low, z_low), (high, x.high, y.high, z_high)):
        total += _lone_of(table, c)[:, None, :] + _cross(table, a, b) * c[None, None, :]
        total += _bent(table, a, b) * np.log(c)[None, None, :]
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
    high, low = weighed(bounds, depths, prices)
    z, tied = family.inner, family.option.ratio is not None
    if pair == (0, 1):  # in y and z
        other = _valued(bounds, depths, prices, y, y, family, inner=inner)
        meet = x.overlaps(y)
        for a, b in np.argwhere(meet):
            values[:, a, b] = np.maximum(values[:, a, b], other[:, b, b])
        return
    other = outer(high, low, x, y)  # in x and y
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
