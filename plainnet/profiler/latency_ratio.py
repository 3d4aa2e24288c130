"""Two networks that run in turn, and by how much one is slower than the other.

Whatever disturbs a machine for a while disturbs both, so their quotient knows more than two measurements one after the other: of
equal networks measured so, half of the intervals held no 1; in turn, 19 of 20 hold it. A difference counts only where the whole
interval lies on one side of 1.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from time import perf_counter
from typing import Any

import torch
from torch import nn

from plainnet.errors import UsageError
from plainnet.network.counting.module_inputs import ModuleInputs, module_inputs
from plainnet.network.undisturbed import restored_state
from plainnet.profiler.latency_setup import arguments_on, device_of, dtype_of, first_line, timed_call, working_module
from plainnet.profiler.measured_view import ratio_text
from plainnet.profiler.timing import BLOCKS, log_interval
from plainnet.results.result import Result, View
from plainnet.results.tables import Table

__all__ = ["ComparedLatencies", "LatencyRatio", "compare_latencies", "interleaved", "ratio_of"]

WARM_UP_SHARE = 0.2
"""Of the time, for calls that are not counted."""
BURST = 3
"""Calls of a network in a row, of which the first is not counted: it finds the caches as the other network left them."""


@dataclass(frozen=True)
class LatencyRatio:
    """The latency of a network over that of another one that ran in turn with it."""

    ratio: float
    """above 1: slower than the other"""
    ci95: tuple[float, float]

    @property
    def tells_apart(self) -> bool:
        """Whether the whole interval lies on one side of 1."""
        return not self.ci95[0] <= 1 <= self.ci95[1]

    def as_dict(self) -> dict[str, Any]:
        return {"ratio": self.ratio, "ci95": list(self.ci95), "tells_apart": self.tells_apart}


def ratio_of(blocks: Sequence[Sequence[float]], others: Sequence[Sequence[float]]) -> LatencyRatio:
    """The quotient of two networks, from the medians of blocks of runs in which they ran in turn."""
    quotients = [median(times) / median(theirs) for times, theirs in zip(blocks, others, strict=True)]
    low, high = log_interval(quotients)
    middle = median(quotients)
    return LatencyRatio(middle, (min(low, middle), max(high, middle)))


def interleaved(
    makes: Sequence[Callable[[], Callable[[], object]]],
    *,
    seconds: float,
    clock: Callable[[], float] = perf_counter,
) -> list[list[list[float]]]:
    """For each network its runs by block: `BLOCKS` blocks, in each of which calls go round, every other time backwards.

    makes: what makes a call. Each block has calls of its own, made in another order, so that where their memory happens to lie is
    not taken for a property of the network. Each block goes round once at least, however long that takes.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        order = list(range(len(makes)))
        blocks = []
        for number in range(BLOCKS):
            made = {place: makes[place]() for place in (order if number % 2 else order[::-1])}
            blocks.append(_block([made[place] for place in order], seconds / BLOCKS, clock))
            del made
        return [[block[place] for block in blocks] for place in order]
    finally:
        if collecting:
            gc.enable()


def _block(calls: Sequence[Callable[[], object]], seconds: float, clock: Callable[[], float]) -> list[list[float]]:
    began, warm = clock(), 0
    while not warm or clock() - began < WARM_UP_SHARE * seconds:
        for call in calls:
            call()
        warm += 1
    times: list[list[float]] = [[] for _ in calls]
    order = list(range(len(calls)))
    while not times[0] or clock() - began < seconds:
        for place in order:
            calls[place]()
            for _ in range(BURST - 1):
                start = clock()
                calls[place]()
                times[place].append(clock() - start)
        order.reverse()
    return times


@dataclass(frozen=True)
class ComparedLatencies(Result):
    """The latencies of networks that ran in turn, and each over that of the first."""

    median_ms: tuple[float, ...]
    ratios: tuple[LatencyRatio | None, ...]
    """None for the first"""

    def as_dict(self) -> dict[str, Any]:
        ratios = [None if ratio is None else ratio.as_dict() for ratio in self.ratios]
        return {"median_ms": list(self.median_ms), "ratios": ratios}

    def records(self) -> list[Mapping[str, Any]]:
        """A record for each network: its number from 1, its median, its quotient with the first (None for that) and its ends."""
        return [
            {
                "network": number,
                "median_ms": median_ms,
                "ratio": None if ratio is None else ratio.ratio,
                "ci95_low": None if ratio is None else ratio.ci95[0],
                "ci95_high": None if ratio is None else ratio.ci95[1],
                "tells_apart": None if ratio is None else ratio.tells_apart,
            }
            for number, (median_ms, ratio) in enumerate(zip(self.median_ms, self.ratios, strict=True), 1)
        ]

    def view(self) -> View:
        """A row for each network: its median, and how many times that of the first one it is."""
        rows = [
            [f"#{number}", f"{median_ms:.4g}", "" if ratio is None else ratio_text(ratio.as_dict())]
            for number, (median_ms, ratio) in enumerate(zip(self.median_ms, self.ratios, strict=True), 1)
        ]
        return View((), [Table(["network", "median ms", "times #1, 95 % CI"], rows)])


def compare_latencies(
    modules: Sequence[nn.Module],
    shapes: Sequence[Sequence[int]],
    *,
    device: str | torch.device | None = None,
    dtype: str | torch.dtype | None = None,
    threads: int | None = 1,
    channels_last: bool = False,
    seconds: float = 10.0,
) -> ComparedLatencies:
    """Run modules in turn on random inputs of `shapes`, the batch first, and compare each with the first one.

    The arguments are as in `measure_latency`, but where nothing is said: the CPU, float32 and one thread. Copies are measured, as
    there; threads, generators and the modules are left as found. `UsageError` for a module that cannot be copied or does not run.
    """
    if len(modules) < 2 or len(modules) != len(shapes):
        raise UsageError(
            f"{len(modules)} modules and {len(shapes)} shapes; accepted: two modules or more, a shape for each"
        )
    where = device_of(device, torch.device("cpu"))
    kind = dtype_of(dtype, torch.float32)
    with restored_state(device=where, threads=threads):
        makes = []
        for module, shape in zip(modules, shapes, strict=True):
            given = arguments_on(module_inputs(module, shape, None, None), where, kind, channels_last)
            make = partial(_made, module, given, (where, kind, channels_last))
            try:
                make()()
            except UsageError:
                raise
            except Exception as error:  # whatever the user's forward raises
                raise UsageError(f"{type(module).__name__} does not run on {given}: {first_line(error)}") from error
            makes.append(make)
        times = interleaved(makes, seconds=seconds)
    ratios = (None, *(ratio_of(each, times[0]) for each in times[1:]))
    return ComparedLatencies(tuple(1000 * median(map(median, each)) for each in times), ratios)


def _made(module: nn.Module, given: ModuleInputs, how: tuple[torch.device, torch.dtype, bool]) -> Callable[[], float]:
    """A call of a new copy of a module."""
    working, _ = working_module(module, *how)
    if working is module:
        raise UsageError(f"{type(module).__name__} cannot be copied, so it cannot be measured in turn with another one")
    working.eval()
    return timed_call(working, given, how[0])
