"""The statistics of timings, against worked examples, tables and simulation."""

import math
import random
from collections.abc import Callable
from statistics import median

import pytest

from plainnet.profiler.timing import FEW_RUNS, block_interval, quantile, summarize

Trace = Callable[[random.Random, int], list[float]]


def independent(rng: random.Random, n: int) -> list[float]:
    return [rng.lognormvariate(0, 0.05) for _ in range(n)]


def following(share: float) -> Trace:
    """Runs that follow their neighbours over `share` of the measurement, around a median of 1."""

    def trace(rng: random.Random, n: int) -> list[float]:
        keep = math.exp(-1 / (share * n))
        state, runs = rng.gauss(0, 1), []
        for _ in range(n):
            state = keep * state + math.sqrt(1 - keep * keep) * rng.gauss(0, 1)
            runs.append(math.exp(0.05 * state + 0.02 * rng.gauss(0, 1)))
        return runs

    return trace


def long_tailed(rng: random.Random, n: int) -> list[float]:
    """The median of 0.05 Pareto(2.5) + 0.95 - 0.05 (2^0.4 - 1) is 1."""
    return [1 + 0.05 * (rng.paretovariate(2.5) - 2 ** (1 / 2.5)) for _ in range(n)]


@pytest.mark.parametrize(
    "trace",
    [independent, long_tailed, following(0.002), following(0.01), following(0.03)],
    ids=["independent", "long tail", "following .2 %", "following 1 %", "following 3 %"],
)
def test_the_interval_holds_the_true_median_as_often_as_it_says(trace: Trace) -> None:
    rng = random.Random(1)
    found = [block_interval(trace(rng, 400)) for _ in range(400)]
    assert sum(low <= 1.0 <= high for low, high, _, _ in found) / 400 >= 0.925  # .95 less two standard errors


@pytest.mark.parametrize("trace", [following(0.1), following(0.3), following(1.0)], ids=[".1", ".3", "1"])
def test_where_the_interval_cannot_know_it_is_said(trace: Trace) -> None:
    """What changes as slowly as the measurement lasts is not seen by any interval from it: most of these are called disturbed,
    and those that are not hold the median more often than independent runs' intervals (a third)."""
    rng = random.Random(2)
    found = [(runs, summarize(runs)) for runs in (trace(rng, 400) for _ in range(200))]
    said = [any(w.startswith(("disturbed", "drift")) for w in summary.warnings) for _, summary in found]
    missed = [not summary.ci95[0] <= 1.0 <= summary.ci95[1] for _, summary in found]
    assert sum(missed) < 100
    assert sum(miss and not told for miss, told in zip(missed, said, strict=True)) / 200 < 0.15


def test_two_equal_measurements_agree() -> None:
    """Adjacent windows of one trace whose runs follow their neighbours: the intervals meet in nineteen of twenty cases."""
    rng = random.Random(3)
    meet = 0
    for _ in range(200):
        runs = following(0.02)(rng, 800)
        one, other = block_interval(runs[:400]), block_interval(runs[400:])
        meet += one.low <= other.high and other.low <= one.high
    assert meet / 200 >= 0.95


def test_the_interval_holds_the_median_of_its_runs_and_of_few_runs_is_all_of_them() -> None:
    rng = random.Random(4)
    for n in range(1, 60):
        runs = [rng.lognormvariate(0, 1) for _ in range(n)]
        found = block_interval(runs)
        assert found.low <= median(runs) <= found.high
        if n < FEW_RUNS:
            assert (found.low, found.high) == (min(runs), max(runs))
    assert block_interval([2.0] * 50)[:2] == pytest.approx((2.0, 2.0))


def test_quantile_interpolates_between_neighbours() -> None:
    assert quantile([10.0, 20.0, 30.0, 40.0, 50.0], 0.9) == pytest.approx(46.0)
    assert quantile([7.0], 0.99) == 7.0


def test_summary_of_known_runs() -> None:
    runs = [1.0, 2.0, 3.0, 4.0, 100.0]
    found = summarize(runs)
    assert (found.median, found.minimum, found.mean, found.mad, found.n) == (3.0, 1.0, 22.0, 1.0, 5)
    assert found.outlier_share == pytest.approx(0.2)
    assert any("only 5 runs" in warning for warning in found.warnings)
    assert any("p99" in warning for warning in found.warnings)


def test_quiet_runs_have_no_warning() -> None:
    rng = random.Random(0)
    found = summarize([10 + rng.uniform(-0.1, 0.1) for _ in range(200)])
    assert found.warnings == ()
    assert abs(found.drift) < 0.01


def test_drift_is_reported() -> None:
    found = summarize([10 + 0.02 * k for k in range(200)])
    assert found.drift == pytest.approx(2 / 11, rel=0.05)
    assert any(warning.startswith("drift") for warning in found.warnings)


def test_noise_is_reported() -> None:
    rng = random.Random(0)
    found = summarize([rng.uniform(5, 15) for _ in range(200)])
    assert any(warning.startswith("noisy") for warning in found.warnings)


def test_one_run_is_a_summary_too() -> None:
    found = summarize([4.0])
    assert (found.median, found.p99, found.ci95, found.drift) == (4.0, 4.0, (4.0, 4.0), 0.0)
