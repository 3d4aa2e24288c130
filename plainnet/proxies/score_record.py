"""What a proxy said of a network: the mean of its repeats, how sure it is, and the settings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, stdev
from typing import Any

from plainnet.proxies.score_view import score_view
from plainnet.results.result import Result, View

__all__ = ["SCHEMA", "Score", "Scores", "finite_or_name"]

SCHEMA = "plainnet.score/1"
LIST_SCHEMA = "plainnet.score_list/1"
"""Change with every change of a key's name or meaning."""


@dataclass(frozen=True)
class Score(Result):
    """One network under one proxy. NaN and infinity are kept as such."""

    proxy: str
    values: tuple[float, ...]
    """one value for each repeat"""
    higher_is_better: bool = True
    exact: bool = False
    """a count or a closed form: the same at every repeat"""
    seconds: float = 0.0
    """wall time of all repeats"""
    settings: dict[str, Any] = field(default_factory=dict)
    """what the values depend on: resolution, batch, seed, variant, ..."""
    structure: str | None = None
    """the canonical string; None for a module of the user's own"""
    hash: str | None = None
    parts: dict[str, float] = field(default_factory=dict)
    """what the value is put together from, each the mean of its repeats"""
    notes: tuple[str, ...] = ()

    @property
    def repeats(self) -> int:
        return len(self.values)

    @property
    def mean(self) -> float:
        """The arithmetic mean of the values: NaN if one is NaN, or if there are infinities of both signs."""
        if any(not math.isfinite(value) for value in self.values):
            return sum(self.values)
        return fmean(self.values)

    @property
    def stderr(self) -> float | None:
        """The standard error of the mean; 0 for an exact proxy, None for a single repeat or values that are not finite."""
        if self.exact:
            return 0.0
        if self.repeats < 2 or not math.isfinite(self.mean):
            return None
        return stdev(self.values) / math.sqrt(self.repeats)

    @property
    def ci95(self) -> tuple[float, float] | None:
        """The 95 % confidence interval of the mean by Student's t; None where there is no standard error."""
        error = self.stderr
        if error is None:
            return None
        half = error * _student_quantile(self.repeats - 1) if error else 0.0
        return (self.mean - half, self.mean + half)

    def as_dict(self) -> dict[str, Any]:
        """The JSON form; NaN and infinity are the strings "nan", "inf" and "-inf", which Python's `float` reads."""
        ci95 = self.ci95
        return {
            "schema": SCHEMA,
            "proxy": self.proxy,
            "structure": self.structure,
            "hash": self.hash,
            "mean": finite_or_name(self.mean),
            "stderr": self.stderr,
            "ci95": None if ci95 is None else list(ci95),
            "repeats": self.repeats,
            "seconds": self.seconds,
            "values": [finite_or_name(value) for value in self.values],
            "higher_is_better": self.higher_is_better,
            "exact": self.exact,
            "parts": {name: finite_or_name(value) for name, value in self.parts.items()},
            **self.settings,
            "notes": list(self.notes),
        }

    def view(self) -> View:
        """Its line, and what it was worked out with."""
        return score_view([self])

    def records(self) -> list[Mapping[str, Any]]:
        """One record."""
        return [self.as_dict()]


class Scores(list[Score], Result):
    """The scores of several networks under one proxy, in the order of the networks. Shown, they are a ranking."""

    __str__ = Result.__str__

    def as_dict(self) -> dict[str, Any]:
        """The scores in their order, under `scores`."""
        return {"schema": LIST_SCHEMA, "scores": [score.as_dict() for score in self]}

    def view(self) -> View:
        """The ranking, and which of them cannot be told apart."""
        return score_view(self)

    def records(self) -> list[Mapping[str, Any]]:
        """A record for each score, in their order."""
        return [score.as_dict() for score in self]


def finite_or_name(value: float) -> float | str:
    """The number, or the name of one that JSON does not have."""
    return value if math.isfinite(value) else str(float(value))


def _student_quantile(degrees: int) -> float:
    """The 97.5 % quantile of Student's t."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees, 0.975))


def mean_parts(parts: Sequence[dict[str, float]]) -> dict[str, float]:
    """The mean of each part over the repeats."""
    return {name: sum(part[name] for part in parts) / len(parts) for name in (parts[0] if parts else {})}
