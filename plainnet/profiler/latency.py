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
from torch import Tensor, nn

from plainnet.errors import UsageError, nearest
from plainnet.network.counting.module_inputs import ModuleInputs, module_inputs
from plainnet.network.undisturbed import evaluation_mode, private_copy, restored_module, restored_state
from plainnet.profiler.machine import cpu_model
from plainnet.profiler.timing import summarize

__all__ = ["DTYPES", "Latency", "measure_latency"]

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16, "float64": torch.float64}
"""The types that a network can be timed in, by name."""

MAX_RUNS = 10_000
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
    inputs: Sequence[Any] | None = None,
    kwargs: Mapping[str, Any] | None = None,
) -> Latency:
    """Measure the forward pass of any module on random input of `input_shape`, the batch first: (N, C, H, W).

    device, dtype: where and in which type; those of the module's parameters by default.
    threads: torch's threads for one operation; as they are by default.
    channels_last: weights and input in NHWC layout (4-D input only).
    seconds: budget for warm-up and measurement together. At least one warm-up run and one measured run are made, so a
        module that is slower than the budget takes two runs.
    inputs, kwargs: instead of a shape, the arguments of the forward pass by position and by name; copies of them are on
        `device`, those with a fraction in `dtype` where it is given. Tensors on the meta device stand for random numbers,
        whole numbers for 0, bools for True.

    A copy of the module is measured; the module, torch's threads, the grad mode and all random generators are left as
    found. Raises `UsageError` if the module does not run on this input.
    """
    _check(seconds, threads)
    example = next(iter([*module.parameters(), *module.buffers()]), torch.empty(0))
    first_float = next((p for p in module.parameters() if p.is_floating_point()), torch.empty(0))
    where = _device(device, example.device)
    kind = _dtype(dtype, first_float.dtype)
    given = module_inputs(module, input_shape, inputs, kwargs)
    _check_layout(given, channels_last=channels_last)
    with ExitStack() as stack:
        stack.enter_context(restored_state(device=where, threads=threads))
        working, notes = _working_module(module, where, kind if dtype is not None else None, channels_last)
        stack.enter_context(evaluation_mode(working))
        if working is module:
            stack.enter_context(restored_module(module))
        cast = kind if dtype is not None or inputs is None else None
        run = _timed_call(working, _arguments(given, where, cast, channels_last), where)
        try:
            first = run()
        except Exception as error:  # whatever the user's forward raises
            raise UsageError(f"the module does not run on {given} ({kind}, {where}): {_first_line(error)}") from error
        load = _load()
        warmup, times, settled, core_share = _collect(run, seconds - first)
        used_threads = torch.get_num_threads()
    on_cpu = where.type == "cpu"
    notes += _doubts(settled=settled, core_share=core_share if on_cpu else 1.0)
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


def _doubts(*, settled: bool, core_share: float) -> list[str]:
    """What a measurement suffered from."""
    found = []
    if not settled:
        found.append(f"warm-up: still changing by more than {STABLE:.0%} after {WARM_UP_SHARE:.0%} of the budget")
    if core_share < BUSY:
        found.append(f"busy machine: the measurement had a core for {core_share:.0%} of its time only")
    return found


def _check(seconds: float, threads: int | None) -> None:
    if not seconds > 0:
        raise UsageError(f"seconds is {seconds}; accepted: a positive number")
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


def _device(device: str | torch.device | None, default: torch.device) -> torch.device:
    try:
        where = default if device is None else torch.device(device)
        torch.empty(0, device=where)
    except Exception as error:  # torch raises RuntimeError, AssertionError or NotImplementedError
        raise UsageError(f"device {str(device)!r} cannot be used: {_first_line(error)}") from error
    if where.type == "meta":
        raise UsageError("nothing is computed on the meta device, so there is no latency; accepted: cpu, cuda, ...")
    return where


def _dtype(dtype: str | torch.dtype | None, default: torch.dtype) -> torch.dtype:
    if dtype is None:
        return default
    name = str(dtype).removeprefix("torch.")
    if name not in DTYPES:
        near = nearest(name, DTYPES)
        hint = f"; did you mean {near}?" if near else ""
        raise UsageError(f"dtype {name!r} is not known; accepted: {', '.join(DTYPES)}{hint}")
    return DTYPES[name]


def _working_module(
    module: nn.Module, device: torch.device, dtype: torch.dtype | None, channels_last: bool
) -> tuple[nn.Module, list[str]]:
    """A copy of the module as it is to be measured, and what there is to note."""
    working = private_copy(module)
    if working is not None:
        working.to(device=device, dtype=dtype)
        if channels_last:
            working.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return working, []
    tensors = [*module.parameters(), *module.buffers()]
    wrong_type = dtype is not None and any(t.dtype != dtype for t in tensors if t.is_floating_point())
    if channels_last or wrong_type or any(tensor.device != device for tensor in tensors):
        raise UsageError(
            "the module cannot be copied, so it cannot be measured on another device, dtype or layout than its own"
        )
    return module, ["the module cannot be copied: it was measured in place"]


def _arguments(
    given: ModuleInputs, device: torch.device, dtype: torch.dtype | None, channels_last: bool
) -> ModuleInputs:
    """Copies of the arguments on the device, filled where they had no contents."""
    generator = torch.Generator().manual_seed(0)

    def ready(tensor: Tensor) -> Tensor:
        kind = dtype if dtype is not None and tensor.is_floating_point() else tensor.dtype
        if tensor.device.type != "meta":
            return tensor.detach().to(device=device, dtype=kind, copy=True)
        if not tensor.is_floating_point():
            return (torch.ones if kind == torch.bool else torch.zeros)(tensor.shape, dtype=kind, device=device)
        value = torch.randn(tensor.shape, generator=generator).to(device=device, dtype=kind)
        return value.to(memory_format=torch.channels_last) if channels_last else value

    return given.mapped(ready)


def _timed_call(module: nn.Module, given: ModuleInputs, device: torch.device) -> Callable[[], float]:
    """A function that runs the module once and returns the seconds that it took."""
    on_cpu = device.type == "cpu"

    def run() -> float:
        if on_cpu:
            start = perf_counter()
            module(*given.args, **given.kwargs)
            return perf_counter() - start
        torch.accelerator.synchronize(device)
        start = perf_counter()
        module(*given.args, **given.kwargs)
        torch.accelerator.synchronize(device)
        return perf_counter() - start

    return run


def _load() -> float | None:
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):
        return None


def _collect(run: Callable[[], float], seconds: float) -> tuple[int, list[float], bool, float]:
    """Warm up, then measure until the budget is used up: (warm-up runs, times, whether the warm-up settled, share of the time in
    which this thread ran).
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        start = perf_counter()
        warmup, settled = _warm_up(run, seconds)
        times: list[float] = []
        opened, ran = perf_counter(), thread_time()
        while not times or (perf_counter() - start < seconds and len(times) < MAX_RUNS):
            times.append(run())
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


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:300]
