"""Numbers as people read them: no more digits than their error leaves, and their units."""

from __future__ import annotations

import math

__all__ = ["LARGEST", "byte_text", "count_text", "interval_text", "score_text"]

LARGEST = 1e100
"""Of measured numbers that are read: their squares, and sums of these, are numbers, too."""


def score_text(value: float, half_width: float | None = None, *, digits: int = 6) -> str:
    """A value rounded where its error begins: one digit behind the first of `half_width`; `digits` significant ones where
    it has no error (None, or 0). Whole numbers have separators, what is not finite is said as such.
    """
    if not math.isfinite(value):
        return str(value)
    if half_width and math.isfinite(half_width):
        after = 1 - math.floor(math.log10(abs(half_width)))
        if value and not 1e-4 <= max(abs(value), abs(half_width)) < 1e15:
            return f"{value:.{max(0, math.floor(math.log10(abs(value))) + after)}e}"
        return f"{round(value, after):,.{max(0, after)}f}"
    if value == round(value) and abs(value) < 1e15:
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


def interval_text(interval: tuple[float, float], *, digits: int = 6) -> str:
    """An interval, both ends rounded to its half width: [126.4, 128.1]."""
    low, high = interval
    half = (high - low) / 2
    return f"[{score_text(low, half, digits=digits)}, {score_text(high, half, digits=digits)}]"


def count_text(value: float | None) -> str:
    """A count with separators, a measured cost with four digits, and nothing for what was not computed."""
    return "" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"


def byte_text(count: float) -> str:
    """Bytes in the unit that fits: 4.0 MiB."""
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.1f} {unit}" if unit != "B" else f"{count:.0f} B"
        count /= 1024
    return f"{count:.1f} GiB"
