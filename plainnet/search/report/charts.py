"""What the page's charts show, as plain numbers: scores over candidates, the front, what became of each epoch."""

from __future__ import annotations

from typing import Any

import numpy as np

from plainnet.search.ladder.fronts import axes_of, front_of
from plainnet.search.report.labels import in_words
from plainnet.search.store import Candidate, RunStore

__all__ = ["front_axes", "front_chart", "history_chart"]

POINTS = 4_000
"""Candidates in a scatter plot at most, evenly drawn from all."""


def history_chart(store: RunStore, winner: Candidate) -> dict[str, Any]:
    """Candidates as [how many were proposed until then, score, x and y of the front], the best so far as [proposed, score],
    epochs as [number, proposed until its end, proposed in it, evaluated, duplicates, rejected], the winner as [proposed, score].

    The islands of an epoch evolve side by side, and so do their candidates here.
    """
    x_axis, y_axis = _front_axes(store)
    tallies = store.epoch_counts()
    every = max(1, -(-sum(count["evaluated"] for count in tallies) // POINTS))
    points: list[list[float]] = []
    best: list[list[float]] = []
    epochs, proposed, first = [], 0, 0
    won: list[float] | None = None
    for number, count in enumerate(tallies):
        names = ("island", store.columns[0], x_axis[0], y_axis[0])
        rows = list(store.lines(names, f"WHERE id > {first} AND id <= {first + count['evaluated']} ORDER BY id"))
        values = np.array(rows, dtype=float).reshape(len(rows), 4)
        at = proposed + count["candidates"] * _progress(values[:, 0])
        _add_best(best, at, values[:, 1], higher=store.directions[0])
        if 0 <= winner.id - first - 1 < len(rows) and not np.isnan(values[winner.id - first - 1, 1]):
            won = [round(float(at[winner.id - first - 1]), 1), float(values[winner.id - first - 1, 1])]
        drawn = [row for row in range(-first % every, len(rows), every) if not np.isnan(values[row, 1:]).any()]
        points += [[round(float(at[row]), 1), *map(float, values[row, 1:])] for row in drawn]
        first, proposed = first + count["evaluated"], proposed + count["candidates"]
        rejected = count["candidates"] - count["evaluated"] - count["duplicates"]
        epochs.append([number, proposed, count["candidates"], count["evaluated"], count["duplicates"], rejected])
    if best:
        best.append([proposed, best[-1][1]])
    return {
        "name": in_words(store.columns[0]),
        "higher": store.directions[0],
        "points": points,
        "best": best,
        "epochs": epochs,
        "winner": won,
    }


def _progress(islands: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """How far each island was with its part of the epoch when it came to each of its rows, from 0 to 1."""
    found = np.zeros(len(islands))
    for island in np.unique(islands):
        rows = np.flatnonzero(islands == island)
        found[rows] = np.arange(1, len(rows) + 1) / len(rows)
    return found


def _add_best(best: list[list[float]], at: np.ndarray[Any, Any], scores: np.ndarray[Any, Any], *, higher: bool) -> None:
    """Go on with the steps of the best so far."""
    sign = 1 if higher else -1
    for row in np.argsort(at, kind="stable"):
        score = float(scores[row])
        if score == score and (not best or score * sign > best[-1][1] * sign):
            best.append([round(float(at[row]), 1), score])


def front_chart(store: RunStore) -> dict[str, Any]:
    """The front of the first two axes: its points as [x, y, structure, hash], how its steps go, and which point is the
    best by the first objective.
    """
    x_axis, y_axis = _front_axes(store)
    points: list[list[Any]] = []
    axes = axes_of(store)[:2]
    for candidate in front_of(store, [f"{'max' if maximise else 'min'}:{name}" for name, maximise in axes]):
        values = {**candidate.costs, **candidate.scores}
        points.append([values[x_axis[0]], values[y_axis[0]], candidate.structure, candidate.short_hash])
    best = points[0][3] if points else ""
    points.sort(key=lambda point: point[0])
    return {
        "x": in_words(x_axis[0]),
        "y": in_words(y_axis[0]),
        "shape": "vh" if x_axis[1] else "hv",
        "points": points,
        "first": next((number for number, point in enumerate(points) if point[3] == best), 0),
        "axes": len(axes_of(store)),
    }


def front_axes(store: RunStore) -> tuple[str, str]:
    """The columns along and up at first."""
    (x, _), (y, _) = _front_axes(store)
    return x, y


def _front_axes(store: RunStore) -> tuple[tuple[str, bool], tuple[str, bool]]:
    """The horizontal and the vertical axis: what is to be small lies along, what is to be large goes up."""
    first, second = axes_of(store)[:2]
    return (first, second) if second[1] and not first[1] else (second, first)
