"""Runs of a module until they can be trusted: a warm-up that settles, then as many as time and precision ask for."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from statistics import median
from time import perf_counter, thread_time

from plainnet.profiler.timing import block_interval

__all__ = ["STABLE", "WARM_UP_SHARE", "collect_runs", "half_width"]

MAX_RUNS = 10_000
PRECISION_RUNS = 30
"""Fewer runs are not asked whether they are precise enough."""
WARM_UP_SHARE = 0.4
"""Warm-up ends at this share of the budget, stable or not."""
STABLE = 0.05
"""Warm-up is over when the medians of two windows of runs in a row differ by less than this share."""
_WINDOW_RUNS = 5
_WINDOW_SHARE = 0.03


def half_width(times: Sequence[float]) -> float:
    """How far the interval of the median reaches, as a share of the median."""
    low, high, _, _ = block_interval(times)
    middle = median(times)
    return max(high / middle - 1, 1 - low / middle)


def collect_runs(
    run: Callable[[], float], seconds: float, precision: float | None
) -> tuple[int, list[float], bool, float]:
    """Warm up, then measure until the budget is used up: (warm-up runs, times, whether the warm-up settled, share of the time in
    which this thread ran).
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        start = perf_counter()
        warmup, settled = _warm_up(run, seconds)
        times: list[float] = []
        look_at = PRECISION_RUNS
        opened, ran = perf_counter(), thread_time()
        while not times or (perf_counter() - start < seconds and len(times) < MAX_RUNS):
            times.append(run())
            if precision is not None and len(times) >= look_at:
                if half_width(times) <= precision:
                    break
                look_at = len(times) * 3 // 2
        share = min(1.0, (thread_time() - ran) / max(perf_counter() - opened, 1e-9))
        return warmup, times, settled, share
    finally:
        if collecting:
            gc.enable()


def _warm_up(run: Callable[[], float], seconds: float) -> tuple[int, bool]:
    """Run windows of at least five runs until two medians in a row agree; (runs made, whether they agreed)."""
    start, made, before = perf_counter(), 0, 0.0
    while True:
        window: list[float] = []
        opened = perf_counter()
        while len(window) < _WINDOW_RUNS or perf_counter() - opened < _WINDOW_SHARE * seconds:
            if perf_counter() - start > WARM_UP_SHARE * seconds:
                return made, False
            window.append(run())
            made += 1
        now = median(window)
        if before and abs(now - before) <= STABLE * before:
            return made, True
        before = now
