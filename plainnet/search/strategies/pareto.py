"""Pareto dominance: which candidates no other one beats in everything. All values here are to be made large."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["crowding_distances", "front_ranks", "hypervolume_2d", "pareto_front"]

Floats = NDArray[np.float64]


def pareto_front(values: Sequence[Sequence[float]] | Floats) -> list[int]:
    """The numbers of the rows that no other row dominates, the first of equal rows; values are to be made large.

    One pass over the rows, the best of the first column first: O(n log n + n f) for a front of f rows.
    """
    points = np.asarray(values, dtype=float)
    if not len(points):
        return []
    order = np.lexsort([*(-points[:, column] for column in reversed(range(points.shape[1])))])
    front: list[int] = []
    kept = np.empty((0, points.shape[1]))
    for row in order:
        if len(kept) and bool((kept >= points[row]).all(axis=1).any()):
            continue
        front.append(int(row))
        kept = np.vstack([kept, points[row]])
    return front


def front_ranks(values: Floats, violations: Floats) -> NDArray[np.int64]:
    """0 for rows that none dominates, 1 for those that only rows of rank 0 dominate, and so on (Deb et al. 2002).

    Constrained: a row within all limits (violation 0) dominates one that is not; of two that are not, the one with
    the smaller violation dominates.
    """
    better = (values[:, None, :] >= values[None, :, :]).all(axis=2)
    dominates = better & (values[:, None, :] > values[None, :, :]).any(axis=2)
    feasible = violations <= 0
    dominates &= feasible[:, None] & feasible[None, :]
    dominates |= violations[:, None] < violations[None, :]
    count = dominates.sum(axis=0)
    ranks = np.full(len(values), -1, dtype=np.int64)
    rank = 0
    while (current := np.flatnonzero((count == 0) & (ranks < 0))).size:
        ranks[current] = rank
        count = count - dominates[current].sum(axis=0)
        rank += 1
    return ranks


def crowding_distances(values: Floats) -> Floats:
    """How much room the neighbours leave to each row, summed over the columns; infinite at the ends (Deb et al. 2002)."""
    distances = np.zeros(len(values))
    for column in values.T:
        order = np.argsort(column, kind="stable")
        ordered = column[order]
        span = ordered[-1] - ordered[0]
        distances[order[[0, -1]]] = np.inf
        if span > 0 and len(values) > 2:
            distances[order[1:-1]] += (ordered[2:] - ordered[:-2]) / span
    return distances


def hypervolume_2d(values: Sequence[Sequence[float]], reference: Sequence[float]) -> float:
    """The area that points of two values dominate above a reference point."""
    area, height = 0.0, float(reference[1])
    points = [values[row] for row in pareto_front(values)] if len(values) else []
    for x, y in sorted(((float(p[0]), float(p[1])) for p in points), reverse=True):
        if x > reference[0] and y > height:
            area += (x - reference[0]) * (y - height)
            height = y
    return area
