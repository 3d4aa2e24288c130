"""The statistics of timings, against worked examples, tables and simulation."""

import random

import pytest

from plainnet.profiler.timing import median_interval, quantile, summarize


@pytest.mark.parametrize(
    ("n", "k"),
    [(6, 1), (8, 1), (9, 2), (11, 2), (12, 3), (15, 4), (20, 6), (25, 8), (30, 10), (50, 18), (100, 40)],
)
def test_median_interval_is_the_tabled_one(n: int, k: int) -> None:
    # k of Conover's and Zar's tables for the sign test at 95 %
    (low, high), coverage = median_interval(list(range(1, n + 1)))
    assert (low, high) == (k, n + 1 - k)
    assert coverage >= 0.95


def test_median_interval_of_few_values_says_what_it_covers() -> None:
    interval, coverage = median_interval([1.0, 2.0, 3.0])
    assert interval == (1.0, 3.0)
    assert coverage == pytest.approx(0.75)


def test_median_interval_is_exact_for_thousands_of_values() -> None:
    n = 10_000
    (low, high), coverage = median_interval(list(range(1, n + 1)))
    assert 0.95 <= coverage < 0.9515
    # normal approximation: n/2 -+ 1.96 sqrt(n)/2
    assert low == pytest.approx(n / 2 - 0.98 * n**0.5, abs=1.5)
    assert high == n + 1 - low


def test_the_interval_holds_the_median_as_often_as_it_says() -> None:
    rng = random.Random(1)
    held = 0
    for _ in range(2000):
        low, high = median_interval(sorted(rng.lognormvariate(0, 1) for _ in range(40)))[0]
        held += low <= 1.0 <= high
    assert 0.94 < held / 2000 < 0.99


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
