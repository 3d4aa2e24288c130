"""How well scores rank trained networks, as pages show it: figures with their intervals, and what the terms mean."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from plainnet.pages.parts import Html, details, escaped, table

__all__ = ["FIGURES", "figures_table", "number_of", "terms"]

FIGURES = {
    "spearman": "Spearman",
    "kendall": "Kendall",
    "top_1_percent": "top 1 %",
    "top_10_percent": "top 10 %",
    "regret": "regret",
}
"""A figure, as data call it -> its column."""
TERMS = (
    (
        "Spearman",
        "rank correlation: 1 where the score puts the networks in the order of their accuracies, 0 where it says nothing of it",
    ),
    (
        "Kendall",
        "of all pairs of networks, the share that the score puts in the right order less the share in the wrong one",
    ),
    ("top 1 %, top 10 %", "the share of the best networks that are among as many best-scored ones"),
    ("regret", "what the best-scored network lacks to the best accuracy there is, in its unit"),
    ("another training", "how well one training of these networks ranks another: what noise leaves to reach"),
)

Figures = Mapping[str, Sequence[float | str]]
"""A figure's name -> [value, low, high]; what is not finite is a text, as JSON has it."""


FINEST = 9
"""Digits behind the point at most: an interval of a file that is narrower says nothing."""


def number_of(value: float | str) -> float:
    """A number of such data: what is not finite stands there as text."""
    return float(value)


def figures_table(rows: Mapping[str, Figures], columns: Sequence[str] = tuple(FIGURES)) -> Html:
    """What each score is worth: a row each, its intervals on small lines of their own. columns: of `FIGURES`."""
    lines = [[name, *(_figure(found.get(column)) for column in columns)] for name, found in rows.items()]
    return table(["score", *(FIGURES[column] for column in columns)], lines, left=1, kind="figures")


def _figure(found: Sequence[float | str] | None) -> Html:
    """A value with its interval below it, both no finer than the interval."""
    value, low, high = map(number_of, found) if found is not None else [math.nan] * 3
    if not math.isfinite(value):
        return Html("–")
    half = (high - low) / 2
    if not (math.isfinite(half) and half > 0):
        return Html(f"{value:.3f}")
    after = min(max(2, 1 - math.floor(math.log10(half))), FINEST)
    return Html(f"{value:.{after}f}<br><small>{low:.{after}f} to {high:.{after}f}</small>")


def terms(*names: str) -> Html:
    """What the words of the figures mean, folded: of all of them, or of those that are named."""
    told = [each for each in TERMS if not names or each[0] in names]
    lines = "".join(f"<dt>{escaped(name)}</dt><dd>{escaped(text)}</dd>" for name, text in told)
    return details("What the terms mean", f"<dl>{lines}</dl>")
