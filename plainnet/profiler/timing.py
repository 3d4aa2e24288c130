"""Statistics of repeated timings: what a set of milliseconds says, and how far to trust it. No torch here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean, median
from typing import NamedTuple

__all__ = [
    "BLOCKS",
    "MOST_PIECES",
    "BlockInterval",
    "TimingStatistics",
    "block_interval",
    "block_medians",
    "log_interval",
    "quantile",
    "summarize",
]

OUTLIER_MADS = 5.0
"""A run is an outlier if it lies further from the median than this many (normal-scaled) median absolute deviations."""
NOISY_MAD = 0.05
"""A MAD over this share of the median is reported as noise."""
NOISY_OUTLIERS = 0.10
"""A larger share of outliers is reported as noise."""
DRIFT = 0.05
"""A change of the median from the first to the second half of the runs, beyond this share of it, is reported as drift."""
BLOCKS = 10
"""Runs in a row are taken together in this many blocks."""
FEW_RUNS = 6
"""Fewer runs say nothing about how much a median would differ the next time."""
DISTURBED_SPREAD = 0.01
DISTURBED_CORRELATION = 0.4
"""Block medians that spread by more than the first share of them, and follow their neighbours by more than the second
(autocorrelation at lag one), are reported as a disturbed machine."""

_NORMAL_SCALE = 1.4826
"""Median absolute deviation to standard deviation, for normally distributed values."""
_T_975 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
"""The .975 quantile of Student's t for 1 to 9 degrees of freedom."""
_MOST_CORRELATION = 0.9
MOST_PIECES = len(_T_975) + 1
"""So many values `log_interval` takes at most."""


class TimingStatistics(NamedTuple):
    """The runs in numbers, all times in the unit of the runs."""

    median: float
    p90: float
    p99: float
    ci95: tuple[float, float]
    """95 % confidence interval of the median that this machine would show at other times, from the medians of blocks of runs"""
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


class BlockInterval(NamedTuple):
    """What the medians of blocks of runs say of the median."""

    low: float
    high: float
    spread: float
    """standard deviation of the logarithms of the block medians"""
    correlation: float
    """how much a block's median follows that of the block before: autocorrelation at lag one, 0 to 0.9"""


def block_interval(runs: Sequence[float]) -> BlockInterval:
    """A 95 % confidence interval of the median, from runs in the order in which they were taken.

    Runs in a row are alike: whatever disturbs one disturbs its neighbours, so n runs know less than n independent ones, and
    intervals from order statistics are too narrow (of pairs of equal measurements, a third to a half did not overlap).
    Here `BLOCKS` blocks in a row give one median each; the interval is Student's t interval of their logarithms y,
    mean(y) +- t s / sqrt(B) sqrt((1 + r) / (1 - r)), the last factor for blocks that follow one another (r: autocorrelation at
    lag one, corrected for its bias in short series). It holds the median of the runs. Under `FEW_RUNS` it is all of them.
    """
    count = min(BLOCKS, len(runs))
    if len(runs) < FEW_RUNS:
        return BlockInterval(min(runs), max(runs), 0.0, 0.0)
    logs = [math.log(value) for value in block_medians(runs, count)]
    center = fmean(logs)
    around = [value - center for value in logs]
    total = sum(value * value for value in around)
    spread = math.sqrt(total / (count - 1))
    follows = sum(one * other for one, other in pairwise(around)) / total if total else 0.0
    correlation = min(max((count * follows + 1) / (count - 3), 0.0), _MOST_CORRELATION)
    half = _T_975[count - 2] * spread / math.sqrt(count) * math.sqrt((1 + correlation) / (1 - correlation))
    middle = median(runs)
    return BlockInterval(
        min(middle, math.exp(center - half)), max(middle, math.exp(center + half)), spread, correlation
    )


def block_medians(runs: Sequence[float], count: int) -> list[float]:
    """The medians of `count` blocks of runs in a row."""
    edges = [len(runs) * k // count for k in range(count + 1)]
    return [median(runs[low:high]) for low, high in pairwise(edges)]


def log_interval(values: Sequence[float]) -> tuple[float, float]:
    """A 95 % confidence interval of what positive values spread around, by Student's t interval of their logarithms.

    For values that know nothing of each other: medians of processes that were started at different times, or quotients of two
    networks that ran in turn. Two values or more, `MOST_PIECES` at most.
    """
    logs = [math.log(value) for value in values]
    center, count = fmean(logs), len(logs)
    spread = math.sqrt(sum((value - center) ** 2 for value in logs) / (count - 1))
    half = _T_975[count - 2] * spread / math.sqrt(count)
    return math.exp(center - half), math.exp(center + half)


def summarize(runs: Sequence[float]) -> TimingStatistics:
    """The statistics of runs in the order in which they were taken; there must be at least one."""
    assert runs, "no runs to summarize"
    ordered = sorted(runs)
    middle = median(ordered)
    mad = median([abs(run - middle) for run in ordered])
    low, high, spread, correlation = block_interval(runs)
    outliers = sum(abs(run - middle) > OUTLIER_MADS * _NORMAL_SCALE * mad for run in runs) / len(runs) if mad else 0.0
    half = len(runs) // 2
    drift = median(runs[half:]) / median(runs[:half]) - 1 if half else 0.0
    warnings = []
    if len(runs) < FEW_RUNS:
        warnings.append(f"only {len(runs)} runs: ci95 is their whole range, and the median may lie outside")
    if len(runs) < 100:
        warnings.append(f"p99 of {len(runs)} runs is no more than the slowest of them")
    if mad > NOISY_MAD * middle or outliers > NOISY_OUTLIERS:
        warnings.append(
            f"noisy: median absolute deviation {mad / middle:.1%} of the median, {outliers:.0%} of the runs are outliers"
        )
    if half >= BLOCKS // 2 and abs(drift) > DRIFT and _apart(runs[:half], runs[half:]):
        warnings.append(f"drift: the second half of the runs took {drift:+.1%} of the first half's time")
    if spread > DISTURBED_SPREAD and correlation > DISTURBED_CORRELATION:
        warnings.append(
            f"disturbed: pieces of the measurement differ by {spread:.1%} and follow one another, so another measurement may "
            "differ by more than ci95; measure longer, or on a quieter machine"
        )
    return TimingStatistics(
        median=middle,
        p90=quantile(ordered, 0.90),
        p99=quantile(ordered, 0.99),
        ci95=(low, high),
        minimum=ordered[0],
        mean=fmean(runs),
        mad=mad,
        n=len(runs),
        outlier_share=outliers,
        drift=drift,
        warnings=tuple(warnings),
    )


def _apart(first: Sequence[float], second: Sequence[float]) -> bool:
    """Whether the medians of five blocks of one are all beyond those of the other: by chance once in 126."""
    one, other = (block_medians(runs, BLOCKS // 2) for runs in (first, second))
    return max(one) < min(other) or max(other) < min(one)
