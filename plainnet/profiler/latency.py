"""Latency: how long one forward pass takes, measured until it can be trusted, within a budget of seconds.

What is timed is one call from Python to the finished result: the module runs in evaluation mode without gradients on
inputs that are already on its device, and on accelerators the clock stops after a synchronisation. Runs are counted as
warm-up until their median no longer changes.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from statistics import median
from time import perf_counter, thread_time
from typing import Any

import torch
from torch import nn

from plainnet.errors import UsageError
from plainnet.network.counting.module_inputs import ModuleInputs, module_inputs
from plainnet.network.undisturbed import evaluation_mode, restored_module, restored_state
from plainnet.profiler.latency_setup import (
    DTYPES,
    arguments_on,
    device_of,
    dtype_of,
    first_line,
    timed_call,
    working_module,
)
from plainnet.profiler.machine import cpu_model
from plainnet.profiler.timing import block_interval, summarize

__all__ = ["DTYPES", "Latency", "measure_latency"]

MAX_RUNS = 10_000
PRECISION_RUNS = 30
"""Fewer runs are not asked whether they are precise enough."""
WARM_UP_SHARE = 0.4
"""Warm-up ends at this share of the budget, stable or not."""
STABLE = 0.05
"""Warm-up is over when the medians of two windows of runs in a row differ by less than this share."""
BUSY = 0.9
"""A smaller share of a core is reported: other processes took the rest."""
_WINDOW_RUNS = 5
_WINDOW_SHARE = 0.03


@dataclass(frozen=True)
class Latency:
    """The time of one forward pass in milliseconds for the whole batch, how sure it is, and what it was measured on."""

    median_ms: float
    p90_ms: float
    p99_ms: float
    ci95_ms: tuple[float, float]
    """95 % confidence interval of the median, from the medians of ten blocks of runs (`plainnet.profiler.timing`)"""
    min_ms: float
    mean_ms: float
    mad_ms: float
    """median absolute deviation from the median"""
    n: int
    """runs measured"""
    warmup_n: int
    """runs before them that were not counted"""
    outlier_share: float
    """share of runs further from the median than 5 scaled MADs"""
    drift: float
    """relative change of the median from the first to the second half of the runs"""
    core_share: float | None
    """share of the measured time in which the calling thread ran on a core; None on accelerators"""
    load: float | None
    """processes that wanted to run on the machine, on average over the minute before; None where the system does not say"""
    warnings: tuple[str, ...]
    """reasons to trust the figures less: noise, drift, few runs, a warm-up that did not settle"""
    input_shape: Any
    """the shape; for arguments of the caller's own `inputs` and `kwargs` with their shapes"""
    batch: int | None
    """images at once; None for arguments of the caller's own"""
    device: str
    device_name: str
    dtype: str
    memory_layout: str
    """"contiguous" or "channels_last"""
    threads: int
    torch: str
    cpu: str

    def as_dict(self) -> dict[str, Any]:
        """All fields, ready for JSON."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}


def measure_latency(
    module: nn.Module,
    input_shape: Sequence[int] | None = None,
    *,
    device: str | torch.device | None = None,
    dtype: str | torch.dtype | None = None,
    threads: int | None = None,
    channels_last: bool = False,
    seconds: float = 2.0,
    precision: float | None = None,
    inputs: Sequence[Any] | None = None,
    kwargs: Mapping[str, Any] | None = None,
) -> Latency:
    """Measure the forward pass of any module on random input of `input_shape`, the batch first: (N, C, H, W).

    device, dtype: where and in which type; those of the module's parameters by default.
    threads: torch's threads for one operation; as they are by default.
    channels_last: weights and input in NHWC layout (4-D input only).
    seconds: budget for warm-up and measurement together. At least one warm-up run and one measured run are made, so a
        module that is slower than the budget takes two runs.
    precision: end as soon as the interval of the median is within this share of it on both sides, 0.02 for 2 %; `seconds` are
        then the most that it may take, and a warning says where it was not reached.
    inputs, kwargs: instead of a shape, the arguments of the forward pass by position and by name; copies of them are on
        `device`, those with a fraction in `dtype` where it is given. Tensors on the meta device stand for random numbers,
        whole numbers for 0, bools for True.

    A copy of the module is measured; the module, torch's threads, the grad mode and all random generators are left as
    found. Raises `UsageError` if the module does not run on this input.
    """
    _check(seconds, threads, precision)
    example = next(iter([*module.parameters(), *module.buffers()]), torch.empty(0))
    first_float = next((p for p in module.parameters() if p.is_floating_point()), torch.empty(0))
    where = device_of(device, example.device)
    kind = dtype_of(dtype, first_float.dtype)
    given = module_inputs(module, input_shape, inputs, kwargs)
    _check_layout(given, channels_last=channels_last)
    with ExitStack() as stack:
        stack.enter_context(restored_state(device=where, threads=threads))
        working, notes = working_module(module, where, kind if dtype is not None else None, channels_last)
        stack.enter_context(evaluation_mode(working))
        if working is module:
            stack.enter_context(restored_module(module))
        cast = kind if dtype is not None or inputs is None else None
        run = timed_call(working, arguments_on(given, where, cast, channels_last), where)
        first = _first_run(run, f"{given} ({kind}, {where})")
        load = _load()
        warmup, times, settled, core_share = _collect(run, seconds - first, precision)
        used_threads = torch.get_num_threads()
    on_cpu = where.type == "cpu"
    notes += _doubts(settled=settled, core_share=core_share if on_cpu else 1.0)
    if precision is not None and (reached := _half_width(times)) > precision:
        notes.append(f"precision: {reached:.1%} on both sides and not {precision:.1%} after {seconds:g} s")
    return Latency(
        **_statistics(times, notes),
        warmup_n=1 + warmup,
        core_share=core_share if on_cpu else None,
        load=load,
        input_shape=given.shapes,
        batch=None if given.shape is None else given.shape[0] if given.shape else 1,
        device=str(where),
        device_name=cpu_model() if on_cpu else _accelerator_name(where),
        dtype=str(kind).removeprefix("torch."),
        memory_layout="channels_last" if channels_last else "contiguous",
        threads=used_threads,
        torch=torch.__version__,
        cpu=cpu_model(),
    )


def _first_run(run: Callable[[], float], on: str) -> float:
    try:
        return run()
    except Exception as error:  # whatever the user's forward raises
        raise UsageError(f"the module does not run on {on}: {first_line(error)}") from error


def _doubts(*, settled: bool, core_share: float) -> list[str]:
    """What a measurement suffered from."""
    found = []
    if not settled:
        found.append(f"warm-up: still changing by more than {STABLE:.0%} after {WARM_UP_SHARE:.0%} of the budget")
    if core_share < BUSY:
        found.append(f"busy machine: the measurement had a core for {core_share:.0%} of its time only")
    return found


def _check(seconds: float, threads: int | None, precision: float | None) -> None:
    if not seconds > 0:
        raise UsageError(f"seconds is {seconds}; accepted: a positive number")
    if precision is not None and not 0 < precision < 1:
        raise UsageError(f"precision is {precision}; accepted: a share between 0 and 1, such as 0.02")
    if threads is not None and threads < 1:
        raise UsageError(f"threads is {threads}; accepted: 1 or more")


def _check_layout(given: ModuleInputs, *, channels_last: bool) -> None:
    if channels_last and (given.shape is None or len(given.shape) != 4):
        axes = "own inputs" if given.shape is None else f"one of {len(given.shape)} axes"
        raise UsageError(f"channels_last needs an input (N, C, H, W), not {axes}")


def _statistics(times: Sequence[float], notes: Sequence[str]) -> dict[str, Any]:
    """The fields of a `Latency` that follow from the seconds of its runs."""
    found = summarize([1000 * time for time in times])
    return {
        "median_ms": found.median,
        "p90_ms": found.p90,
        "p99_ms": found.p99,
        "ci95_ms": found.ci95,
        "min_ms": found.minimum,
        "mean_ms": found.mean,
        "mad_ms": found.mad,
        "n": found.n,
        "outlier_share": found.outlier_share,
        "drift": found.drift,
        "warnings": (*notes, *found.warnings),
    }


def _load() -> float | None:
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):
        return None


def _half_width(times: Sequence[float]) -> float:
    """How far the interval of the median reaches, as a share of the median."""
    low, high, _, _ = block_interval(times)
    middle = median(times)
    return max(high / middle - 1, 1 - low / middle)


def _collect(run: Callable[[], float], seconds: float, precision: float | None) -> tuple[int, list[float], bool, float]:
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
                if _half_width(times) <= precision:
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


def _accelerator_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
