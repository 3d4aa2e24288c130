"""Figures of a running search as a person reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from plainnet.search.runs.progress import Progress

__all__ = ["duration", "shares", "time_left"]


def duration(seconds: float) -> str:
    """Seconds as a person reads them: 45 s, 3:05, 1:02:03."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def time_left(progress: Progress, rate: float) -> str:
    """How long the stage still takes at this rate: `4 s left`."""
    return f"{duration((progress.total - progress.done) / rate)} left" if rate else ""


def shares(progress: Progress) -> dict[str, float]:
    """What became of the candidates: the share of each fate (of failures where there are any)."""
    from plainnet.search.candidates.faults import fates

    done = max(1, progress.done)
    counts = fates(progress.done, progress.tally)
    shown = ("evaluated", "rejected", "duplicates", *(("failed",) if counts["failed"] else ()))
    return {name: counts.get(name, 0) / done for name in shown}
