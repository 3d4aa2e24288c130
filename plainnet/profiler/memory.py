"""Memory of any module, at inference and in training: a copy without contents runs once, and what is alive is added up.

    inference   weights and buffers + the most bytes of activations that are alive at once, the input among them
    training    weights and buffers + the most bytes that are alive at once from the input to the last gradient: activations,
                what autograd keeps for the backward pass, gradients; and on top of it the states of the optimizer

The order is that in which torch executes the module's own code, and a tensor lives as long as that code holds it. What a kernel
allocates and gives back (workspaces) and what the allocator rounds up are not in it.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._pytree import tree_leaves

from plainnet.errors import UsageError
from plainnet.network.counting.module_inputs import ModuleInputs, module_inputs
from plainnet.network.undisturbed import evaluation_mode, private_copy, restored_state
from plainnet.profiler.latency_setup import dtype_of, first_line
from plainnet.profiler.live_memory import LiveMemory, saved_for_backward, storages_of
from plainnet.profiler.measured_view import memory_lines
from plainnet.results.result import Result, View
from plainnet.results.tables import Table

__all__ = ["OPTIMIZER_STATES", "Memory", "measure_memory"]

OPTIMIZER_STATES = {"sgd": 0, "sgd_momentum": 1, "adam": 2}
"""Copies of the trainable weights that an optimizer keeps."""


@dataclass(frozen=True)
class Memory(Result):
    """Bytes."""

    weight_bytes: int
    buffer_bytes: int
    activation_peak_bytes: int
    """at inference: the most that is alive at once beside weights and buffers, the input included"""
    inference_bytes: int
    """weights, buffers and that"""
    saved_bytes: int | None
    """what autograd keeps for the backward pass, weights left out; None where no gradient flows"""
    gradient_bytes: int | None
    training_peak_bytes: int | None
    """weights, buffers and the most that is alive at once from the input to the last gradient, without an optimizer's states"""
    optimizer_bytes: Mapping[str, int] | None
    """the states of optimizers by name, on top of that"""
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "notes": list(self.notes)}

    def records(self) -> list[Mapping[str, Any]]:
        """A record for each amount of bytes: what of (the states of an optimizer by its name), and how many (None where they were
        not measured).
        """
        said = {name: value for name, value in self.as_dict().items() if name not in ("notes", "optimizer_bytes")}
        states = {f"optimizer_bytes.{name}": size for name, size in (self.optimizer_bytes or {}).items()}
        return [{"of": name, "bytes": size} for name, size in {**said, **states}.items()]

    def view(self) -> View:
        """Bytes at inference and in training in words, then each amount."""
        rows = [
            [str(each["of"]), "not measured" if each["bytes"] is None else f"{each['bytes']:,}"]
            for each in self.records()
        ]
        return View(memory_lines(self.as_dict()), [Table(["of", "bytes"], rows)])


def measure_memory(
    module: nn.Module,
    input_shape: Sequence[int] | None = None,
    *,
    inputs: Sequence[Any] | None = None,
    kwargs: Mapping[str, Any] | None = None,
    training: bool = True,
    dtype: str | torch.dtype | None = None,
) -> Memory:
    """The memory of a module for a batch of `input_shape`, or for arguments as `measure_latency` takes them.

    dtype: of the floating-point weights and inputs; as they are by default.
    training: also run backward from the sum of all outputs, which are held meanwhile. Nothing is computed where the module runs
    without contents (torch's fake tensors); otherwise a copy runs on the CPU, and a note says so. The module is left as
    found. Raises `UsageError` if it does not run, or cannot be copied.
    """
    given = module_inputs(module, input_shape, inputs, kwargs)
    working = private_copy(module)
    if working is None:
        raise UsageError(
            f"{type(module).__name__} cannot be copied, so its memory cannot be measured without a trace in it"
        )
    if dtype is not None:
        kind = dtype_of(dtype, torch.float32)
        working.to(dtype=kind)
        given = given.mapped(lambda tensor: tensor.to(kind) if tensor.is_floating_point() else tensor)
    try:
        fake = FakeTensorMode()
        copied, without = _fake_copy(working, fake), _fake_arguments(given, working, fake)
        return _measured(copied, without, fake, training=training)
    except Exception as error:  # a forward may need contents
        notes = (f"it was run with data, as it does not run without: {first_line(error)}",)
    device = torch.device("cpu")
    try:
        found = _measured(working.to(device), given.on(device), nullcontext(), training=training)
    except Exception as error:  # whatever the user's forward raises
        raise UsageError(f"the module does not run on {given}: {first_line(error)}") from error
    return replace(found, notes=(*notes, *found.notes))


