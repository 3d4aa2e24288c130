"""Curves as text."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["text_plot"]


def text_plot(x: Sequence[float], y: Sequence[float], *, unit: str = "", width: int = 60, height: int = 8) -> list[str]:
    """A curve in lines of text: its points as *, the highest and the lowest value at the left, the ends of x below.

    Several points in one column are drawn all. x ascends.
    """
    low, high = min(y), max(y)
    span, reach = (high - low) or 1.0, (x[-1] - x[0]) or 1.0
    cells = [[" "] * width for _ in range(height)]
    for place, value in zip(x, y, strict=True):
        row = round((high - value) / span * (height - 1))
        cells[row][round((place - x[0]) / reach * (width - 1))] = "*"
    labels = [f"{high:.4g}", *[""] * (height - 2), f"{low:.4g}"]
    room = max(map(len, labels))
    lines = [f"{label:>{room}} |{''.join(row)}".rstrip() for label, row in zip(labels, cells, strict=True)]
    first, last = f"{x[0]:.4g}", f"{x[-1]:.4g}{f' {unit}' if unit else ''}"
    gap = " " * max(1, width - len(first) - len(last))
    return [*lines, f"{'':{room}} +{'-' * width}", f"{'':{room}}  {first}{gap}{last}"]
