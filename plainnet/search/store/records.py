"""What a run holds, as values: an epoch, a candidate, a measurement; and how they are called in its tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from plainnet.search.candidates.budgets import Costs

__all__ = ["COSTS", "COST_PREFIX", "FIXED", "Candidate", "EpochRecord", "Measure", "column_names"]

COSTS = Costs._fields
"""The columns of a candidate's costs; those that nothing asked for are NULL."""
COST_PREFIX = "objective_"
"""What stands before a cost that is an objective, too: objective_macs holds what macs holds."""
FIXED = ("id", "epoch", "island", "hash", "structure", "parent", "other_parent", "operator")
"""The columns of a candidate before its costs."""


class EpochRecord(NamedTuple):
    """What an epoch leaves behind."""

    epoch: int
    rows: Mapping[int, Sequence[tuple[Any, ...]]]
    """island -> its new rows"""
    states: Mapping[int, dict[str, Any]]
    arrivals: Mapping[int, list[Any]]
    proposed: int
    tally: Mapping[str, int]
    best: float | None
    best_hash: int | None
    seconds: float


class Candidate(NamedTuple):
    """An evaluated candidate."""

    id: int
    hash: int
    structure: str
    costs: dict[str, Any]
    scores: dict[str, float | None]

    @property
    def short_hash(self) -> str:
        """`Structure.hash`."""
        return f"{self.hash:012x}"


class Measure(NamedTuple):
    """What a rung of the ladder found for a candidate."""

    rung: int
    proxy: str
    hash: int
    repeats: int
    mean: float | None
    stderr: float | None
    seed: int
    scores: tuple[float, ...]


def column_names(objectives: Sequence[str]) -> tuple[str, ...]:
    """The columns of objectives: their names, and objective_macs for a cost, which has a column of its own. SQLite does
    not tell Macs from macs.
    """
    taken = {*FIXED, *COSTS}
    names: list[str] = []
    for name in objectives:
        column = name if name.lower() not in taken else f"{COST_PREFIX}{name}"
        column = column if column.lower() not in taken else f"{column}_{len(names)}"
        taken.add(column.lower())
        names.append(column)
    return tuple(names)
