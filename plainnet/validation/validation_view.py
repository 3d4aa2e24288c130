"""A validation as a person reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plainnet.results.numbers import interval_text, score_text
from plainnet.results.result import View
from plainnet.results.tables import Table
from plainnet.validation.ranking import Estimate

if TYPE_CHECKING:
    from plainnet.validation.validate import Validation

__all__ = ["HEADER", "figure_rows", "validation_view"]

HEADER = ("", "Spearman", "Kendall", "top 1 %", "top 10 %", "regret")
"""Correlations, the part of the best networks among the best-scored ones, and what is lost in the unit of the accuracies."""


def figure_rows(validation: Validation) -> list[list[str]]:
    """The figures as rows of text under `HEADER`: the proxy, the baselines, what noise leaves to reach."""
    rows = [[validation.proxy, *map(_interval, validation.agreement)]]
    rows += [[name, *map(_interval, found)] for name, found in validation.baselines.items()]
    if validation.ceiling is not None:
        rows += [
            [name.replace("_", " "), *(f"{value:.3f}" for value in pair), "", "", ""]
            for name, pair in validation.ceiling._asdict().items()
        ]
    return rows


def validation_view(result: Validation) -> View:
    """The figures with their 95 % intervals, and the network that the proxy likes best."""
    different = f", {result.distinct:,} different ones" if result.distinct != result.networks else ""
    title = f"{result.proxy} on {result.table}: {result.networks:,} networks{different}"
    best = result.accuracies[result.names.index(result.best_scored)]
    after = [f"best-scored: {result.best_scored}, accuracy {best:.2f} (best there is: {max(result.accuracies):.2f})"]
    if result.resamples:
        after.append(f"in brackets: 95 % intervals from {result.resamples:,} bootstrap resamples")
    if result.unscored:
        after.append(f"{len(result.unscored)} networks have no score (nan) and are left out")
    table = Table(
        HEADER, figure_rows(result), drop=("Kendall", "top 10 %", "regret"), hint="--json, or a wider terminal"
    )
    return View([("", title)], [table], [("", line) for line in after])


def _interval(found: Estimate) -> str:
    """A value with its interval, all rounded to its half width; three digits where there is none."""
    value, low, high = found
    if low != low:
        return f"{value:.3f}"
    half = (high - low) / 2
    return f"{score_text(value, half, digits=3)} {interval_text((low, high), digits=3)}"
