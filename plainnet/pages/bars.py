"""Stacked bars over what was done so far: which share became of what."""

from __future__ import annotations

from collections.abc import Sequence

from plainnet.pages.parts import details, escaped, in_percent, table
from plainnet.pages.ticks import linear_ticks, tick_labels

__all__ = ["stacked"]

WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 520.0, 230.0, 54.0, 12.0, 48.0
"""Half as wide as other charts: it stands beside something else."""


def stacked(
    parts: Sequence[tuple[float, Sequence[float]]], names: Sequence[tuple[str, str]], *, label: str, says: str
) -> str:
    """Bars side by side, each as wide as its weight and filled from below by shares that add up to one at most.

    parts: (weight, shares) of each bar; names: (name, tone) of each share; label: what the weights are.
    """
    whole = sum(weight for weight, _ in parts) or 1
    bottom, right = HEIGHT - BOTTOM, WIDTH - 8
    drawn, start = [], LEFT
    for weight, shares in parts:
        width, level = (right - LEFT) * weight / whole, bottom
        for (_, tone), share in zip(names, shares, strict=True):
            high = share * (bottom - TOP)
            level -= high
            box = f"x='{start:.1f}' y='{level:.1f}' width='{width:.2f}' height='{high:.1f}'"
            drawn.append(f"<rect class='stack t-{tone}' {box}/>" if share else "")
        start += width
    for share in (0, 0.5, 1):
        drawn.append(
            f"<text class='end' x='{LEFT - 8}' y='{bottom - share * (bottom - TOP) + 4:.0f}'>{share:.0%}</text>"
        )
    ticks = linear_ticks(0, whole, about=4)
    for value, name in zip(ticks, tick_labels(ticks), strict=True):
        place = LEFT + (right - LEFT) * value / whole
        drawn.append(f"<text class='mid' x='{min(place, right - 20):.0f}' y='{bottom + 20:.0f}'>{name}</text>")
    drawn.append(f"<text class='mid' x='{(LEFT + right) / 2:.0f}' y='{HEIGHT - 8:.0f}'>{escaped(label)}</text>")
    legend = "".join(
        f"<span><svg width='14' height='14' aria-hidden='true'><rect class='stack t-{tone}' width='14' height='14'/></svg>"
        f"{escaped(name)}</span>"
        for name, tone in names
    )
    rows = [[f"{weight:,.0f}", *(in_percent(share) for share in shares)] for weight, shares in parts]
    numbers = details("The numbers", table([label, *(name for name, _ in names)], rows))
    return (
        f"<figure class='chart'><div class='legend'>{legend}</div><div class='scroll' tabindex='0'>"
        f"<svg viewBox='0 0 {WIDTH:.0f} {HEIGHT:.0f}' role='img' aria-label='{escaped(says)}'>{''.join(drawn)}</svg></div>"
        f"{numbers}</figure>"
    )
