"""Working with a user's module without leaving a trace in it, or in torch's global state."""

from __future__ import annotations

import copy
import random
import sys
import warnings
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from plainnet.errors import UsageError
from plainnet.network.module_copies import copied_module

__all__ = [
    "blank_module",
    "checked_shape",
    "evaluation_mode",
    "private_copy",
    "restored_module",
    "restored_state",
]


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
    """The module in evaluation mode; afterwards every part of it that has a mode (compiled ones may have none) is in the one
    that it was in.
    """
    modes = [(part, part.training) for part in module.modules() if hasattr(part, "training")]
    if any(training for _, training in modes):
        module.eval()
    try:
        yield
    finally:
        for part, training in modes:
            if part.training != training:  # setting is what takes time
                part.training = training


def private_copy(module: nn.Module) -> nn.Module | None:
    """A deep copy of a module, which may be changed at will; None if it cannot be copied."""
    try:
        with warnings.catch_warnings():  # of a copy that nobody asked for
            warnings.simplefilter("ignore")
            return copy.deepcopy(module, _sparse_copies(module))
    except Exception:  # a user's module may refuse in any way it likes
        return None


def _sparse_copies(module: nn.Module) -> dict[int, Any]:
    """Copies of the sparse tensors of a module by identity: torch cannot deep-copy all kinds of them."""
    memo: dict[int, Any] = {}
    for tensor in (value for part in module.modules() for value in _own_values(part)):
        if isinstance(tensor, Tensor) and tensor.layout != torch.strided and id(tensor) not in memo:
            content = tensor.detach().clone()
            memo[id(tensor)] = (
                nn.Parameter(content, requires_grad=tensor.requires_grad)
                if isinstance(tensor, nn.Parameter)
                else content
            )
    return memo


def blank_module(module: nn.Module) -> nn.Module | None:
    """A copy of a module whose tensors have shapes and no contents (on the meta device); None if there is no such copy.

    A deep copy that is told beforehand what each tensor becomes: shared tensors stay shared, and no data is copied.
    """
    try:
        memo: dict[int, Any] = {}
        parts = list(module.modules())
        for value in (value for part in parts for value in _own_values(part)):
            if isinstance(value, Tensor) and id(value) not in memo:
                memo[id(value)] = _blank(value)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return copied_module(module, parts, memo)
    except Exception:  # a user's module may refuse in any way it likes
        return None


def _own_values(part: nn.Module) -> list[Any]:
    return [*part._parameters.values(), *part._buffers.values(), *vars(part).values()]


def _blank(tensor: Tensor) -> Tensor:
    if tensor.layout != torch.strided or tensor.is_quantized:
        raise ValueError("a sparse or quantised tensor has no copy without contents")
    blank = torch.empty_like(tensor, device="meta", requires_grad=False)
    return nn.Parameter(blank, requires_grad=tensor.requires_grad) if isinstance(tensor, nn.Parameter) else blank


@contextmanager
def restored_module(module: nn.Module) -> Iterator[None]:
    """For a module that cannot be copied: afterwards its parts have the attributes, the tensors their contents, and lists,
    dicts and sets their members that they had.
    """
    held = [(vars(part), dict(vars(part))) for part in module.modules()]
    values = {id(value): value for _, before in held for value in before.values()}
    members = [(value, copy.copy(value)) for value in values.values() if type(value) in _CONTAINERS]
    tensors = {id(t): t for part in module.modules() for t in _own_values(part) if isinstance(t, Tensor)}
    contents = [(tensor, tensor.detach().clone()) for tensor in tensors.values()]
    try:
        yield
    finally:
        for namespace, before in held:
            namespace.clear()
            namespace.update(before)
        for container, before in members:
            container.clear()
            container.extend(before) if isinstance(container, list) else container.update(before)
        with torch.no_grad():
            for tensor, content in contents:
                if tensor.layout == torch.strided and not torch.equal(tensor, content):
                    tensor.copy_(content)


_CONTAINERS = (dict, OrderedDict, list, set)
