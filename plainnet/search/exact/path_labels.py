"""What prices alone cannot decide, one beginning after the other.

Prices leave a gap where no network uses the budgets up just so. On what is left of the graph, all beginnings of
networks are followed with their exact sums ("labels"), as long as the best completion at any of some prices, and the
cheapest completion of each budget, leave them a chance. Of many, the most promising are kept, and the bound of the
best that was given up is kept with them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from plainnet.search.exact.block_values import family_values, sides
from plainnet.search.exact.fixing import around
from plainnet.search.exact.graph import Edge, Family, Graph
from plainnet.search.exact.monomials import Floats, monomials
from plainnet.search.exact.prices import Priced, slack
from plainnet.search.exact.program import Step, Tables, end_values, solve_at

__all__ = ["Guide", "Labels", "cheapest", "follow"]

Ints = NDArray[np.int64]

PAIRWISE = 1_200
"""Labels of one node that are compared with each other."""


class Guide(NamedTuple):
    """Prices with the tables of their completions."""

    priced: Priced
    tables: Tables


class Atoms(NamedTuple):
    """The blocks of an edge that are left: their nodes, what they use of the axis, their sums, and which they are."""

    x: Ints
    y: Ints
    uses: Ints
    sums: Floats
    which: Ints
    """family, depth, inner node"""


class Labels(NamedTuple):
    """What following gave: complete paths with their values, best first, and the bound of what was given up (-inf:
    nothing was).
    """

    paths: list[tuple[float, tuple[Step, ...]]]
    given_up: float


class _Bucket(NamedTuple):
    node: Ints
    sums: Floats
    trail: Ints
    """the number of each label"""


def cheapest(graph: Graph) -> list[Tables]:
    """For each budget, the tables of the cheapest completions."""
    count = 2 + len(graph.question.costs)
    return [solve_at(graph, -np.eye(count)[2 + at], completions=True) for at in range(count - 2)]


def _atoms(graph: Graph, edge: Edge, guides: list[Guide], least: float) -> Atoms:
    """The blocks of an edge that may be part of a network of at least `least`."""
    parts: list[tuple[Ints, ...]] = []
    sums: list[Floats] = []
    outsides = [around(edge, guide.tables) for guide in guides]
    for number, family in enumerate(edge.families):
        free = family.inner is not None
        reach: NDArray[np.bool_] | None = None
        for guide, outside in zip(guides, outsides, strict=True):
            values = family_values(graph, edge, family, guide.priced.prices, inner=free)
            values = values if free else values[..., None]
            wanted = least - guide.priced.constant - slack(graph, guide.priced.prices, guide.priced.constant)
            near = np.stack(
                [outside.get(int(family.steps[depth]), np.full(values.shape[1:3], -np.inf)) for depth in family.alive]
            )
            now = values + near[..., None] >= wanted
            reach = now if reach is None else reach & now
        assert reach is not None
        at, x, y, z = np.nonzero(reach)
        depth = np.array(family.alive, dtype=np.int64)[at]
        parts.append((x, y, family.steps[depth], np.full(len(x), number), depth, z))
        sums.append(_sums(graph, edge, family, depth, x, y, z))
    if not parts:
        none = np.zeros(0, dtype=np.int64)
        return Atoms(none, none, none, np.zeros((0, 2 + len(graph.question.costs))), np.zeros((0, 3), dtype=np.int64))
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    return Atoms(columns[0], columns[1], columns[2], np.concatenate(sums), np.stack(columns[3:], axis=1))


def _sums(graph: Graph, edge: Edge, family: Family, depth: Ints, x: Ints, y: Ints, z: Ints) -> Floats:
    """The exact sums of blocks of a family."""
    a, b = sides(graph, edge)
    if family.table is not None:
        return family.table.at(depth, a.first[x], b.first[y], z if family.inner is None else family.inner.first[z])
    widths = [a.low[x], b.low[y]]
    if family.option.ratio is not None:
        inner = np.array([family.option.inner_of(int(each)) for each in b.low], dtype=float)
        widths.append(inner[y])
    else:
        widths.append(family.inner.low[z] if family.inner is not None else np.ones(len(x)))
    tables = [(family.generic, None), *((bounds, pair) for pair, bounds in family.equal)]
    found = np.zeros((len(x), family.generic.high.shape[1]))
    for bounds, pair in tables:
        these = widths
        where = np.ones(len(x), dtype=bool)
        if pair is not None:
            where = widths[pair[0]] == widths[pair[1]]
            merged = 0 if pair == (0, 1) else pair[1]
            these = [*widths[:merged], np.ones(len(x)), *widths[merged + 1 :]]
        value = np.einsum("nqm,nm->nq", (bounds.high + bounds.low)[depth], monomials(*these))
        found = np.where(where[:, None], value, found)
    exact = [2 + at for at, cost in enumerate(graph.question.costs) if cost.name != "latency_ms"]
    found[:, exact] = np.rint(found[:, exact])
    return found


class _Follower:
    def __init__(
        self, graph: Graph, guides: list[Guide], cheap: list[Tables], least: float, most: int, pareto: bool
    ) -> None:
        self.graph, self.guides, self.cheap, self.least, self.most, self.pareto = (
            graph,
            guides,
            cheap,
            least,
            most,
            pareto,
        )
        self.given_up = -np.inf
        self.steps: list[tuple[int, NDArray[np.int64], Ints]] = []  # edge, which + nodes, parents
        self.starts: list[int] = [0]
        self.limits = np.array(graph.question.limits, dtype=float)
        self.rising = bool(np.all(np.diff(_curve(graph)) >= 0))

    def bounds(self, vertex: int, used: int, node: Ints, sums: Floats) -> Floats:
        """Above which no completion of labels can come; -inf for those that no completion keeps within the budgets."""
        best = np.full(len(node), np.inf)
        for guide in self.guides:
            most = sums @ guide.priced.prices + guide.tables.backward[vertex][used, node] + guide.priced.constant
            best = np.minimum(best, most + slack(self.graph, guide.priced.prices, guide.priced.constant))
        for at, tables in enumerate(self.cheap):
            spent = sums[:, 2 + at] - tables.backward[vertex][used, node]
            best[spent > self.limits[at] * (1 + 1e-12) + 1e-9] = -np.inf
        return best

    def settled(self, vertex: int, used: int, parts: list[_Bucket]) -> _Bucket:
        """The labels of a bucket that are followed further."""
        node, trail = (np.concatenate([each[at] for each in parts]) for at in (0, 2))
        sums = np.concatenate([each.sums for each in parts])
        bounds = self.bounds(vertex, used, node, sums)
        keep = np.nonzero(bounds >= self.least)[0]
        order = keep[np.argsort(-bounds[keep], kind="stable")]
        if self.pareto:
            order = self._undominated(order[: 4 * self.most], node, sums, order[4 * self.most :], bounds)
        if len(order) > self.most:
            self.given_up = max(self.given_up, float(bounds[order[self.most]]))
            order = order[: self.most]
        return _Bucket(node[order], sums[order], trail[order])

    def _undominated(self, order: Ints, node: Ints, sums: Floats, rest: Ints, bounds: Floats) -> Ints:
        if len(rest):
            self.given_up = max(self.given_up, float(bounds[rest[0]]))
        kept: list[Ints] = []
        for each in np.unique(node[order]):
            group = order[node[order] == each]
            kept.append(self._front(group, sums) if len(group) <= PAIRWISE else group)
        found = np.concatenate(kept) if kept else order
        return found[np.argsort(-bounds[found], kind="stable")]

    def _front(self, group: Ints, sums: Floats) -> Ints:
        """Those of a group that no other one beats in the gain, n and every cost."""
        gains, counts, costs = sums[group, 0], sums[group, 1], sums[group, 2:]
        better = gains[:, None] >= gains[None, :]
        better &= counts[:, None] >= counts[None, :] if self.rising else counts[:, None] == counts[None, :]
        for at in range(costs.shape[1]):
            better &= costs[:, at][:, None] <= costs[:, at][None, :]
        same = better & better.T
        beaten = (better & ~same).any(axis=0) | np.triu(same, 1).any(axis=0)
        kept: Ints = group[~beaten]
        return kept

    def extended(self, atoms: Atoms, bucket: _Bucket) -> Iterator[tuple[int, _Bucket]]:
        """The labels behind all blocks of an edge, by what these use of the axis."""
        pairs_label, pairs_atom = [], []
        order = np.argsort(atoms.x, kind="stable")
        edges = np.searchsorted(atoms.x[order], np.arange(int(bucket.node.max(initial=-1)) + 2))
        for node in np.unique(bucket.node):
            here = np.nonzero(bucket.node == node)[0]
            chosen = order[edges[node] : edges[node + 1]]
            if len(chosen):
                pairs_label.append(np.repeat(here, len(chosen)))
                pairs_atom.append(np.tile(chosen, len(here)))
        if not pairs_label:
            return
        label, atom = np.concatenate(pairs_label), np.concatenate(pairs_atom)
        for uses in np.unique(atoms.uses[atom]):
            where = atoms.uses[atom] == uses
            one, two = label[where], atom[where]
            yield (
                int(uses),
                _Bucket(atoms.y[two], bucket.sums[one] + atoms.sums[two], np.stack([bucket.trail[one], two]).T),
            )

    def record(self, edge_number: int, atoms: Atoms, bucket: _Bucket) -> _Bucket:
        """The labels with numbers under which their steps are found again."""
        pairs = bucket.trail
        nodes = np.stack([atoms.x[pairs[:, 1]], atoms.y[pairs[:, 1]]], axis=1)
        self.steps.append((edge_number, np.concatenate([atoms.which[pairs[:, 1]], nodes], axis=1), pairs[:, 0]))
        first = self.starts[-1]
        self.starts.append(first + len(pairs))
        return bucket._replace(trail=np.arange(first, first + len(pairs), dtype=np.int64))

    def path(self, number: int) -> tuple[Step, ...]:
        """The steps of a label."""
        found: list[Step] = []
        while number >= 0:
            chunk = int(np.searchsorted(self.starts, number, side="right")) - 1
            edge, which, parents = self.steps[chunk]
            at = number - self.starts[chunk]
            family, depth, z, x, y = which[at].tolist()
            found.append(Step(edge, family, depth, x, y, z))
            number = int(parents[at])
        return tuple(reversed(found))

    def thinned(self, vertex: int, used: int, bucket: _Bucket) -> _Bucket:
        """The labels that have a chance."""
        bounds = self.bounds(vertex, used, bucket.node, bucket.sums)
        keep = np.nonzero(bounds >= self.least)[0]
        if len(keep) > 8 * self.most:
            order = keep[np.argsort(-bounds[keep], kind="stable")]
            self.given_up = max(self.given_up, float(bounds[order[8 * self.most]]))
            keep = order[: 8 * self.most]
        return _Bucket(bucket.node[keep], bucket.sums[keep], bucket.trail[keep])


def _curve(graph: Graph) -> Floats:
    curve = graph.curve
    return np.zeros(1) if curve is None else np.array([curve(n) for n in range(200)])


def follow(
    graph: Graph,
    guides: list[Guide],
    cheap: list[Tables],
    *,
    least: float,
    most: int,
    pareto: bool = True,
    watch: Callable[[], None] = lambda: None,
) -> Labels:
    """Follow all beginnings that may reach `least`, at most `most` of them at a place, use of the axis. The graph's
    nodes are single.

    pareto: leave out beginnings that another one beats in everything (their completions are then not among the paths).
    """
    follower = _Follower(graph, guides, cheap, least, most, pareto)
    atoms = [_atoms(graph, edge, guides, least) for edge in graph.edges]
    length = graph.question.most + 1
    waiting: list[list[list[_Bucket]]] = [[[] for _ in range(length)] for _ in graph.vertices]
    start = np.zeros((1, 2 + len(graph.question.costs)))
    waiting[0][0].append(_Bucket(np.zeros(1, dtype=np.int64), start, np.full(1, -1, dtype=np.int64)))
    paths: list[tuple[float, int]] = []
    for place in range(-1, len(graph.nodes) - 1):
        here = [at for at, vertex in enumerate(graph.vertices) if vertex.place == place]
        for used in range(length):
            for vertex in here:
                watch()
                if not waiting[vertex][used]:
                    continue
                bucket = follower.settled(vertex, used, waiting[vertex][used])
                waiting[vertex][used] = []
                if not len(bucket.node):
                    continue
                if vertex in graph.ends:
                    paths += _ended(graph, follower, vertex, bucket)
                for number, edge in enumerate(graph.edges):
                    if edge.source != vertex:
                        continue
                    for uses, found in follower.extended(atoms[number], bucket):
                        if used + uses < length:
                            thin = follower.thinned(edge.target, used + uses, found)
                            waiting[edge.target][used + uses].append(follower.record(number, atoms[number], thin))
    paths.sort(reverse=True)
    return Labels([(value, follower.path(number)) for value, number in paths[:most]], follower.given_up)


def _ended(graph: Graph, follower: _Follower, vertex: int, bucket: _Bucket) -> list[tuple[float, int]]:
    """The labels of an end as complete networks within the budgets, with their values."""
    count = bucket.sums.shape[1]
    sums = bucket.sums + np.stack([end_values(graph, vertex, each)[bucket.node] for each in np.eye(count)], axis=1)
    curve = graph.curve
    values = sums[:, 0]
    if curve is not None:
        values = values + np.array([curve(round(n)) for n in sums[:, 1]])
    within = np.all(sums[:, 2:] <= follower.limits * (1 + 1e-12) + 1e-9, axis=1)
    return [(float(values[at]), int(bucket.trail[at])) for at in np.nonzero(within)[0]]
