"""Curves of trainings, as the pages about one and about several draw them."""

from __future__ import annotations

from collections.abc import Sequence

from plainnet.pages.charts import Axis, Series, chart

__all__ = ["TONES", "curves_chart", "metric_in_words", "spans_widely"]

TONES = ("accent", "best", "done", "soft", "repeat", "cloud")
"""Of curves side by side; that of a bound is not among them."""


def metric_in_words(name: str) -> str:
    """What a metric is called in a title."""
    known = {"loss": "Loss", "lr": "Learning rate", "confusion": "Confusion matrix"}
    name = name.removeprefix("val/")
    return known.get(name, name.replace("_", " ").capitalize())


def curves_chart(
    curves: Sequence[tuple[str, Sequence[tuple[float, float | None]]]], label: str, *, is_log: bool = False
) -> str:
    """Several curves over the updates, each with its name. `is_log`: equal ratios get equal room where values span widely."""
    series = [
        Series(name, curve, "line" if len(curve) > 1 else "dots", tone=TONES[number % len(TONES)])
        for number, (name, curve) in enumerate(curves)
    ]
    values = [value for _, curve in curves for _, value in curve]
    return chart(series, Axis("updates"), Axis(label, log=is_log and spans_widely(values)), says=label, height=260)


def spans_widely(values: Sequence[float | None]) -> bool:
    """Whether values span so much that equal ratios should get equal room."""
    known = [value for value in values if value is not None]
    return bool(known) and min(known) > 0 and max(known) / min(known) > 30
