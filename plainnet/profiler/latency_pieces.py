"""Latency at several batch sizes and thread counts, each from pieces that were measured in processes of their own.

Two runs of one process share where its memory lies and what ran beside it, so the unit of repetition is a process: each gives the
median of its runs, and the interval is that of these medians. Processes go round over the points, so that a bad minute does
not fall on one of them alone. Thread counts need processes of their own in any case: the threads of an earlier count would spin
beside.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from statistics import median
from typing import Any

from plainnet.errors import UsageError
from plainnet.profiler.timing import MOST_PIECES, log_interval

__all__ = ["Point", "knees", "measure_points"]

LEAST_PIECES = 3
KNEE = 0.9
"""The knee is the smallest batch with at least this share of the most images a second."""

Measure = Callable[[int, int], Mapping[str, Any]]
"""(batch, threads) -> the record of a latency, measured in a process of its own; `UsageError` where that is not possible."""


@dataclass
class Point:
    """The latency of one batch size and thread count."""

    batch: int
    threads: int
    pieces: list[Mapping[str, Any]] = field(default_factory=list)
    """the record of each process"""
    error: str | None = None
    """why it could not be measured; what was measured before stays in `pieces`"""

    @property
    def median_ms(self) -> float | None:
        """The median of the medians of all pieces; None where there are none."""
        return median(self._medians) if self.pieces else None

    @property
    def ci95_ms(self) -> tuple[float, float] | None:
        """That of the medians of processes; with one process that of its blocks of runs; None without any."""
        if not self.pieces:
            return None
        if len(self.pieces) == 1:
            low, high = self.pieces[0]["ci95_ms"]
            return low, high
        low, high = log_interval(self._medians)
        middle = median(self._medians)
        return min(low, middle), max(high, middle)

    @property
    def images_per_second(self) -> float | None:
        return None if self.median_ms is None else 1000 * self.batch / self.median_ms

    @property
    def warnings(self) -> list[str]:
        """Those of the pieces, one of each kind."""
        kinds = {text.partition(":")[0]: text for piece in reversed(self.pieces) for text in piece["warnings"]}
        return list(kinds.values())

    @property
    def _medians(self) -> list[float]:
        return [piece["median_ms"] for piece in self.pieces]

    def worst(self, name: str) -> float | None:
        """The largest of a quantile over the pieces."""
        return max((piece[name] for piece in self.pieces), default=None)

    def as_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return {
            "batch": self.batch,
            "threads": self.threads,
            "median_ms": self.median_ms,
            "ci95_ms": None if self.ci95_ms is None else list(self.ci95_ms),
            "p90_ms": self.worst("p90_ms"),
            "p99_ms": self.worst("p99_ms"),
            "mad_ms": self.worst("mad_ms"),
            "images_per_second": self.images_per_second,
            "error": self.error,
            "pieces": [dict(piece) for piece in self.pieces],
        }


def measure_points(
    batches: Sequence[int],
    threads: Sequence[int],
    *,
    pieces: int,
    measure: Measure,
    announce: Callable[[Point], None] = lambda _: None,
) -> list[Point]:
    """Every batch size with every thread count, `pieces` processes each. A point that cannot be measured says why, and the others
    go on.
    """
    if pieces not in (1, *range(LEAST_PIECES, MOST_PIECES + 1)):
        raise UsageError(
            f"pieces is {pieces}; accepted: 1, or {LEAST_PIECES} to {MOST_PIECES}, as two say nothing of their spread"
        )
    points = [Point(batch, count) for count, batch in product(dict.fromkeys(threads), dict.fromkeys(batches))]
    for _ in range(pieces):
        for point in points:
            if point.error is not None:
                continue
            try:
                point.pieces.append(measure(point.batch, point.threads))
            except UsageError as error:
                point.error = str(error)
            announce(point)
    return points


def knees(points: Sequence[Point]) -> list[Point]:
    """For each thread count with several batches: the smallest batch with nearly the most images a second."""
    found = []
    for count in dict.fromkeys(point.threads for point in points):
        measured = [point for point in points if point.threads == count and point.images_per_second is not None]
        if len(measured) > 1:
            most = max(point.images_per_second or 0.0 for point in measured)
            found.append(
                min((p for p in measured if (p.images_per_second or 0.0) >= KNEE * most), key=lambda p: p.batch)
            )
    return found
