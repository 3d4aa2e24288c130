"""What the processor can do at most: arithmetic by a large matrix product, memory by a copy that no cache holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from statistics import median
from time import perf_counter, thread_time
from typing import Any

import torch

from plainnet.errors import UsageError
from plainnet.network.undisturbed import restored_state
from plainnet.profiler.latency_setup import DTYPES, dtype_of
from plainnet.profiler.machine import machine_record
from plainnet.results.result import Result, View

__all__ = ["Peaks", "measure_peaks"]

SIDE = 1024
"""Of the matrices: 2 * SIDE^3 operations on 3 * SIDE^2 elements."""
COPY_BYTES = 128 * 1024 * 1024
"""More than caches hold."""
NOISE = 0.2
"""A median that is this share slower than the best is reported."""


@dataclass(frozen=True)
class Peaks(Result):
    """The best that was reached, with so many threads in a type."""

    gflops: float
    """10^9 operations a second, a multiply-accumulate being two"""
    gbytes_per_second: float
    """10^9 bytes a second, read and written together"""
    dtype: str
    threads: int
    machine: Mapping[str, Any]
    notes: tuple[str, ...] = ()

    @property
    def ridge(self) -> float:
        """Operations for each byte from which on arithmetic is the bound."""
        return self.gflops / self.gbytes_per_second

    def as_dict(self) -> dict[str, Any]:
        return {"schema": "plainnet.machine/1", **asdict(self), "ridge": self.ridge, "notes": list(self.notes)}

    def records(self) -> list[Mapping[str, Any]]:
        return [{name: value for name, value in self.as_dict().items() if name not in ("machine", "notes")}]

    def view(self) -> View:
        cores = f"{self.machine['cpu']}, {self.machine['usable_cores']} of {self.machine['cores']} cores"
        how = f"{self.dtype}, {self.threads} thread{'' if self.threads == 1 else 's'}"
        lines = [
            ("machine", cores),
            ("with", f"torch {self.machine['torch']} on {self.machine['os']}"),
            ("arithmetic", f"{self.gflops:.1f} GFLOP/s  ({how}; the best of matrix products)"),
            ("memory", f"{self.gbytes_per_second:.1f} GB/s  (the best of copies, read and written)"),
            ("ridge", f"{self.ridge:.1f} operations a byte: below it a layer is bound by memory, above by arithmetic"),
        ]
        return View((*lines, *(("note:", note) for note in self.notes)))


def measure_peaks(*, threads: int = 1, dtype: str = "float32", seconds: float = 1.0) -> Peaks:
    """Measure the CPU for about `seconds` each. With one thread it is the CPU time of that thread, so that other processes do not
    count. torch's threads and generators are left as found.
    """
    if threads < 1:
        raise UsageError(f"threads is {threads}; accepted: 1 or more")
    if not seconds > 0:
        raise UsageError(f"seconds is {seconds}; accepted: a positive number")
    kind = dtype_of(dtype, torch.float32)
    clock = thread_time if threads == 1 else perf_counter
    with restored_state(threads=threads):
        a, b = (torch.rand(SIDE, SIDE).to(kind) for _ in range(2))
        out = torch.empty(SIDE, SIDE, dtype=kind)
        products = _times(lambda: torch.mm(a, b, out=out), clock, seconds)
        source = torch.zeros(COPY_BYTES, dtype=torch.uint8)
        target = torch.ones_like(source)
        copies = _times(lambda: target.copy_(source), clock, seconds)
    notes = [
        f"{name}: the median is {median(times) / min(times) - 1:.0%} slower than the best; something else ran"
        for name, times in (("arithmetic", products), ("memory", copies))
        if median(times) > (1 + NOISE) * min(times)
    ]
    return Peaks(
        gflops=2 * SIDE**3 / min(products) / 1e9,
        gbytes_per_second=2 * COPY_BYTES / min(copies) / 1e9,
        dtype=next(name for name, value in DTYPES.items() if value == kind),
        threads=threads,
        machine=dict(machine_record()),
        notes=tuple(notes),
    )


def _times(call: Any, clock: Any, seconds: float) -> list[float]:
    """The times of calls after two that are not counted, three at least."""
    call(), call()
    times: list[float] = []
    began = perf_counter()
    while len(times) < 3 or perf_counter() - began < seconds:
        start = clock()
        call()
        times.append(max(clock() - start, 1e-9))
    return times
