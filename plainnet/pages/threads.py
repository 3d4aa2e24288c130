"""Parallel coordinates: networks as lines across an upright axis for each of their figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from plainnet.pages.charts import WIDTH, Axis, Scale, scale_of
from plainnet.pages.parts import Html, details, escaped, short_structure, significant, table

__all__ = ["threads"]

HEIGHT, TOP, SIDE = 340.0, 40.0, 90.0
LEFT = 72.0
BOTTOM = HEIGHT - 14


def threads(axes: Sequence[tuple[str, bool]], columns: Mapping[str, Any], marks: Sequence[Mapping[str, Any]]) -> Html:
    """The networks of a front across all its objectives, and a table of them.

    axes: (label, whether it is made large) of each; what is made small has its axis upside down, so that up is better on all.
    columns, marks: as `explorer` takes them, with `front` in a mark; those that are not on the front are left out.
    """
    shown = [
        (mark, [columns[label]["marked"][number] for label, _ in axes])
        for number, mark in enumerate(marks)
        if mark["front"] and all(columns[label]["marked"][number] is not None for label, _ in axes)
    ]
    if not shown:
        return Html("")
    scales = [
        _scale([values[at] for _, values in shown], is_large=is_large, log=columns[label]["ratio"])
        for at, (label, is_large) in enumerate(axes)
    ]
    gap = (WIDTH - LEFT - SIDE) / max(1, len(axes) - 1)
    places = [LEFT + gap * at for at in range(len(axes))]
    frame = [
        f"<path class='grid' d='M{x:.0f} {TOP}V{BOTTOM}'/>{_name(label, x, at, len(axes))}"
        for at, (x, (label, _)) in enumerate(zip(places, axes, strict=True))
    ]
    lines = [_line(mark, values, scales, places) for mark, values in sorted(shown, key=lambda each: each[0]["winner"])]
    ticks = [
        f"<text class='end over' x='{x - 6:.0f}' y='{scale.at(value) + 4:.1f}'>{escaped(text)}</text>"
        for x, scale in zip(places, scales, strict=True)
        for value, text in scale.labels()
    ]
    says = f"{len(shown)} networks of the front across {', '.join(label for label, _ in axes)}"
    return Html(
        f"<figure class='chart'><div class='scroll' tabindex='0'><svg viewBox='0 0 {WIDTH:.0f} {HEIGHT:.0f}' role='img' "
        f"aria-label='{escaped(says)}'>{''.join([*frame, *lines, *ticks])}</svg></div>{_table(axes, shown)}</figure>"
    )


def _name(label: str, x: float, at: int, count: int) -> str:
    """What stands above an axis; the first and the last one stay inside."""
    kind, x = ("name", 2.0) if at == 0 else ("end name", WIDTH - 2) if at == count - 1 else ("mid name", x)
    return f"<text class='{kind}' x='{x:.0f}' y='16'>{escaped(label)}</text>"


def _scale(values: Sequence[float], *, is_large: bool, log: bool) -> Scale:
    ends = (BOTTOM, TOP) if is_large else (TOP, BOTTOM)
    return scale_of(values, Axis("", log=log), *ends)


def _line(mark: Mapping[str, Any], values: Sequence[float], scales: Sequence[Scale], places: Sequence[float]) -> str:
    path = "L".join(f"{x:.1f} {scale.at(value):.1f}" for x, value, scale in zip(places, values, scales, strict=True))
    tone = "done won" if mark["winner"] else "best"
    said = f"data-said='{escaped(mark['said'])}' data-pick='{escaped(mark['structure'])}' data-name='{escaped(mark['name'])}'"
    return f"<path class='line thread t-{tone}' d='M{path}' {said}/>"


def _table(axes: Sequence[tuple[str, bool]], shown: Sequence[tuple[Mapping[str, Any], Sequence[float]]]) -> Html:
    rows = [
        [
            short_structure(mark["name"], mark["structure"]),
            *(significant(value) for value in values),
            "the winner" if mark["winner"] else "",
        ]
        for mark, values in shown
    ]
    listed = table(["structure", *(label for label, _ in axes), ""], rows, left=1)
    return details(f"The front: {len(shown)} networks", listed)
