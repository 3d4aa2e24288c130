"""What one step of training costs: forward and backward with the mean of the outputs as the loss, and the most memory of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from plainnet.errors import UsageError
from plainnet.network.undisturbed import private_copy, restored_state
from plainnet.profiler.latency import measure_latency
from plainnet.profiler.live_memory import LiveMemory
from plainnet.results.numbers import byte_text
from plainnet.results.result import Result, View

__all__ = ["StepCost", "measure_step"]

WARM_UP = 2
FEWEST = 3
"""Runs that are measured at least."""


@dataclass(frozen=True)
class StepCost(Result):
    """Medians in milliseconds for a batch, and the most bytes that one step of training holds at once: weights, gradients and
    activations. `peak_is` says how that was found.
    """

    forward_ms: float
    forward_backward_ms: float
    training_peak_bytes: int
    peak_is: str
    threads: int
    device_name: str

    def as_dict(self) -> dict[str, Any]:
        """All fields, ready for JSON."""
        return asdict(self)

    def records(self) -> list[Mapping[str, Any]]:
        """One record, of all fields."""
        return [self.as_dict()]

    def view(self) -> View:
        """The times and the memory, and where they were measured."""
        threads = f"{self.threads} thread{'' if self.threads == 1 else 's'}"
        return View(
            [
                ("on", f"{self.device_name}, {threads}"),
                ("forward", f"{self.forward_ms:.4g} ms"),
                ("and backward", f"{self.forward_backward_ms:.4g} ms, both together"),
                ("peak", f"{byte_text(self.training_peak_bytes)}  ({self.peak_is})"),
            ]
        )


def measure_step(
    module: nn.Module, shape: Sequence[int], *, device: str = "cpu", seconds: float = 1.0, threads: int | None = None
) -> StepCost:
    """Measure a copy of a module on random input of `shape`, (N, C, H, W): forward under no_grad, forward and backward in
    training mode with the mean of the output as the loss, and the peak of the memory of one such step.

    On the CPU the peak is that of what torch's operators put out, counted as they run; on CUDA it is the allocator's. Raises
    `UsageError` where the module does not run on this input.
    """
    forward = measure_latency(module, shape, device=device, seconds=seconds, threads=threads)
    where = torch.device(device)
    with restored_state(device=where, threads=threads), torch.enable_grad():
        working = private_copy(module)
        if working is None:
            raise UsageError("the module cannot be copied, and a step of training would change it")
        working = working.to(where).train()
        images = torch.randn(*shape, device=where)
        try:
            step = _step(working, images, where)
            times = _timed(step, seconds)
            peak, how = _peak(working, step, images, where)
        except (RuntimeError, ValueError) as error:  # such as a batch norm over one value
            raise UsageError(f"no step of training runs on {list(shape)}: {str(error).splitlines()[0]}") from error
    return StepCost(forward.median_ms, 1000 * median(times), peak, how, forward.threads, forward.device_name)


def _step(module: nn.Module, images: Tensor, where: torch.device) -> Any:
    def step() -> None:
        module.zero_grad(set_to_none=True)
        outputs = [out for out in tree_leaves(module(images)) if isinstance(out, Tensor)]
        loss = torch.stack([out.mean() for out in outputs]).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        if where.type == "cuda":
            torch.cuda.synchronize(where)

    return step


def _timed(step: Any, seconds: float) -> list[float]:
    for _ in range(WARM_UP):
        step()
    times, end = list[float](), perf_counter() + seconds
    while len(times) < FEWEST or perf_counter() < end:
        start = perf_counter()
        step()
        times.append(perf_counter() - start)
    return times


def _peak(module: nn.Module, step: Any, images: Tensor, where: torch.device) -> tuple[int, str]:
    module.zero_grad(set_to_none=True)
    if where.type == "cuda":
        torch.cuda.reset_peak_memory_stats(where)
        step()
        return torch.cuda.max_memory_allocated(where), "of the allocator"
    live = LiveMemory()
    live.hold([*module.parameters(), *module.buffers(), images])
    with live:
        step()
    return live.peak, "what torch's operators put out"
