"""What each submodule of a module costs: every operator is charged to the innermost module whose forward pass runs it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook

from plainnet.network.counting.module_inputs import shapes_of
from plainnet.network.counting.operator_products import elements
from plainnet.network.counting.operator_rules import OPERATION_COLUMNS
from plainnet.network.counting.packed_weights import packed_objects, size_bytes, unpacked

__all__ = ["HeldTensors", "ModuleCost", "RunningModules", "module_costs"]


@dataclass(frozen=True)
class ModuleCost:
    """A submodule with all that is inside of it."""

    path: str
    """its name in the module, such as layer1.0.conv1; "" for the module itself"""
    kind: str
    """the name of its class"""
    params: int
    """learnable scalars; shared ones belong to the first module that has them"""
    calls: int
    """forward passes of the submodule; 0 where only its children run, or nothing"""
    output_shape: Any
    """of the last call; None without one"""
    output_bytes: int
    """of the tensors that its calls put out, in their own types; 0 for a call that broke off"""
    macs: int
    activations: int
    operations: Mapping[str, int] = field(default_factory=dict)
    """operations other than multiply-accumulates, each kind under its own name"""
    uncounted: tuple[str, ...] = ()
    """operators without a rule that run inside: their share of the cost is not known"""
    ms: float | None = None
    """milliseconds of its calls in one pass; None where they were not measured"""

    @property
    def depth(self) -> int:
        """0 for the module itself, 1 for its children, ..."""
        return self.path.count(".") + 1 if self.path else 0

    def as_dict(self) -> dict[str, Any]:
        """All fields, ready for JSON."""
        return asdict(self) | {"uncounted": list(self.uncounted)}


class RunningModules:
    """Which submodule runs at any moment, seen through torch's global hooks: the modules themselves are not touched.

    A module that stands in several places goes by the first of its names. A forward pass that broke off with an error which its
    caller caught is no longer running once its caller goes on.
    """

    def __init__(self, module: nn.Module) -> None:
        self.names = {id(part): name for name, part in module.named_modules()}
        self.calls: dict[str, int] = {}
        self.outputs: dict[str, Any] = {}
        self.output_bytes: dict[str, int] = {}
        self._stack = [""]

    @property
    def current(self) -> str:
        """The path of the innermost module that runs."""
        return self._stack[-1]

    @property
    def running(self) -> int:
        """How many of the modules run, one inside of another."""
        return len(self._stack) - 1

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Within it calls are noted."""
        hooks = [
            register_module_forward_pre_hook(self._enter),
            register_module_forward_hook(self._leave, always_call=True),
        ]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _enter(self, part: nn.Module, args: Any) -> None:
        del args
        name = self.names.get(id(part))
        if name is not None:
            self._stack.append(name)
            self.calls[name] = self.calls.get(name, 0) + 1

    def _leave(self, part: nn.Module, args: Any, output: Any) -> None:
        del args
        name = self.names.get(id(part))
        if name is None or name not in self._stack[1:]:
            return
        while self._stack.pop() != name:  # what broke off inside
            pass
        if output is not None:
            with torch._C.DisableTorchFunction():  # modes, such as a device, would see every look at a tensor
                self.outputs[name] = shapes_of(output)
                self.output_bytes[name] = self.output_bytes.get(name, 0) + _bytes_of(output)


@dataclass(frozen=True)
class HeldTensors:
    """The tensors of a module, each with the first of its parts that has it; shared ones once."""

    params: Mapping[str, list[Tensor]]
    """by the path of the part"""
    packed: Mapping[str, list[Tensor]]
    """weights and biases of quantised parts, likewise"""
    buffers: Sequence[Tensor]

    @classmethod
    def of(cls, parts: Mapping[str, nn.Module]) -> HeldTensors:
        """parts: `dict(module.named_modules())`."""
        seen: set[int] = set()

        def new(values: Iterable[Any]) -> Iterator[Any]:
            for value in values:
                if value is not None and id(value) not in seen:
                    seen.add(id(value))
                    yield value

        return cls(
            {path: list(new(part._parameters.values())) for path, part in parts.items()},
            {
                path: [tensor for value in new(packed_objects(part)) for tensor in unpacked(value)]
                for path, part in parts.items()
            },
            [buffer for part in parts.values() for buffer in new(part._buffers.values())],
        )


def module_costs(
    parts: Mapping[str, nn.Module],
    held: HeldTensors,
    running: RunningModules,
    costs: Mapping[str, Mapping[str, int]],
    uncounted: Mapping[str, set[str]],
) -> tuple[ModuleCost, ...]:
    """Every submodule in the order of its names, the module itself first.

    parts: `dict(module.named_modules())`; costs: path -> what ran while that module was the innermost, by column; uncounted:
    path -> operators without a rule.
    """
    own = {path: dict(costs.get(path, {})) for path in parts}
    unknown = {path: set(uncounted.get(path, ())) for path in parts}
    params = {path: sum(map(elements, [*held.params[path], *held.packed[path]])) for path in parts}
    for path in sorted(parts, key=lambda path: -_depth(path)):
        if path:
            above = path.rpartition(".")[0]
            params[above] += params[path]
            unknown[above] |= unknown[path]
            total = own[above]
            for column, count in own[path].items():
                total[column] = total.get(column, 0) + count
    return tuple(
        ModuleCost(
            path=path,
            kind=type(part).__name__,
            params=params[path],
            calls=running.calls.get(path, 0),
            output_shape=running.outputs.get(path),
            output_bytes=running.output_bytes.get(path, 0),
            macs=own[path].get("macs", 0),
            activations=own[path].get("activations", 0),
            operations={column: own[path][column] for column in _OPERATIONS if column in own[path]},
            uncounted=tuple(sorted(unknown[path])),
        )
        for path, part in parts.items()
    )


_OPERATIONS = tuple(column for column in OPERATION_COLUMNS if column.endswith("_ops"))


def _bytes_of(output: Any) -> int:
    """The bytes of tensors, in tuples, lists and dicts, too."""
    if isinstance(output, Tensor):
        return size_bytes([output])
    parts = output.values() if isinstance(output, Mapping) else output if isinstance(output, (list, tuple)) else ()
    return sum(map(_bytes_of, parts))


def _depth(path: str) -> int:
    return path.count(".") + 1 if path else 0