def _measured(module: nn.Module, given: ModuleInputs, mode: Any, *, training: bool) -> Memory:
    """The memory of a module that may be used up; it runs within `mode`."""
    weights, buffers = list(module.parameters()), list(module.buffers())
    outside = [*weights, *buffers]
    with restored_state():
        with evaluation_mode(module):
            peak, notes = _inference_peak(module, given, mode, outside)
        trainable = [weight for weight in weights if weight.requires_grad]
        trained = _training(module, given, mode, outside) if training and trainable else None
    weight_bytes, buffer_bytes = _bytes(weights), _bytes(buffers)
    gradients = None if trained is None else _bytes(trainable)
    return Memory(
        weight_bytes=weight_bytes,
        buffer_bytes=buffer_bytes,
        activation_peak_bytes=peak,
        inference_bytes=weight_bytes + buffer_bytes + peak,
        saved_bytes=None if trained is None else trained[0],
        gradient_bytes=gradients,
        training_peak_bytes=None if trained is None else weight_bytes + buffer_bytes + trained[1],
        optimizer_bytes=None if gradients is None else {name: n * gradients for name, n in OPTIMIZER_STATES.items()},
        notes=notes,
    )


def _fake_copy(module: nn.Module, mode: FakeTensorMode) -> nn.Module:
    """A copy whose tensors have a device, a type and a shape, and no contents; shared ones stay shared."""
    memo: dict[int, Any] = {}
    for tensor in {id(value): value for part in module.modules() for value in _own_tensors(part)}.values():
        fake = mode.from_tensor(tensor.detach())
        memo[id(tensor)] = nn.Parameter(fake, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else fake
    return copy.deepcopy(module, memo)


def _own_tensors(part: nn.Module) -> list[Tensor]:
    values = [*part._parameters.values(), *part._buffers.values(), *vars(part).values()]
    return [value for value in values if isinstance(value, Tensor)]


def _fake_arguments(given: ModuleInputs, module: nn.Module, mode: FakeTensorMode) -> ModuleInputs:
    device = next((tensor.device for tensor in [*module.parameters(), *module.buffers()]), torch.device("cpu"))

    def faked(tensor: Tensor) -> Tensor:
        with mode:
            return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device=device)

    return given.mapped(faked)


def _bytes(tensors: Sequence[Tensor]) -> int:
    return sum(storage.nbytes() for storage in storages_of(tensors).values())


def _inference_peak(
    module: nn.Module, given: ModuleInputs, mode: Any, outside: list[Tensor]
) -> tuple[int, tuple[str, ...]]:
    """The most bytes that are alive, and what is to be said of them."""
    live = LiveMemory(outside=outside)
    live.hold(tree_leaves((given.args, given.kwargs)))
    with torch.no_grad(), mode, live:
        module(*given.args, **given.kwargs)
    notes = [f"what {name} holds while it runs is not counted at inference" for name in sorted(live.unseen)]
    return live.peak, tuple(notes)


def _training(module: nn.Module, given: ModuleInputs, mode: Any, outside: list[Tensor]) -> tuple[int, int] | None:
    """Bytes saved for the backward pass, and the most that is alive beside weights; None where nothing is to be trained."""
    module.train()
    with torch.enable_grad(), mode:
        with saved_for_backward(outside) as saved:
            output = module(*given.args, **given.kwargs)
            saved_bytes = sum(saved.values())
        if _loss(output) is None:
            return None
        del output
        live = LiveMemory(outside=outside)
        live.hold(tree_leaves((given.args, given.kwargs)))
        with live:
            output = module(*given.args, **given.kwargs)
            loss = _loss(output)
            assert loss is not None
            loss.backward()  # type: ignore[no-untyped-call]
            del output
    return saved_bytes, live.peak


def _loss(output: Any) -> Tensor | None:
    """The sum of all outputs that a gradient flows into."""
    parts = [value for value in tree_leaves(output) if isinstance(value, Tensor) and value.requires_grad]
    total = None
    for part in parts:
        total = part.sum() if total is None else total + part.sum()
    return total
