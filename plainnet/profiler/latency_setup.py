"""What a latency is measured with: a copy of the module on a device, in a type and layout, and arguments for it."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

import torch
from torch import Tensor, nn

from plainnet.errors import UsageError, nearest
from plainnet.network.counting.module_inputs import ModuleInputs
from plainnet.network.undisturbed import private_copy

__all__ = ["DTYPES", "arguments_on", "device_of", "dtype_of", "first_line", "timed_call", "working_module"]

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16, "float64": torch.float64}
"""The types that a network can be timed in, by name."""


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


def first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:300]
