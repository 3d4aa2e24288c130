"""Latency: how long one forward pass takes, measured until it can be trusted, within a budget of seconds.

What is timed is one call from Python to the finished result: the module runs in evaluation mode without gradients on
inputs that are already on its device. On CUDA two events in its stream are the clock, and on other accelerators it stops after a
synchronisation. Runs are counted as warm-up until their median no longer changes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import nn

from plainnet.errors import UsageError
from plainnet.network.counting.module_inputs import module_inputs
from plainnet.platforms.platform import find_platform
from plainnet.profiler.latency_platform import check_int8, platform_call
from plainnet.profiler.latency_runs import STABLE, WARM_UP_SHARE, collect_runs, half_width
from plainnet.profiler.latency_setup import DTYPES, ReadyModule, first_line, ready_module, timed_call
from plainnet.profiler.machine import cpu_model
from plainnet.profiler.measured_view import inputs_text, latency_lines
from plainnet.profiler.timing import summarize
from plainnet.results.result import Result, View
from plainnet.results.tables import Table

__all__ = ["DTYPES", "TORCH", "Latency", "measure_latency"]

INT8 = "int8"
"""The type that is none of torch's for a whole network: a platform makes it."""
TORCH = "torch"
"""The platform that runs a module as it is."""
BUSY = 0.9
"""A smaller share of a core is reported: other processes took the rest."""


@dataclass(frozen=True)
class Latency(Result):
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
    platform: str = TORCH
    """what it ran on: torch, or another name of `plainnet.platforms`"""
    prepare_seconds: float | None = None
    """of the conversion for that, or the compilation, its first run included; None for torch"""
    packages: Mapping[str, str | None] = field(default_factory=dict)
    """versions of what the platform consists of"""

    def as_dict(self) -> dict[str, Any]:
        """All fields, ready for JSON."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    def records(self) -> list[Mapping[str, Any]]:
        """One record, of all fields: those of several measurements make a data frame."""
        return [self.as_dict()]

    def view(self) -> View:
        """What it was measured on, the figures, and what speaks against them."""
        said = self.as_dict()
        threads = f"{self.threads} thread{'' if self.threads == 1 else 's'}"
        lines = [
            ("input", f"{inputs_text(said['input_shape'])}, {self.dtype}, {self.memory_layout}"),
            ("on", f"{self.device_name}, {threads}, torch {self.torch}"),
            *latency_lines(said),
        ]
        columns = ["median ms", "mean ms", "least ms", "p90 ms", "p99 ms", "runs", "drift %", "outliers %"]
        times = (self.median_ms, self.mean_ms, self.min_ms, self.p90_ms, self.p99_ms)
        shares = (self.drift, self.outlier_share)
        row = [*(f"{each:.4g}" for each in times), f"{self.n:,}", *(f"{100 * each:.1f}" for each in shares)]
        return View(lines, [Table(columns, [row], left=0, drop=("outliers %", "drift %"))])


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
    platform: str = TORCH,
    inputs: Sequence[Any] | None = None,
    kwargs: Mapping[str, Any] | None = None,
) -> Latency:
    """Measure the forward pass of any module on random input of `input_shape`, the batch first: (N, C, H, W).

    device, dtype: where and in which type; those of the module's parameters by default. "int8" on a platform that quantises,
        with ranges as for the images that are measured: how long it takes, not how well it classifies.
    threads: torch's threads for one operation; as they are by default.
    channels_last: weights and input in NHWC layout (4-D input only).
    seconds: budget for warm-up and measurement together. At least one warm-up run and one measured run are made, so a
        module that is slower than the budget takes two runs.
    precision: end as soon as the interval of the median is within this share of it on both sides, 0.02 for 2 %; `seconds` are
        then the most that it may take, and a warning says where it was not reached.
    platform: what it runs on, by a name of `plainnet.platforms`: "onnxruntime", "torch.compile", ... It is made ready for exactly
        this input, in float32 on the CPU, which is timed apart (`prepare_seconds`).
    inputs, kwargs: instead of a shape, the arguments of the forward pass by position and by name; copies of them are on
        `device`, those with a fraction in `dtype` where it is given. Tensors on the meta device stand for random numbers,
        whole numbers for 0, bools for True.

    A copy of the module is measured; the module, torch's threads, the grad mode and all random generators are left as
    found. Raises `UsageError` if the module does not run on this input.
    """
    _check(seconds, threads, precision)
    int8 = _is_int8(dtype, platform)
    given = module_inputs(module, input_shape, inputs, kwargs)
    with ExitStack() as stack:
        ready = stack.enter_context(
            ready_module(
                module,
                given,
                device=device,
                dtype="float32" if int8 else dtype,
                threads=threads,
                channels_last=channels_last,
            )
        )
        where, kind, notes = ready.device, ready.dtype, ready.notes
        run, about = _call(stack, platform, ready, channels_last=channels_last, int8=int8)
        first = _first_run(run, f"{given} ({kind}, {where})")
        load = _load()
        warmup, times, settled, core_share = collect_runs(run, seconds - first, precision)
        used_threads = torch.get_num_threads()
    on_cpu = where.type == "cpu"
    notes += _doubts(settled=settled, core_share=core_share if on_cpu else 1.0)
    notes += _imprecise(times, precision, seconds)
    return Latency(
        **_statistics(times, notes),
        warmup_n=1 + warmup,
        core_share=core_share if on_cpu else None,
        load=load,
        input_shape=given.shapes,
        batch=None if given.shape is None else given.shape[0] if given.shape else 1,
        device=str(where),
        device_name=cpu_model() if on_cpu else _accelerator_name(where),
        dtype=INT8 if int8 else str(kind).removeprefix("torch."),
        memory_layout="channels_last" if channels_last else "contiguous",
        threads=used_threads,
        torch=torch.__version__,
        cpu=cpu_model(),
        **about,
    )


def _is_int8(dtype: str | torch.dtype | None, platform: str) -> bool:
    """Whether a platform is to compute in int8; `UsageError` where it does not."""
    asked = str(dtype).removeprefix("torch.") == INT8
    if asked:
        check_int8(find_platform(platform))
    return asked


def _call(
    stack: ExitStack,
    platform: str,
    network: ReadyModule,
    *,
    channels_last: bool,
    int8: bool,
) -> tuple[Callable[[], float], dict[str, Any]]:
    """What runs the module once and says how long it took; and what a `Latency` says about its platform."""
    if platform == TORCH:
        return timed_call(network.module, network.given, network.device), {}
    ready = stack.enter_context(
        platform_call(platform, network.module, network.given, channels_last=channels_last, int8=int8)
    )
    said = {"platform": platform, "prepare_seconds": ready.prepare_seconds, "packages": ready.platform.versions()}
    return ready.run, said


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


def _imprecise(times: Sequence[float], precision: float | None, seconds: float) -> list[str]:
    if precision is None or (reached := half_width(times)) <= precision:
        return []
    return [f"precision: {reached:.1%} on both sides and not {precision:.1%} after {seconds:g} s"]


def _check(seconds: float, threads: int | None, precision: float | None) -> None:
    if not seconds > 0:
        raise UsageError(f"seconds is {seconds}; accepted: a positive number")
    if precision is not None and not 0 < precision < 1:
        raise UsageError(f"precision is {precision}; accepted: a share between 0 and 1, such as 0.02")
    if threads is not None and threads < 1:
        raise UsageError(f"threads is {threads}; accepted: 1 or more")


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


def _accelerator_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
