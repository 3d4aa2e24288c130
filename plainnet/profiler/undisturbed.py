"""Working with a user's module without leaving a trace in it, or in torch's global state."""

from __future__ import annotations

import copy
import random
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn

from plainnet.errors import UsageError

__all__ = ["checked_shape", "evaluation_mode", "private_copy", "restored_state"]


def checked_shape(input_shape: Sequence[int]) -> tuple[int, ...]:
    """The shape of an input as positive integers; `UsageError` if it is none."""
    shape = tuple(input_shape)
    if any(not isinstance(size, int) or size < 1 for size in shape):
        raise UsageError(f"input_shape is {shape}; accepted: positive integers, the batch first: (N, C, H, W)")
    return shape


@contextmanager
def restored_state(*, device: torch.device | None = None, threads: int | None = None) -> Iterator[None]:
    """Run without gradients and with `threads` threads; afterwards the thread count, the grad mode and the random
    generators of torch, of Python and (if loaded) of NumPy are as they were.
    """
    python_state, numpy = random.getstate(), sys.modules.get("numpy")
    numpy_state: Any = numpy.random.get_state() if numpy is not None else None
    threads_before = torch.get_num_threads()
    with ExitStack() as stack:
        stack.callback(random.setstate, python_state)
        if numpy is not None:
            stack.callback(numpy.random.set_state, numpy_state)
        stack.enter_context(_forked_generators(device))
        if threads is not None and threads != threads_before:
            stack.callback(torch.set_num_threads, threads_before)
            torch.set_num_threads(threads)
        stack.enter_context(torch.no_grad())
        yield


def _forked_generators(device: torch.device | None) -> Any:
    if device is None or device.type not in ("cuda", "xpu"):
        return torch.random.fork_rng(devices=[])
    return torch.random.fork_rng(devices=[device.index or 0], device_type=device.type)


@contextmanager
def evaluation_mode(module: nn.Module) -> Iterator[None]:
    """The module in evaluation mode; afterwards every part of it is in the mode that it was in."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training


def private_copy(module: nn.Module) -> nn.Module | None:
    """A deep copy of a module, which may be changed at will; None if it cannot be copied."""
    try:
        return copy.deepcopy(module)
    except Exception:  # a user's module may refuse in any way it likes
        return None
