"""What cannot be part of anything better than what is known: nodes, depths and inner widths that are ruled out.

At any prices, the best beginning at a node, the best completion and the constant bound every network through it. Where
that is below what is known (or what is asked for), the node is taken out; intervals that stay are divided.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from plainnet.search.exact.block_values import family_values
from plainnet.search.exact.graph import Edge, Family, Graph
from plainnet.search.exact.monomials import Floats
from plainnet.search.exact.nodes import Mask
from plainnet.search.exact.prices import Priced, slack
from plainnet.search.exact.program import Tables

__all__ = ["around", "fixed", "is_single"]


def is_single(graph: Graph) -> bool:
    """Whether every node that is left is a single width."""
    families = [family for edge in graph.edges for family in edge.families]
    return all(nodes.are_single for nodes in graph.nodes) and all(
        family.inner.are_single for family in families if family.inner is not None and family.alive
    )


def around(edge: Edge, tables: Tables) -> dict[int, Floats]:
    """For each use of the axis, the best of what may stand around a block of an edge, [x, y]."""
    found = {}
    forward, backward = tables.forward[edge.source], tables.backward[edge.target]
    for steps in sorted({int(each) for family in edge.families for each in family.steps[family.alive]}):
        if steps < len(forward):
            found[steps] = (forward[: len(forward) - steps, :, None] + backward[steps:, None, :]).max(axis=0)
    return found


def fixed(graph: Graph, tables: Tables, priced: Priced, least: float, *, divide: bool = True) -> bool:
    """Take out what cannot reach `least` at prices whose tables have completions, and divide what stays unless told not
    to; False where nothing changed.
    """
    wanted = least - priced.constant - slack(graph, priced.prices, priced.constant)
    alive = [np.zeros(nodes.count, dtype=bool) for nodes in graph.nodes]
    for at, vertex in enumerate(graph.vertices):
        alive[vertex.place + 1] |= (tables.forward[at] + tables.backward[at]).max(axis=0) >= wanted
    changed = not all(each.all() for each in alive)
    graph.nodes = [nodes.kept(each, divide=False) for nodes, each in zip(graph.nodes, alive, strict=True)]
    places = [alive[vertex.place + 1] for vertex in graph.vertices]
    near = tables._replace(
        forward=[table[:, kept] for table, kept in zip(tables.forward, places, strict=True)],
        backward=[table[:, kept] for table, kept in zip(tables.backward, places, strict=True)],
    )
    for edge in graph.edges:
        outside = around(edge, near)
        for family in edge.families:
            changed |= _fixed_family(graph, edge, family, priced.prices, outside, wanted, divide=divide)
        edge.families = [family for family in edge.families if family.alive]
    if divide:
        changed |= not all(nodes.are_single for nodes in graph.nodes)
        graph.nodes = [nodes.kept(np.ones(nodes.count, dtype=bool), divide=True) for nodes in graph.nodes]
    return bool(changed)


def _fixed_family(
    graph: Graph,
    edge: Edge,
    family: Family,
    prices: Floats,
    outside: dict[int, Floats],
    wanted: float,
    *,
    divide: bool,
) -> bool:
    """The same for the depths and inner widths of a family."""
    before = list(family.alive)
    family.alive = [depth for depth in before if int(family.steps[depth]) in outside]
    near: Mask | None = None
    if family.alive and all(table.size for table in outside.values()):
        values = family_values(graph, edge, family, prices)
        reach = [
            value + outside[int(family.steps[depth])] >= wanted
            for depth, value in zip(family.alive, values, strict=True)
        ]
        family.alive = [depth for depth, each in zip(family.alive, reach, strict=True) if each.any()]
        near = np.logical_or.reduce(np.stack(reach), axis=0)
    else:
        family.alive = []
    inner = family.inner
    if inner is None or not family.alive or near is None:
        return family.alive != before
    reached = _reached_inner(graph, edge, family, prices, outside, wanted, near)
    family.inner = inner.kept(reached, divide=divide)
    changed = not np.array_equal(family.inner.first, inner.first) or not np.array_equal(family.inner.last, inner.last)
    return bool(changed or family.alive != before)


def _reached_inner(
    graph: Graph,
    edge: Edge,
    family: Family,
    prices: Floats,
    outside: dict[int, Floats],
    wanted: float,
    near: Mask,
) -> Mask:
    """Which inner widths reach what is wanted. near: the pairs of outer ones between which some inner width does: others are not
    looked at.
    """
    assert family.inner is not None
    x: Mask = np.logical_or.reduce(near, axis=1)
    y: Mask = np.logical_or.reduce(near, axis=0)
    source, target = (graph.vertices[at].place + 1 for at in (edge.source, edge.target))
    if source == target:
        x = y = np.logical_or(x, y)
    nodes = list(graph.nodes)
    nodes[source], nodes[target] = graph.nodes[source].kept(x, divide=False), graph.nodes[target].kept(y, divide=False)
    values = family_values(dataclasses.replace(graph, nodes=nodes), edge, family, prices, inner=True)
    reached = np.zeros(family.inner.count, dtype=bool)
    for value, depth in zip(values, family.alive, strict=True):
        around_here = outside[int(family.steps[depth])][np.ix_(x, y)]
        reached |= (value + around_here[..., None] >= wanted).any(axis=(0, 1))
    return reached
