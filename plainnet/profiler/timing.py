"""Statistics of repeated timings: what a set of milliseconds says, and how far to trust it. No torch here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, median
from typing import NamedTuple

__all__ = ["TimingStatistics", "median_interval", "quantile", "summarize"]

OUTLIER_MADS = 5.0
"""A run is an outlier if it lies further from the median than this many (normal-scaled) median absolute deviations."""
NOISY_MAD = 0.05
"""A MAD over this share of the median is reported as noise."""
NOISY_OUTLIERS = 0.10
"""A larger share of outliers is reported as noise."""
DRIFT = 0.05
"""A change of the median from the first to the second half of the runs, beyond this share of it, is reported as drift."""

_NORMAL_SCALE = 1.4826
"""Median absolute deviation to standard deviation, for normally distributed values."""
_CONFIDENCE = 0.95
_TAIL = 40
"""Each of the two tails that 95 % confidence leaves is one part in forty."""


class TimingStatistics(NamedTuple):
    """The runs in numbers, all times in the unit of the runs."""

    median: float
    p90: float
    p99: float
    ci95: tuple[float, float]
    """interval that holds the true median with at least 95 % confidence (order statistics, independent runs)"""
    minimum: float
    mean: float
    mad: float
    """median absolute deviation from the median, not scaled"""
    n: int
    outlier_share: float
    drift: float
    """relative change of the median from the first to the second half of the runs"""
    warnings: tuple[str, ...]


def quantile(ordered: Sequence[float], share: float) -> float:
    """The quantile of sorted values, by linear interpolation between neighbours (type 7 of Hyndman & Fan 1996)."""
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


def median_interval(ordered: Sequence[float]) -> tuple[tuple[float, float], float]:
    """A distribution-free confidence interval of the median of sorted values, and its coverage.

    [x(k), x(n + 1 - k)] holds the median with probability 1 - 2 P(B < k), B ~ Binomial(n, 1/2); the largest k that
    keeps 95 % is taken (Conover, Practical Nonparametric Statistics, 3.2). Fewer than six values cannot reach 95 %:
    then it is all of them, and the coverage says how little that is.
    """
    n = len(ordered)
    below, term, k = 0, 1, 0
    while (below + term) * _TAIL <= 2**n:
        below += term
        term = term * (n - k) // (k + 1)
        k += 1
    if not k:
        return (ordered[0], ordered[-1]), 1 - 2 / 2**n
    return (ordered[k - 1], ordered[n - k]), 1 - 2 * _ratio(below, n)


def _ratio(count: int, n: int) -> float:
    """count / 2**n for integers of any size."""
    shift = max(0, count.bit_length() - 60)
    return math.ldexp(count >> shift, shift - n)


def summarize(runs: Sequence[float]) -> TimingStatistics:
    """The statistics of runs in the order in which they were taken; there must be at least one."""
    assert runs, "no runs to summarize"
    ordered = sorted(runs)
    middle = median(ordered)
    mad = median([abs(run - middle) for run in ordered])
    interval, coverage = median_interval(ordered)
    outliers = sum(abs(run - middle) > OUTLIER_MADS * _NORMAL_SCALE * mad for run in runs) / len(runs) if mad else 0.0
    half = len(runs) // 2
    drift = median(runs[half:]) / median(runs[:half]) - 1 if half else 0.0
    warnings = []
    if coverage < _CONFIDENCE:
        warnings.append(f"only {len(runs)} runs: ci95 is their whole range and holds the median with {coverage:.0%}")
    if len(runs) < 100:
        warnings.append(f"p99 of {len(runs)} runs is no more than the slowest of them")
    if mad > NOISY_MAD * middle or outliers > NOISY_OUTLIERS:
        warnings.append(
            f"noisy: median absolute deviation {mad / middle:.1%} of the median, {outliers:.0%} of the runs are outliers"
        )
    if abs(drift) > DRIFT and _apart(sorted(runs[:half]), sorted(runs[half:])):
        warnings.append(f"drift: the second half of the runs took {drift:+.1%} of the first half's time")
    return TimingStatistics(
        median=middle,
        p90=quantile(ordered, 0.90),
        p99=quantile(ordered, 0.99),
        ci95=interval,
        minimum=ordered[0],
        mean=fmean(runs),
        mad=mad,
        n=len(runs),
        outlier_share=outliers,
        drift=drift,
        warnings=tuple(warnings),
    )


def _apart(first: Sequence[float], second: Sequence[float]) -> bool:
    """Whether the confidence intervals of two medians do not meet."""
    (low, high), _ = median_interval(first)
    (other_low, other_high), _ = median_interval(second)
    return high < other_low or other_high < low
