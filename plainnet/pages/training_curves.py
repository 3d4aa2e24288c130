"""Curves of trainings, as the pages about one and about several draw them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from plainnet.pages.charts import Axis, Series, chart

__all__ = ["KNOWN", "TONES", "curves_chart", "metric_in_words", "spans_widely"]

TONES = ("accent", "best", "done", "soft", "repeat", "cloud")
"""Of curves side by side; that of a bound is not among them."""


KNOWN = {
    "lr": "Learning rate",
    "confusion": "Confusion matrix",
    "iou": "IoU",
    "iou/mean": "Mean IoU",
    "ap": "AP",
    "ap/mean": "AP, mean over IoU 0.5 to 0.95",
    "ap/50": "AP at IoU 0.5",
    "ap/75": "AP at IoU 0.75",
    "time/update_ms": "an update",
    "time/wait_ms": "waiting for data",
}
"""Metrics whose names are no words."""


def metric_in_words(name: str) -> str:
    """What a metric is called in a title: Class loss, AP at IoU 0.5, IoU of cat."""
    name = name.removeprefix("val/")
    kind, _, part = name.partition("/")
    if name in KNOWN:
        return KNOWN[name]
    if part:
        return f"{KNOWN.get(kind, kind.capitalize())} of {part}"
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).replace("_", " ")
    return f"{words[:1].upper()}{words[1:] if words.isupper() else words[1:].lower()}"


def curves_chart(
    curves: Sequence[tuple[str, Sequence[tuple[float, float | None]]]], label: str, *, is_log: bool = False
) -> str:
    """Several curves over the updates, each with its name. `is_log`: equal ratios get equal room where values span widely."""
    series = [
        Series(name, curve, "line" if len(curve) > 1 else "dots", tone=TONES[number % len(TONES)])
        for number, (name, curve) in enumerate(curves)
    ]
    values = [value for _, curve in curves for _, value in curve]
    return chart(
        series, Axis("updates", low=0), Axis(label, log=is_log and spans_widely(values)), says=label, height=260
    )


def spans_widely(values: Sequence[float | None]) -> bool:
    """Whether values span so much that equal ratios should get equal room."""
    known = [value for value in values if value is not None]
    return bool(known) and min(known) > 0 and max(known) / min(known) > 30
