"""What a person may plot against what: the figures of a run's candidates, column by column."""

from __future__ import annotations

from typing import Any

from plainnet.search.ladder.fronts import axes_of, front_of
from plainnet.search.ladder.ranking import Standing, scores_of
from plainnet.search.report.labels import in_words
from plainnet.search.store import Candidate, RunStore

__all__ = ["explorer_of"]

CLOUD, FRONT = 2_000, 200
"""Candidates that are drawn faintly, evenly from all, and members of the front, at most."""


def explorer_of(
    store: RunStore, standings: list[Standing], axes: tuple[str, str], *, bound: float | None = None
) -> dict[str, Any]:
    """Columns by their names in words, and the networks that stand out: the front of the objectives, and the best ten.
    `axes`: the columns along and up at first; `bound`: what is proven of the first objective.
    """
    winner = standings[0].candidate
    marked = {each.hash: each for each in front_of(store)[:FRONT]}
    on_front = set(marked)
    marked.update({each.candidate.hash: each.candidate for each in standings})
    networks = list(marked.values())
    scores = scores_of(store, networks)
    plain = list(dict.fromkeys([*store.columns, *store.asked]))
    measured = [name for name in dict.fromkeys(name for each in scores for name in each) if name not in plain]
    cloud = _cloud(store, plain)
    columns = {
        in_words(name): {
            "all": [row[number] for row in cloud] if number < len(plain) else [None] * len(cloud),
            "marked": [_value(each, values, name) for each, values in zip(networks, scores, strict=True)],
            "ratio": name in store.asked and name != "layers",
            "bound": bound if in_words(name) == in_words(store.columns[0]) else None,
        }
        for number, name in enumerate([*plain, *measured])
    }
    x, y = (in_words(axis) for axis in axes)
    marks = [
        {
            "name": each.short_hash,
            "structure": each.structure,
            "winner": each.hash == winner.hash,
            "front": each.hash in on_front,
            "said": "\n".join(
                [each.short_hash, *_said(columns, number), *([] if each.hash != winner.hash else ["the winner"])]
            ),
        }
        for number, each in enumerate(networks)
    ]
    return {"columns": columns, "marks": marks, "x": x, "y": y, "objectives": _objectives(store)}


def _objectives(store: RunStore) -> list[tuple[str, bool]]:
    """The objectives in words, and whether each is made large."""
    return [(in_words(name), is_large) for name, is_large in axes_of(store)]


def _cloud(store: RunStore, names: list[str]) -> list[tuple[Any, ...]]:
    every = max(1, -(-store.totals()["evaluated"] // CLOUD))
    return list(store.lines(names, f"WHERE id % {every} = 0 ORDER BY id"))


def _value(candidate: Candidate, scores: dict[str, float], name: str) -> float | None:
    return scores.get(name, {**candidate.costs, **candidate.scores}.get(name))


def _said(columns: dict[str, Any], number: int) -> list[str]:
    values = ((label, column["marked"][number]) for label, column in columns.items())
    return [f"{label}: {value:,.6g}" for label, value in values if value is not None]
