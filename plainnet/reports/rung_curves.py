"""How the trainings went that a search made on its ladder."""

from __future__ import annotations

from typing import Any

from plainnet.engine.run.kept_trainings import training_of
from plainnet.engine.run.run_curves import curves_of
from plainnet.errors import PlainnetError
from plainnet.search.ladder.trainings import Training, trainings
from plainnet.search.store import RunStore

__all__ = ["rung_curves"]

SHOWN = 8
"""Trainings of a rung that are drawn at most, the best first."""


def rung_curves(store: RunStore) -> list[dict[str, Any]]:
    """Each rung that trained and whose folders are still there: `rung`, `metric`, `curves` as (hash, validation over updates),
    and `of` how many networks. Of a network with several seeds it is the best one's.
    """
    rungs: dict[int, list[Training]] = {}
    for each in trainings(store):
        if each.folder is not None:
            rungs.setdefault(each.rung, []).append(each)
    found = []
    for number, those in rungs.items():
        curves = [(each.hash, *_curve(each)) for each in those[:SHOWN]]
        known = [(name, curve) for name, _, curve in curves if curve]
        if known:
            metric = next(metric for _, metric, curve in curves if curve)
            found.append({"rung": number, "metric": metric, "curves": known, "of": len(those)})
    return found


def _curve(training: Training) -> tuple[str, list[tuple[float, float | None]]]:
    """The metric that decided, and its curve; none for a folder that cannot be read any more."""
    assert training.folder is not None
    try:
        metric = training_of(training.folder).score_name
        return metric, curves_of(training.folder)["rounds"].get(metric, {}).get("val", [])
    except PlainnetError:
        return "", []
