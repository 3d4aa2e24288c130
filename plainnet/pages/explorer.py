"""Networks against any two of their figures: the axes are chosen on the page.

Scales and ticks of all columns are worked out here; the page's script only puts points at their places.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from plainnet.pages.charts import BOTTOM, RIGHT, TOP, WIDTH, Axis, Scale, Series, chart, room_for, scale_of
from plainnet.pages.parts import Html, details, escaped, script_data, short_structure, significant, table

__all__ = ["explorer"]

HEIGHT = 340.0


def explorer(found: Mapping[str, Any], *, name: str) -> tuple[Html, Html]:
    """The chart with its choices, and the data for the page's script.

    found: `columns` (label -> {"all": values of many candidates, "marked": values of `marks`, "ratio": whether equal ratios get
    equal room, and "bound" where one is proven}), `marks` ({"name", "structure", "said", "winner"} each), `x` and `y` (the labels
    to begin with). None: no value.
    """
    columns = found["columns"]
    scales = {label: _scale(column) for label, column in columns.items()}
    data = {
        "frame": {
            "left": room_for([name for scale in scales.values() for name in scale.names]),
            "right": WIDTH - RIGHT,
            "top": TOP,
            "bottom": HEIGHT - BOTTOM,
        },
        "columns": {
            label: {
                "label": label,
                "places": [_place(value, scales[label]) for value in column["all"]],
                "marks": [_place(value, scales[label]) for value in column["marked"]],
                "ticks": [[_place(value, scales[label]), text] for value, text in scales[label].labels()],
                "bound": _place(column.get("bound"), scales[label]),
            }
            for label, column in columns.items()
        },
        "marks": found["marks"],
    }
    figure = chart(
        _series(found), _axis(found, "x"), _axis(found, "y"), says=f"{found['y']} against {found['x']}", numbers=False
    )
    choices = "".join(
        f"<label>{text} <select name='{axis}'>{_options(columns, found[axis])}</select></label>"
        for axis, text in (("x", "along"), ("y", "up"))
    )
    script = f"<script id='{name}' type='application/json'>{script_data(data)}</script>"
    chooser = f"<div data-explorer='{name}'><div class='axes'>{choices}</div>{figure}</div>"
    return Html(chooser + details("The numbers", _table(found))), Html(script)


def _table(found: Mapping[str, Any]) -> str:
    """The networks that stand out, with all their figures."""
    columns = found["columns"]
    rows = [
        [
            short_structure(mark["name"], mark["structure"]),
            *(
                "–" if column["marked"][number] is None else significant(column["marked"][number])
                for column in columns.values()
            ),
        ]
        for number, mark in enumerate(found["marks"])
    ]
    return table(["structure", *columns], rows, left=1)


def _options(columns: Mapping[str, Any], chosen: str) -> str:
    return "".join(f"<option{' selected' if each == chosen else ''}>{escaped(each)}</option>" for each in columns)


def _axis(found: Mapping[str, Any], which: str) -> Axis:
    label = found[which]
    return Axis(label, log=found["columns"][label]["ratio"])


def _series(found: Mapping[str, Any]) -> list[Series]:
    """What is there without a script, and what its colours mean: that stays when axes change."""
    x, y = (found["columns"][found[which]] for which in ("x", "y"))
    marks = found["marks"]
    numbers = [n for n in range(len(marks)) if x["marked"][n] is not None and y["marked"][n] is not None]
    numbers.sort(key=lambda n: x["marked"][n])
    parts = {
        "networks that stand out": ("dots", "best", [n for n in numbers if not marks[n]["winner"]]),
        "the winner": ("winner", "done", [n for n in numbers if marks[n]["winner"]]),
    }
    cloud = sorted(pair for pair in zip(x["all"], y["all"], strict=True) if None not in pair)
    series = [Series("other candidates", cloud, kind="cloud", tone="cloud")]
    series += [
        Series(
            name,
            [(x["marked"][n], y["marked"][n]) for n in some],
            kind=kind,
            tone=tone,
            said=[marks[n]["said"] for n in some],
            picks=[marks[n]["structure"] for n in some],
            names=[marks[n]["name"] for n in some],
        )
        for name, (kind, tone, some) in parts.items()
    ]
    bound = y.get("bound")
    if bound is not None and numbers:
        ends = [x["marked"][n] for n in (numbers[0], numbers[-1])]
        series.append(Series("proven bound", [(at, bound) for at in ends], tone="out"))
    return series


def _scale(column: Mapping[str, Any]) -> Scale:
    values = [
        value
        for part in (column["all"], column["marked"], [column.get("bound")])
        for value in part
        if value is not None and math.isfinite(value)
    ]
    return scale_of(values or [0.0], Axis("", log=column["ratio"]), 0.0, 1.0)


def _place(value: float | None, scale: Scale) -> float | None:
    return (
        None if value is None or not math.isfinite(value) or (scale.log and value <= 0) else round(scale.at(value), 4)
    )
