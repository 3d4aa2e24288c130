"""The graph of a space for one direction: sums over blocks, weighed and added to the gain."""

from __future__ import annotations

import dataclasses

import numpy as np

from plainnet.search.exact.graph import Bounds, Edge, Family, Graph
from plainnet.search.exact.monomials import Floats, point_monomials
from plainnet.search.exact.summed_objectives import NotASumError

__all__ = ["present_parts", "weighed_graph"]


def weighed_graph(graph: Graph, weights: Floats) -> Graph:
    """The graph with the parts of its objective times `weights` added to the gain; nothing of it is ruled out yet."""
    edges = [
        Edge(
            edge.source,
            edge.target,
            [_weighed(family, weights) for family in edge.families],
            edge.repeats,
        )
        for edge in graph.edges
    ]
    ends = {at: _added(bounds, weights) for at, bounds in graph.ends.items()}
    found = dataclasses.replace(graph, edges=edges, ends=ends, nodes=list(graph.nodes), whole=None)
    found.remember()
    return found


def _weighed(family: Family, weights: Floats) -> Family:
    table = family.table
    if table is not None:
        sums = table.sums[..., : -len(weights)].copy()
        sums[..., 0] += table.sums[..., -len(weights) :] @ weights
        table = dataclasses.replace(table, sums=sums)
    return dataclasses.replace(
        family,
        generic=_added(family.generic, weights),
        equal=tuple((pair, _added(bounds, weights)) for pair, bounds in family.equal),
        alive=list(family.alive),
        table=table,
    )


def _added(bounds: Bounds, weights: Floats) -> Bounds:
    return Bounds(*(_mixed(side, weights) for side in bounds))


def _mixed(side: Floats, weights: Floats) -> Floats:
    found = side[:, : -len(weights)].copy()
    found[:, 0] += np.einsum("k,dkm->dm", weights, side[:, -len(weights) :])
    return found


def present_parts(graph: Graph) -> list[bool]:
    """Which parts are above 0 in every network; `NotASumError` for one that some networks have and others do not."""
    count = graph.question.objective.count
    anywhere, everywhere = np.zeros(count, dtype=bool), np.zeros(count, dtype=bool)
    for place in range(len(graph.nodes)):
        found = [
            _least_and_most(graph, edge, family)
            for edge in graph.edges
            if graph.vertices[edge.target].place == place and not edge.repeats
            for family in edge.families
        ]
        if place == len(graph.nodes) - 1:
            found = [_of_end(graph, bounds) for bounds in graph.ends.values()]
        anywhere |= np.any([most > 0 for _, most in found], axis=0)
        everywhere |= np.all([least > 0 for least, _ in found], axis=0)
    for edge in graph.edges:
        for family in edge.families:
            anywhere |= _least_and_most(graph, edge, family)[1] > 0
    if np.any(anywhere & ~everywhere):
        raise NotASumError(
            "some networks of this space have maps of a size that others do not, so that their values are different sums of "
            "logarithms; `plainnet search` remains"
        )
    return [bool(each) for each in everywhere]


def _least_and_most(graph: Graph, edge: Edge, family: Family) -> tuple[Floats, Floats]:
    """The parts of a family's blocks of the least widths, and of the greatest: parts grow with every width."""
    count = graph.question.objective.count
    if family.table is not None:
        sums = family.table.sums[family.table.fits][:, -count:]
        return sums.min(axis=0), sums.max(axis=0)
    x, y = (graph.nodes[graph.vertices[at].place + 1].grid for at in (edge.source, edge.target))
    z = family.inner.grid if family.inner is not None else np.ones(1)
    if family.option.ratio is not None:
        z = np.array([family.option.inner_of(int(each)) for each in y])
    least, most = (np.array([int(side(each)) for each in (x, y, z)], dtype=float) for side in (np.min, np.max))
    generic = [_at(family.generic, side, count) for side in (least, most)]
    for pair, bounds in family.equal:
        merged = 0 if pair == (0, 1) else pair[1]
        for number, side in enumerate((least, most)):
            widths = side.copy()
            widths[merged] = 1.0
            found = _at(bounds, widths, count)
            generic[number] = (np.minimum, np.maximum)[number](generic[number], found)
    return generic[0].min(axis=0), generic[1].max(axis=0)


def _at(bounds: Bounds, widths: Floats, count: int) -> Floats:
    """The parts at widths, [depth, part]; what is nothing but rounding is 0."""
    found: Floats = ((bounds.high + bounds.low)[:, -count:] @ point_monomials(*widths)).clip(min=0)
    found[found < 1e-9] = 0
    return found


def _of_end(graph: Graph, bounds: Bounds) -> tuple[Floats, Floats]:
    grid, count = graph.nodes[-1].grid, graph.question.objective.count
    ends = [_at(bounds, np.array([1.0, float(each), 1.0]), count)[0] for each in (grid[0], grid[-1])]
    return ends[0], ends[1]
