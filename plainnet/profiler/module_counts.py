"""Counts of any `nn.Module`, by operator: the module runs once without data, and every operator that torch executes is
counted from its shapes.

Nothing is hidden: an operator without a rule is named with its number of calls. The module itself is not touched: what
runs is a copy whose tensors have shapes and no contents (torch's meta device), or, where that is not possible, a copy
on the CPU.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from plainnet.errors import UsageError
from plainnet.profiler.operator_rules import OPERATION_COLUMNS, operator_cost, operator_name
from plainnet.profiler.undisturbed import checked_shape, evaluation_mode, private_copy, restored_state

__all__ = ["ModuleCounts", "OperatorCounts", "count_module"]


@dataclass(frozen=True)
class OperatorCounts:
    """What all calls of one operator cost together."""

    operator: str
    calls: int
    counted: bool
    """False if there is no rule for this operator: then all its counts are 0 and mean nothing"""
    macs: int = 0
    activations: int = 0
    convolutions: int = 0
    bias_ops: int = 0
    norm_ops: int = 0
    act_ops: int = 0
    pool_ops: int = 0
    add_ops: int = 0
    mul_ops: int = 0
    other_ops: int = 0


@dataclass(frozen=True)
class ModuleCounts:
    """What a module costs in one forward pass on its whole input (give a batch of 1 for counts per image).

    The columns mean what they mean for structures (`plainnet.blocks.counts`); `activations` are the elements that
    every operator with multiply-accumulates puts out.
    """

    params: int
    """learnable scalars; shared ones once"""
    trainable_params: int
    """those that require gradients"""
    buffers: int
    """scalars that are saved or kept but not learned, such as running means"""
    size_bytes: int
    """bytes of parameters and buffers in their own types"""
    macs: int
    activations: int
    convolutions: int
    bias_ops: int
    norm_ops: int
    act_ops: int
    pool_ops: int
    add_ops: int
    mul_ops: int
    other_ops: int
    """operations of other kinds: 1 per element of an elementwise operator's output or of a reduction's input"""
    input_shape: tuple[int, ...]
    output_shape: Any
    """the shape; for several outputs their shapes in the same tuples, lists or dicts"""
    operators: tuple[OperatorCounts, ...]
    """by operator, those with the most macs first"""
    notes: tuple[str, ...]

    @property
    def flops(self) -> int:
        """2 * macs."""
        return 2 * self.macs

    @property
    def uncounted(self) -> dict[str, int]:
        """The operators that could not be counted, and how often each was called."""
        return {row.operator: row.calls for row in self.operators if not row.counted}

    def as_dict(self) -> dict[str, Any]:
        """All fields and `flops` and `uncounted`, ready for JSON."""
        record = asdict(self) | {"flops": self.flops, "uncounted": self.uncounted}
        return record | {name: list(record[name]) for name in ("input_shape", "operators", "notes")}


def count_module(module: nn.Module, input_shape: Sequence[int], *, inputs: Sequence[Any] | None = None) -> ModuleCounts:
    """Count a module on an input of `input_shape`, the batch first: (N, C, H, W).

    inputs: the arguments of the forward pass, for modules that do not take one float tensor.
    Raises `UsageError` if the module does not run on this input.
    """
    shape = checked_shape(input_shape)
    dtype = next((p.dtype for p in module.parameters() if p.is_floating_point()), torch.get_default_dtype())
    arguments = tuple(inputs) if inputs is not None else (torch.empty(shape, dtype=dtype, device="meta"),)
    blank = _meta_copy(module)
    reason = "its tensors cannot be copied there"
    if blank is not None:
        try:
            return _count(blank, arguments, torch.device("meta"), shape, [])
        except Exception as error:  # whatever the forward raises on tensors without contents
            reason = _first_line(error)
    text = "x".join(map(str, shape))
    if any(tensor.device.type == "meta" for tensor in [*module.parameters(), *module.buffers()]):
        raise UsageError(f"the module does not run on an input of {text}: {reason}")
    working = private_copy(module)
    notes = [f"ran on the CPU, because it does not run on the meta device: {reason}"]
    if working is None:
        working, device = module, next((p.device for p in module.parameters()), torch.device("cpu"))
        notes = ["ran in place, because it cannot be copied"]
    else:
        working, device = working.to("cpu"), torch.device("cpu")
    try:
        return _count(working, arguments, device, shape, notes)
    except Exception as error:  # whatever the user's forward raises
        raise UsageError(f"the module does not run on an input of {text}: {_first_line(error)}") from error


class _Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up the costs of every operator that is executed."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.calls: dict[str, int] = {}
        self.costs: dict[str, dict[str, int]] = {}
        self.uncounted: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        name = operator_name(func)
        cost = operator_cost(func, args, kwargs, out)
        self.calls[name] = self.calls.get(name, 0) + 1
        if cost is None:
            self.uncounted.add(name)
        total = self.costs.setdefault(name, dict.fromkeys(OPERATION_COLUMNS, 0))
        for column, count in (cost or {}).items():
            total[column] += count
        return out

    def rows(self) -> tuple[OperatorCounts, ...]:
        rows = [
            OperatorCounts(name, calls, name not in self.uncounted, **self.costs[name])
            for name, calls in self.calls.items()
        ]
        return tuple(sorted(rows, key=lambda row: (-row.macs, -sum(self.costs[row.operator].values()), row.operator)))


def _count(
    module: nn.Module, arguments: tuple[Any, ...], device: torch.device, shape: tuple[int, ...], notes: list[str]
) -> ModuleCounts:
    """Run a module that may be used up, and gather the counts."""
    counter = _Counter()
    moved = [_on(value, device) for value in arguments]
    with restored_state(device=device), evaluation_mode(module), _every_operator_visible(), device, counter:
        output = module(*moved)
    rows = counter.rows()
    params = list(module.parameters())
    buffers = list({id(buffer): buffer for buffer in module.buffers()}.values())
    uncounted = [row.operator for row in rows if not row.counted]
    if uncounted:
        notes = [*notes, f"not counted, there is no rule for: {', '.join(uncounted)}"]
    return ModuleCounts(
        params=sum(p.numel() for p in params),
        trainable_params=sum(p.numel() for p in params if p.requires_grad),
        buffers=sum(b.numel() for b in buffers),
        size_bytes=sum(t.numel() * t.element_size() for t in [*params, *buffers]),
        input_shape=shape,
        output_shape=_shapes(output),
        operators=rows,
        notes=tuple(notes),
        **{column: sum(getattr(row, column) for row in rows) for column in OPERATION_COLUMNS},
    )


@contextmanager
def _every_operator_visible() -> Iterator[None]:
    """Without fused kernels that hide several operators in one, and without compiled code."""
    with ExitStack() as stack:
        stack.callback(torch.backends.mha.set_fastpath_enabled, torch.backends.mha.get_fastpath_enabled())
        torch.backends.mha.set_fastpath_enabled(False)
        if "torch._dynamo" in sys.modules:
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        yield


def _meta_copy(module: nn.Module) -> nn.Module | None:
    """A copy of a module whose tensors have shapes and no contents; None if there is no such copy.

    A deep copy that is told beforehand what each tensor becomes: shared tensors stay shared, and no data is copied.
    """
    try:
        memo: dict[int, Any] = {}
        for part in module.modules():
            for tensor in [*part._parameters.values(), *part._buffers.values(), *vars(part).values()]:
                if isinstance(tensor, Tensor) and id(tensor) not in memo:
                    memo[id(tensor)] = _blank(tensor)
        return copy.deepcopy(module, memo)
    except Exception:  # a user's module may refuse in any way it likes
        return None


def _blank(tensor: Tensor) -> Tensor:
    blank = torch.empty_like(tensor, device="meta", requires_grad=False)
    return nn.Parameter(blank, requires_grad=tensor.requires_grad) if isinstance(tensor, nn.Parameter) else blank


def _on(value: Any, device: torch.device) -> Any:
    if not isinstance(value, Tensor):
        return value
    if value.device.type == "meta" and device.type != "meta":
        return torch.zeros(value.shape, dtype=value.dtype, device=device)
    return value.to(device)


def _shapes(value: Any) -> Any:
    if isinstance(value, Tensor):
        return tuple(value.shape)
    if isinstance(value, Mapping):
        return {key: _shapes(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_shapes(part) for part in value] if isinstance(value, list) else tuple(map(_shapes, value))
    return type(value).__name__


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:300]
