"""What cannot be part of anything better than what is known: nodes, depths and inner widths that are ruled out.

At any prices, the best beginning at a node, the best completion and the constant bound every network through it. Where that is below
what is known (or what is asked for), the node is taken out; intervals that stay are divided.
"""

from __future__ import annotations

import numpy as np

from plainnet.search.exact.forms import Floats
from plainnet.search.exact.graph import Edge, Graph
from plainnet.search.exact.nodes import Nodes
from plainnet.search.exact.prices import Priced, slack
from plainnet.search.exact.program import Tables, family_values

__all__ = ["around", "fixed", "is_single"]


def is_single(graph: Graph) -> bool:
    """Whether every node that is left is a single width."""
    families = [family for edge in graph.edges for family in edge.families]
    return all(nodes.are_single for nodes in graph.nodes) and all(
        family.inner.are_single for family in families if family.inner is not None and family.alive
    )


def around(graph: Graph, edge: Edge, tables: Tables) -> dict[int, Floats]:
    """For each use of the axis, the best of what may stand around a block of an edge, [x, y]."""
    found = {}
    forward, backward = tables.forward[edge.source], tables.backward[edge.target]
    for steps in sorted({int(each) for family in edge.families for each in family.steps[family.alive]}):
        if steps < len(forward):
            found[steps] = (forward[: len(forward) - steps, :, None] + backward[steps:, None, :]).max(axis=0)
    return found


def fixed(graph: Graph, tables: Tables, priced: Priced, least: float, *, divide: bool = True) -> bool:
    """Take out what cannot reach `least` at prices whose tables have completions, and divide what stays unless told not
    to; False where nothing changed."""
    wanted = least - priced.constant - slack(graph, priced.prices, priced.constant)
    changed = False
    alive = [np.zeros(nodes.count, dtype=bool) for nodes in graph.nodes]
    for at, vertex in enumerate(graph.vertices):
        alive[vertex.place + 1] |= (tables.forward[at] + tables.backward[at]).max(axis=0) >= wanted
    for edge in graph.edges:
        outside = around(graph, edge, tables)
        for family in edge.families:
            changed |= _fixed_family(graph, edge, family, priced.prices, outside, wanted, divide)
        edge.families = [family for family in edge.families if family.alive]
    for place, nodes in enumerate(graph.nodes):
        kept = nodes.kept(alive[place], divide=divide)
        if not (np.array_equal(kept.first, nodes.first) and np.array_equal(kept.last, nodes.last)):
            graph.nodes[place], changed = kept, True
    return changed


def _fixed_family(graph, edge, family, prices, outside, wanted, divide) -> bool:  # type: ignore[no-untyped-def]
    """The same for the depths and inner widths of a family."""
    free = family.inner is not None
    values = family_values(graph, edge, family, prices, inner=free)
    kept, inner = [], np.zeros(family.inner.count if free else 0, dtype=bool)
    for at, depth in enumerate(family.alive):
        steps = int(family.steps[depth])
        if steps not in outside:
            continue
        around_it = outside[steps]
        reach = values[at] + (around_it[..., None] if free else around_it) >= wanted
        if reach.any():
            kept.append(depth)
            if free:
                inner |= reach.any(axis=(0, 1))
    changed = kept != family.alive
    family.alive = kept
    if free and kept:
        nodes: Nodes = family.inner.kept(inner, divide=divide)
        changed |= not (
            np.array_equal(nodes.first, family.inner.first) and np.array_equal(nodes.last, family.inner.last)
        )
        family.inner = nodes
    return changed
