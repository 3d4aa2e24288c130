"""Charts as SVG, drawn here and not in the browser: they need no library and no script, print, and follow the page's colours.

A chart has a name that says what it shows, marks that differ by their form as well as by their colour, and a table of its
numbers below it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from plainnet.pages.parts import details, escaped, significant, table
from plainnet.pages.ticks import linear_ticks, log_ticks, tick_labels

__all__ = ["BOTTOM", "RIGHT", "TOP", "WIDTH", "Axis", "Scale", "Series", "chart", "room_for", "scale_of"]

WIDTH, RIGHT, TOP, BOTTOM = 1040.0, 16.0, 14.0, 46.0
LETTER = 9.0
"""Room for a letter, on small screens too."""
MARKS = ("circle", "diamond", "square", "triangle")
MARKED = ("dots", "cloud", "winner")
DASHES = ("", "2 4", "9 3 2 3", "14 5")
"""Of lines in their order; that of a bound is the style sheet's: it is the same everywhere."""
APART = 52.0
"""Between the middles of two labels of ticks that somebody chose, at least."""
LISTED = 200
"""Lines in the table of a chart at most: evenly drawn, the last one always."""


@dataclass(frozen=True)
class Series:
    """What is drawn in one colour: `points` are (x, y) in the order of x; those that are not finite, or None, interrupt it.

    kind: `line`, `steps` (a value holds until the next one), `steps-before` (it held since the last one), `dots` (marks that
    can be pointed at), `winner` (one that stands out), `cloud` (many faint dots). tone: a colour of the style sheet. said: what
    each mark says when pointed at; picks: the structure that each hands over when it is clicked, names: what that is called.
    """

    name: str
    points: Sequence[tuple[float, float | None]]
    kind: str = "line"
    tone: str = "accent"
    said: Sequence[str] = ()
    picks: Sequence[str] = ()
    names: Sequence[str] = ()

    def drawn(self) -> list[tuple[int, float, float]]:
        """The points that can be drawn, with their numbers."""
        return [
            (number, x, y)
            for number, (x, y) in enumerate(self.points)
            if y is not None and math.isfinite(x) and math.isfinite(y)
        ]


@dataclass(frozen=True)
class Axis:
    """An axis: its label in words, with its unit. `log`: equal ratios get equal room, where all values are positive. `low` and
    `high` widen what the values span; `within` narrows it: what lies beyond is left out of sight.
    """

    label: str
    log: bool = False
    low: float | None = None
    high: float | None = None
    within: tuple[float, float] | None = None
    at: Sequence[float] = field(default=())
    """Where its ticks are, in place of round numbers: all are in sight, and have a label where there is room."""
    names: Sequence[str] = field(default=())
    """Names for the whole numbers from 0 on, in place of numbers."""


@dataclass(frozen=True)
class Scale:
    """Values of an axis to places in the drawing. names: what stands at the ticks, one each."""

    low: float
    high: float
    start: float
    end: float
    log: bool
    ticks: tuple[float, ...]
    names: tuple[str, ...]

    def at(self, value: float) -> float:
        low, high, here = (math.log10(each) if self.log else each for each in (self.low, self.high, value))
        share = (here - low) / (high - low) if high > low else 0.5
        return self.start + share * (self.end - self.start)

    def labels(self) -> list[tuple[float, str]]:
        """The ticks with what stands at them."""
        return list(zip(self.ticks, self.names, strict=True))


def chart(series: Sequence[Series], x: Axis, y: Axis, *, says: str, height: float = 340, numbers: bool = True) -> str:
    """A chart as a figure: the drawing, what its colours mean, and its numbers as a table.

    says: what can be seen in it, in words, for those who cannot see it. Series without a point that can be drawn are left out;
    where none is left there is a sentence in place of a drawing. Without `numbers` their table is the caller's to show.
    """
    shown = [each for each in series if each.drawn()]
    if not shown:
        return f"<p class='note'>Nothing to draw: {escaped(says)}.</p>"
    up = scale_of([p[2] for each in shown for p in each.drawn()], y, height - BOTTOM, TOP)
    left = room_for(up.names)
    along = scale_of([p[1] for each in shown for p in each.drawn()], x, left, WIDTH - RIGHT)
    inside = "".join(_drawn(each, number, along, up) for number, each in _numbered(shown))
    across, down = WIDTH - left - RIGHT + 12, height - TOP - BOTTOM + 12
    clip = f"<svg x='{left - 6:g}' y='{TOP - 6:g}' width='{across:g}' height='{down:g}' "
    clip += f"viewBox='{left - 6:g} {TOP - 6:g} {across:g} {down:g}'>"
    return (
        f"<figure class='chart'>{_legend(shown)}<div class='scroll' tabindex='0'>"
        f"<svg viewBox='0 0 {WIDTH:.0f} {height:.0f}' role='img' aria-label='{escaped(says)}'>"
        f"{_frame(along, up, x, y, height)}{clip}{inside}</svg></svg></div>{_numbers(shown, x, y) if numbers else ''}</figure>"
    )


