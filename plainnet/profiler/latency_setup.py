"""What a latency is measured with: a copy of the module on a device, in a type and layout, and arguments for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from time import perf_counter

import torch
from torch import Tensor, nn

from plainnet.errors import UsageError, nearest
from plainnet.network.counting.module_inputs import ModuleInputs
from plainnet.network.undisturbed import evaluation_mode, private_copy, restored_module, restored_state

__all__ = [
    "DTYPES",
    "ReadyModule",
    "arguments_on",
    "device_of",
    "dtype_of",
    "first_line",
    "ready_module",
    "timed_call",
    "working_module",
]

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16, "float64": torch.float64}
"""The types that a network can be timed in, by name."""


@dataclass(frozen=True)
class ReadyModule:
    """What runs, on which arguments, and what there is to note."""

    module: nn.Module
    given: ModuleInputs
    device: torch.device
    dtype: torch.dtype
    """of the floating-point arguments"""
    notes: list[str]


@contextmanager
def ready_module(
    module: nn.Module,
    given: ModuleInputs,
    *,
    device: str | torch.device | None,
    dtype: str | torch.dtype | None,
    threads: int | None,
    channels_last: bool,
) -> Iterator[ReadyModule]:
    """A copy of a module in evaluation mode without gradients, and its arguments, on a device and in a type (None: its own).
    Afterwards torch's threads, grad mode and random generators are as they were, and so is a module that cannot be copied.

    Raises `UsageError` for a device, type or layout that cannot be had.
    """
    example = next(iter([*module.parameters(), *module.buffers()]), torch.empty(0))
    first_float = next((p for p in module.parameters() if p.is_floating_point()), torch.empty(0))
    where, kind = device_of(device, example.device), dtype_of(dtype, first_float.dtype)
    cast = None if dtype is None else kind
    if channels_last and (given.shape is None or len(given.shape) != 4):
        axes = "own inputs" if given.shape is None else f"one of {len(given.shape)} axes"
        raise UsageError(f"channels_last needs an input (N, C, H, W), not {axes}")
    with ExitStack() as stack:
        stack.enter_context(restored_state(device=where, threads=threads))
        working, notes = working_module(module, where, cast, channels_last)
        stack.enter_context(evaluation_mode(working))
        if working is module:
            stack.enter_context(restored_module(module))
        yield ReadyModule(working, arguments_on(given, where, cast, channels_last), where, kind, notes)


def device_of(device: str | torch.device | None, default: torch.device) -> torch.device:
    try:
        where = default if device is None else torch.device(device)
        torch.empty(0, device=where)
    except Exception as error:  # torch raises RuntimeError, AssertionError or NotImplementedError
        raise UsageError(f"device {str(device)!r} cannot be used: {first_line(error)}") from error
    if where.type == "meta":
        raise UsageError("nothing is computed on the meta device, so there is no latency; accepted: cpu, cuda, ...")
    return where


def dtype_of(dtype: str | torch.dtype | None, default: torch.dtype) -> torch.dtype:
    if dtype is None:
        return default
    name = str(dtype).removeprefix("torch.")
    if name not in DTYPES:
        near = nearest(name, DTYPES)
        hint = f"; did you mean {near}?" if near else ""
        raise UsageError(f"dtype {name!r} is not known; accepted: {', '.join(DTYPES)}{hint}")
    return DTYPES[name]


def working_module(
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


def arguments_on(
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


def timed_call(module: nn.Module, given: ModuleInputs, device: torch.device) -> Callable[[], float]:
    """A function that runs the module once and returns the seconds that it took: between two events on CUDA, otherwise by the
    clock, which waits for an accelerator.
    """
    if device.type == "cuda":
        return partial(_between_events, module, given, device)
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


def _between_events(module: nn.Module, given: ModuleInputs, device: torch.device) -> float:
    """Seconds of the device's own clock, from an idle stream to the end of what the module put into it. Where kernels wait for
    Python that counts, too; the way back to Python does not.
    """
    stream = torch.cuda.current_stream(device)
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
    torch.cuda.synchronize(device)
    begin.record(stream)
    module(*given.args, **given.kwargs)
    end.record(stream)
    end.synchronize()
    return float(begin.elapsed_time(end)) / 1000


def first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:300]
