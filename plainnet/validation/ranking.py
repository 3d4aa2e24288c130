"""How well scores rank measured accuracies, with bootstrap confidence intervals.

Spearman and Kendall (tau-b) are rank correlations. `top 1 %` and `top 10 %` are the part of the truly best networks that is
among the best-scored ones. The regret is the best accuracy there is minus that of the best-scored network. Where scores
are equal, the expectation over all orders of the equal ones is taken, so that a coarse score gains nothing from the order
of the table.

The bootstrap (scipy, percentile method) draws networks, not rows: rows of the same network are drawn together.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from plainnet.errors import UsageError

__all__ = ["FIELDS", "Agreement", "Estimate", "agreement", "point_agreement", "rank_correlations"]

Array = NDArray[np.float64]

CONFIDENCE = 0.95


class Estimate(NamedTuple):
    """A value with its 95 % confidence interval."""

    value: float
    low: float
    high: float


class Agreement(NamedTuple):
    """What scores say of accuracies."""

    spearman: Estimate
    kendall: Estimate
    top_1_percent: Estimate
    top_10_percent: Estimate
    regret: Estimate
    """in the unit of the accuracies"""


FIELDS = Agreement._fields


def agreement(
    scores: Sequence[float],
    accuracies: Sequence[float],
    *,
    networks: Sequence[Any] | None = None,
    resamples: int = 200,
    seed: int = 0,
) -> Agreement:
    """How well scores rank accuracies. `networks` says which rows are the same network (all different by default).

    `UsageError` for fewer than three different networks, or for a score or accuracy that is no number.
    """
    pairs = _checked(scores, accuracies)
    members = _Members(networks if networks is not None else range(len(scores)))
    if members.count < 3:
        raise UsageError(f"a ranking needs at least three different networks; there are {members.count}")
    values = point_agreement(*pairs)
    if resamples < 1:
        return Agreement(*[Estimate(value, float("nan"), float("nan")) for value in values])
    lows, highs = _bootstrap(lambda drawn: point_agreement(*(side[members.rows(drawn)] for side in pairs)), members.count,
                             resamples, seed)  # fmt: skip
    return Agreement(*map(Estimate, values, lows, highs))


def point_agreement(scores: Array, accuracies: Array) -> list[float]:
    """The values of `Agreement` without intervals."""
    spearman, kendall = rank_correlations(scores, accuracies)
    overlaps = [_top_overlap(scores, accuracies, share) for share in (0.01, 0.1)]
    best_scored = accuracies[scores == scores.max()].mean()
    return [spearman, kendall, *overlaps, float(accuracies.max() - best_scored)]


def rank_correlations(scores: Array, accuracies: Array) -> tuple[float, float]:
    """(Spearman, Kendall tau-b); nan where either side is constant."""
    from scipy.stats import kendalltau, rankdata

    if scores.min() == scores.max() or accuracies.min() == accuracies.max():
        return float("nan"), float("nan")
    spearman = np.corrcoef(rankdata(scores), rankdata(accuracies))[0, 1]
    return float(spearman), float(kendalltau(scores, accuracies).statistic)


def _checked(scores: Sequence[float], accuracies: Sequence[float]) -> tuple[Array, Array]:
    if len(scores) != len(accuracies):
        raise UsageError(f"{len(scores)} scores for {len(accuracies)} accuracies")
    sides = np.asarray(scores, dtype=np.float64), np.asarray(accuracies, dtype=np.float64)
    if np.isnan(sides).any():
        raise UsageError("a score or accuracy is not a number (nan)")
    return sides


def _top_overlap(scores: Array, accuracies: Array, share: float) -> float:
    """The expected part of the best `share` by accuracy that is among the best `share` by score."""
    count = max(1, round(share * len(scores)))
    return float((_in_top(scores, count) * _in_top(accuracies, count)).sum() / count)


def _in_top(values: Array, count: int) -> Array:
    """How likely each value is to be among the `count` largest, equal ones being drawn by lot."""
    threshold = np.partition(values, -count)[-count]
    above, equal = values > threshold, values == threshold
    chance: Array = above + equal * ((count - above.sum()) / equal.sum())
    return chance


class _Members:
    """Which rows belong to which network."""

    def __init__(self, networks: Sequence[Any]) -> None:
        numbers: dict[Any, int] = {}
        labels = np.array([numbers.setdefault(network, len(numbers)) for network in networks])
        self.count = len(numbers)
        self._order = np.argsort(labels, kind="stable")
        self._sizes = np.bincount(labels, minlength=self.count)
        self._starts = np.concatenate(([0], np.cumsum(self._sizes)[:-1]))

    def rows(self, drawn: NDArray[np.int64]) -> NDArray[np.int64]:
        """The rows of the drawn networks, one after the other."""
        sizes = self._sizes[drawn]
        ends = np.cumsum(sizes)
        places = np.arange(ends[-1]) + np.repeat(self._starts[drawn] - (ends - sizes), sizes)
        rows: NDArray[np.int64] = self._order[places]
        return rows


def _bootstrap(
    statistic: Callable[[NDArray[np.int64]], list[float]], count: int, resamples: int, seed: int
) -> tuple[list[float], list[float]]:
    from scipy.stats import DegenerateDataWarning, bootstrap

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DegenerateDataWarning)  # resamples without a correlation are left out below
        result = bootstrap(
            (np.arange(count),),
            lambda drawn: np.array(statistic(drawn)),
            vectorized=False,
            n_resamples=resamples,
            confidence_level=CONFIDENCE,
            method="percentile",
            rng=np.random.default_rng(seed),
        )
    drawn = result.bootstrap_distribution
    tails = (100 * (1 - CONFIDENCE) / 2, 100 * (1 + CONFIDENCE) / 2)
    usable = [row[~np.isnan(row)] for row in drawn]
    limits = [np.percentile(row, tails) if row.size else (float("nan"),) * 2 for row in usable]
    return [float(low) for low, _ in limits], [float(high) for _, high in limits]
