"""Paths through the graph: traced back from tables, and turned into networks."""

from __future__ import annotations

import numpy as np

from plainnet.search.candidates.genes import Gene, Genes
from plainnet.search.exact.block_values import sides
from plainnet.search.exact.graph import Bounds, Edge, Family, Graph
from plainnet.search.exact.monomials import Floats, monomials, point_monomials
from plainnet.search.exact.program import Path, Step, Tables, quantities

__all__ = ["best_paths", "genes_of"]


def best_paths(graph: Graph, tables: Tables, prices: Floats, count: int) -> list[Path]:
    """The best path to each of the best `count` (uses of the axis, last width)."""
    found = []
    for at, ends in tables.ends.items():
        values = tables.forward[at] + ends
        order = np.argsort(values, axis=None)[::-1][:count]
        for flat in order.tolist():
            used, node = divmod(flat, values.shape[1])
            if values[used, node] > -np.inf:
                found.append((float(values[used, node]), at, used, node))
    found.sort(reverse=True)
    return [_traced(graph, tables, prices, at, used, node) for _, at, used, node in found[:count]]


def _traced(graph: Graph, tables: Tables, prices: Floats, end: int, used: int, node: int) -> Path:
    steps: list[Step] = []
    vertex, y = end, node
    while vertex:
        best: tuple[float, int, int, int] = (-np.inf, 0, 0, 0)
        for number, edge in enumerate(graph.edges):
            if edge.target != vertex:
                continue
            for uses, value in tables.edges[number].value.items():
                if uses > used:
                    continue
                column = tables.forward[edge.source][used - uses] + value[:, y]
                x = int(np.argmax(column))
                if column[x] > best[0]:
                    best = (float(column[x]), number, uses, x)
        _, number, uses, x = best
        edge = graph.edges[number]
        family, depth = divmod(int(tables.edges[number].which[uses][x, y]), 4096)
        z = best_inner(graph, edge, edge.families[family], depth, x, y, prices)
        steps.append(Step(number, family, depth, x, y, z))
        vertex, used, y = edge.source, used - uses, x
    steps.reverse()
    total = sum((quantities(graph, step) for step in steps), np.zeros_like(prices))
    bounds, last = graph.ends[end], graph.nodes[-1]
    for table, side in ((bounds.low, last.low), (bounds.high, last.high)):
        total = total + table[0] @ point_monomials(1.0, float(side[node]), 1.0)
    return Path(tuple(steps), end, total)


def best_inner(graph: Graph, edge: Edge, family: Family, depth: int, x: int, y: int, prices: Floats) -> int:
    """The node of the inner width that a family is best with between two nodes; 0 where it has none to choose."""
    z = family.inner
    if z is None:
        return 0
    a, b = sides(graph, edge)
    if family.table is not None:
        sums, fits = (each[depth, a.first[x]] for each in (family.table.sums, family.table.fits))
        row = b.first[y] if len(sums) > 1 else 0
        return int(np.argmax(np.where(fits[row], sums[row] @ prices, -np.inf)[z.first]))
    low, high = (a.low[x], b.low[y]), (a.high[x], b.high[y])

    def valued(bounds: Bounds, lower: list[Floats], upper: list[Floats]) -> Floats:
        below: Floats = monomials(*map(np.asarray, lower)) @ (prices @ bounds.low[depth])
        above: Floats = monomials(*map(np.asarray, upper)) @ (prices @ bounds.high[depth])
        return below + above

    values = valued(family.generic, [*map(np.array, low), z.low], [*map(np.array, high), z.high])
    for pair, bounds in family.equal:
        if pair == (0, 1):
            if low[0] <= high[1] and low[1] <= high[0]:
                one = np.array(1.0)
                values = np.maximum(
                    values, valued(bounds, [one, np.array(low[1]), z.low], [one, np.array(high[1]), z.high])
                )
            continue
        side = pair[0]
        meet = (z.low <= high[side]) & (low[side] <= z.high)
        one = np.array(1.0)
        special = valued(bounds, [*map(np.array, low), one], [*map(np.array, high), one])
        values = np.where(meet, np.maximum(values, special), values)
    return int(np.argmax(values))


def genes_of(graph: Graph, steps: tuple[Step, ...]) -> Genes | None:
    """The network of a path: of an interval its lower end. None where some block cannot be joined to the one before."""
    genes: list[Gene] = []
    x = graph.question.setting.shape.channels
    for step in steps:
        edge = graph.edges[step.edge]
        family = edge.families[step.family]
        _, nodes = sides(graph, edge)
        y = x if family.option.puts is None else int(nodes.low[step.y])
        if family.option.ratio is not None:
            z = family.option.inner_of(y)
        else:
            z = int(family.inner.low[step.z]) if family.inner is not None else 0
        gene = family.option.gene(graph.slots.mutator.pool, x, y, z, family.option.depths[step.depth])
        if gene is None:
            return None
        genes.append(gene)
        x = y
    return tuple(genes)