def room_for(labels: Sequence[str]) -> float:
    """Where a drawing begins, so that the labels of its upright axis stand between there and the axis's name."""
    return 38.0 + LETTER * max(3, *map(len, labels))


def _numbered(shown: Sequence[Series]) -> list[tuple[int, Series]]:
    """The series with their numbers among those of their kind, lines or marks, from which their form follows."""
    counts: dict[bool, int] = {}
    found = []
    for each in shown:
        marks = each.kind in MARKED
        found.append((counts.get(marks, 0), each))
        counts[marks] = counts.get(marks, 0) + (each.kind not in ("cloud", "winner") and each.tone != "out")
    return found


def scale_of(values: Sequence[float], axis: Axis, start: float, end: float) -> Scale:
    """The scale for these values between two places."""
    low = min([*values, *axis.at, *([] if axis.low is None else [axis.low])])
    high = max([*values, *axis.at, *([] if axis.high is None else [axis.high])])
    if axis.within is not None:
        low, high = axis.within
    log = axis.log and low > 0
    if high == low:
        low, high = (low / 2, high * 2) if log else (low - (abs(low) or 1) * 0.5, high + (abs(high) or 1) * 0.5)
    if log:
        room = (high / low) ** 0.03
        low, high = low / room, high * room
    elif axis.within is None:
        room = 0.04 * (high - low)
        low = low - room if axis.low is None or low < axis.low else low
        high = high + room if axis.high is None or high > axis.high else high
    ticks = sorted(axis.at) or (log_ticks(low, high) if log else linear_ticks(low, high))
    names: Sequence[str] = axis.names
    if names:
        ticks = [float(each) for each in range(len(names))]
    return Scale(
        low, high, start, end, log, tuple(ticks), tuple(names or tick_labels(ticks, is_even=not (log or axis.at)))
    )


def _frame(along: Scale, up: Scale, x: Axis, y: Axis, height: float) -> str:
    parts, left = [], along.start
    for value, label in up.labels():
        place = up.at(value)
        parts.append(f"<path class='grid' d='M{left:g} {place:.1f}H{WIDTH - RIGHT:g}'/>")
        parts.append(f"<text class='end' x='{left - 8:g}' y='{place + 4:.1f}'>{escaped(label)}</text>")
    written = 0.0
    for value, label in along.labels():
        place = along.at(value)
        parts.append(f"<path class='grid' d='M{place:.1f} {TOP:g}V{height - BOTTOM:g}'/>")
        if not x.at or place - written > APART:
            parts.append(f"<text class='mid' x='{place:.1f}' y='{height - BOTTOM + 18:g}'>{escaped(label)}</text>")
            written = place
    middle = (TOP + height - BOTTOM) / 2
    parts.append(
        f"<text class='mid name' x='{(left + WIDTH) / 2:.0f}' y='{height - 6:g}'>{_fitting(x.label, WIDTH - left)}</text>"
    )
    turned = f"transform='rotate(-90 14 {middle:.0f})'"
    parts.append(f"<text class='mid name' x='14' y='{middle:.0f}' {turned}>{_fitting(y.label, height - BOTTOM)}</text>")
    return "".join(parts)


def _fitting(label: str, room: float) -> str:
    """The name of an axis, as much of it as there is room for."""
    most = int(room / LETTER)
    return escaped(label if len(label) <= most else f"{label[: most - 1]}…")


def _drawn(series: Series, number: int, along: Scale, up: Scale) -> str:
    points = [(each, along.at(x), up.at(y)) for each, x, y in series.drawn() if not (along.log and x <= 0)]
    if series.kind == "cloud":
        path = "".join(f"M{x:.1f} {y:.1f}h0" for _, x, y in points)
        return f"<path class='cloud t-{series.tone}' d='{path}'/>"
    if series.kind in MARKED:
        return "".join(_mark(series, number, each, x, y) for each, x, y in points)
    dash = f" stroke-dasharray='{DASHES[number % len(DASHES)]}'" if number % len(DASHES) else ""
    marks = "".join(_mark(series, number, each, x, y) for each, x, y in points) if series.said else ""
    return f"<path class='line t-{series.tone}' d='{_path(series, points)}'{dash}/>{marks}"


def _path(series: Series, points: Sequence[tuple[int, float, float]]) -> str:
    parts: list[str] = []
    before = -2
    for number, x, y in points:
        if number != before + 1:
            parts.append(f"M{x:.1f} {y:.1f}")
        elif series.kind == "steps":
            parts.append(f"H{x:.1f}V{y:.1f}")
        elif series.kind == "steps-before":
            parts.append(f"V{y:.1f}H{x:.1f}")
        else:
            parts.append(f"L{x:.1f} {y:.1f}")
        before = number
    if len(points) == 1:
        parts.append("h0")
    return "".join(parts)


def _mark(series: Series, number: int, index: int, x: float, y: float) -> str:
    shape = {
        "winner": f"M{x:.1f} {y - 9:.1f}l9 9l-9 9l-9 -9z",
        "circle": f"M{x - 4.5:.1f} {y:.1f}a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0z",
        "diamond": f"M{x:.1f} {y - 6.5:.1f}l6.5 6.5l-6.5 6.5l-6.5 -6.5z",
        "square": f"M{x - 4:.1f} {y - 4:.1f}h8v8h-8z",
        "triangle": f"M{x:.1f} {y - 5.5:.1f}l5.5 10h-11z",
    }["winner" if series.kind == "winner" else MARKS[number % len(MARKS)]]
    said = f" data-said='{escaped(series.said[index])}'" if series.said else ""
    pick = f" data-pick='{escaped(series.picks[index])}'" if series.picks else ""
    pick += f" data-name='{escaped(series.names[index])}'" if series.names else ""
    return f"<path class='mark t-{series.tone}' d='{shape}'{said}{pick}/>"


def _legend(shown: Sequence[Series]) -> str:
    if len(shown) < 2:
        return ""
    parts = []
    for number, each in _numbered(shown):
        dash = f" stroke-dasharray='{DASHES[number % len(DASHES)]}'" if number % len(DASHES) else ""
        sign = (
            _mark(Series(each.name, (), each.kind, each.tone), number, 0, 13, 7)
            if each.kind in MARKED
            else f"<path class='line t-{each.tone}' d='M1 7H25'{dash}/>"
        )
        parts.append(f"<span><svg width='26' height='14' aria-hidden='true'>{sign}</svg>{escaped(each.name)}</span>")
    return f"<div class='legend'>{''.join(parts)}</div>"


def _numbers(shown: Sequence[Series], x: Axis, y: Axis) -> str:
    """The same numbers as a table. One column a series where all have the same places along, else name by name."""
    places = [[point[0] for point in each.points] for each in shown]
    if all(each == places[0] for each in places):
        head = [x.label, *(each.name if len(shown) > 1 else y.label for each in shown)]
        rows = [
            [_along(at, x), *(_value(each.points[number][1]) for each in shown)] for number, at in enumerate(places[0])
        ]
    else:
        head = ["series", x.label, y.label]
        rows = [[each.name, _along(at, x), _value(value)] for each in shown for at, value in each.points]
    every = -(-len(rows) // LISTED)
    some = [row for number, row in enumerate(rows) if number % every == 0 or number == len(rows) - 1]
    left = 1 if head[0] == "series" or x.names else 0
    note = f"<p class='note'>{len(some)} of {len(rows):,}, evenly drawn.</p>" if every > 1 else ""
    return details("The numbers", f"{note}{table(head, some, left=left)}")


def _along(value: float, axis: Axis) -> str:
    return axis.names[int(value)] if axis.names else significant(value)


def _value(value: float | None) -> str:
    return "–" if value is None or not math.isfinite(value) else significant(value)
