"""The arguments of a module's forward pass: from a shape, from Python, or from text (`image=1x3x224x224,mask=1x224:bool`)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from plainnet.errors import UsageError, nearest

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

__all__ = [
    "DTYPES",
    "ModuleInputs",
    "TensorSpec",
    "arguments_of",
    "float_type",
    "module_inputs",
    "read_inputs",
    "shapes_of",
    "tensors_of",
]

DTYPES = (
    "bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64", "complex64",
)  # fmt: skip
"""The types that an input on the command line can have."""

_ITEM = re.compile(r"\s*(?:([A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+)*)\s*=\s*)?([^=:\s]*)\s*(?::\s*(\w*)\s*)?")
_SHAPE = re.compile(r"[1-9][0-9]*(?:x[1-9][0-9]*)*")
_ACCEPTED = "accepted: NAME=SHAPE:TYPE, such as image=1x3x224x224,mask=1x224x224:bool; without a name by position"


@dataclass(frozen=True)
class TensorSpec:
    """A tensor that is to be made: its shape and, where it is not the module's own, its type."""

    shape: tuple[int, ...]
    dtype: str | None = None


@dataclass(frozen=True)
class ModuleInputs:
    """The arguments of a forward pass; tensors on the meta device stand for any contents."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any] = field(default_factory=dict)
    shape: tuple[int, ...] | None = None
    """that of the first tensor, where it was said"""

    def __str__(self) -> str:
        return "these inputs" if self.shape is None else f"an input of {'x'.join(map(str, self.shape))}"

    @property
    def shapes(self) -> Any:
        """The shape of the one tensor, or `inputs` and `kwargs` with the shapes of their tensors in the same containers."""
        if self.shape is not None:
            return self.shape
        return {"inputs": shapes_of(list(self.args)), "kwargs": shapes_of(self.kwargs)}

    def mapped(self, change: Callable[[Tensor], Tensor]) -> ModuleInputs:
        """The same with every tensor changed, in lists, tuples and dicts, too."""
        return ModuleInputs(_mapped(self.args, change), _mapped(self.kwargs, change), self.shape)

    def blank(self) -> ModuleInputs:
        """On the meta device. Raises `ValueError` for tensors that have no copy without contents."""
        return self.mapped(_blank)

    def on(self, device: torch.device) -> ModuleInputs:
        """Copies on a device; what has no contents becomes zeros, and True where it is bool."""
        return self.mapped(lambda tensor: _copied(tensor, device))


def module_inputs(
    module: nn.Module,
    input_shape: Sequence[int] | None,
    inputs: Sequence[Any] | None,
    kwargs: Mapping[str, Any] | None,
) -> ModuleInputs:
    """The arguments that a caller means: one floating-point tensor of `input_shape` in the module's type, or `inputs` by
    position and `kwargs` by name (a shape beside them is that of the first one). Raises `UsageError` for what fits nothing.
    """
    import torch
    from torch import Tensor

    from plainnet.network.undisturbed import checked_shape

    if inputs is None and kwargs is None:
        if input_shape is None:
            raise UsageError("nothing is said about the input; accepted: input_shape, or inputs and kwargs")
        checked = checked_shape(input_shape)
        return ModuleInputs((torch.empty(checked, dtype=float_type(module), device="meta"),), {}, checked)
    if isinstance(inputs, (Tensor, Mapping, str)) or not isinstance(inputs, (Sequence, type(None))):
        raise UsageError(
            f"inputs is a {type(inputs).__name__}; accepted: a list of the forward's positional arguments, such as "
            "inputs=[image], and kwargs={...} for those by name"
        )
    if kwargs is not None and not (isinstance(kwargs, Mapping) and all(isinstance(key, str) for key in kwargs)):
        what = f"holds {list(kwargs)}" if isinstance(kwargs, Mapping) else f"is a {type(kwargs).__name__}"
        raise UsageError(f"kwargs {what}; accepted: a dict of the forward's arguments by name")
    args = tuple(inputs or ())
    shape = tuple(input_shape or ()) or None
    if shape is not None and (not args or not isinstance(args[0], Tensor) or tuple(args[0].shape) != shape):
        first = shapes_of(args[0]) if args else "missing"
        raise UsageError(f"input_shape is {shape}, and the first of inputs is {first}; accepted: one of the two")
    return ModuleInputs(args, dict(kwargs or {}), shape)


def arguments_of(module: nn.Module, texts: Sequence[str]) -> dict[str, Any]:
    """What `--input` says, each NAME=SHAPE:TYPE, as the `inputs` and `kwargs` of a module, in its own type where none is said."""
    args, kwargs = (tensors_of(part, dtype=float_type(module)) for part in read_inputs(texts))
    return {"inputs": args, "kwargs": kwargs}


def float_type(module: nn.Module) -> torch.dtype:
    """The type of the module's first floating-point parameter; torch's default without one."""
    import torch

    return next((p.dtype for p in module.parameters() if p.is_floating_point()), torch.get_default_dtype())


def shapes_of(value: Any) -> Any:
    """The shapes of tensors in the same tuples, lists or dicts; of anything else the name of its type."""
    from torch import Tensor

    if isinstance(value, Tensor):
        return tuple(value.shape)
    if isinstance(value, Mapping):
        return {key: shapes_of(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [shapes_of(part) for part in value] if isinstance(value, list) else tuple(map(shapes_of, value))
    return type(value).__name__


def _mapped(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    from torch import Tensor
    from torch.nn.utils.rnn import PackedSequence
    from torch.utils._pytree import tree_map

    def leaf(part: Any) -> Any:
        if isinstance(part, PackedSequence):  # its batch sizes stay where they are: torch reads them
            orders = (
                None if order is None else change(order) for order in (part.sorted_indices, part.unsorted_indices)
            )
            return PackedSequence(change(part.data), part.batch_sizes, *orders)
        return change(part) if isinstance(part, Tensor) else part

    return tree_map(leaf, value, is_leaf=lambda part: isinstance(part, PackedSequence))


def _blank(tensor: Tensor) -> Tensor:
    import torch

    if tensor.layout != torch.strided or tensor.is_quantized:
        raise ValueError("a sparse or quantised tensor has no copy without contents")
    return tensor.detach().to("meta")


def _copied(tensor: Tensor, device: torch.device) -> Tensor:
    import torch

    if tensor.device.type == "meta" and device.type != "meta":
        filled = torch.ones if tensor.dtype == torch.bool else torch.zeros
        return filled(tensor.shape, dtype=tensor.dtype, device=device)
    return tensor.detach().to(device, copy=True)


def read_inputs(texts: Sequence[str]) -> tuple[list[Any], dict[str, Any]]:
    """Positional and named arguments with a `TensorSpec` for each tensor; `UsageError` for what cannot be read.

    A name with dots goes into a dict (`batch.image`), or by number into a list (`pair.0`); a first part that is a number is a
    position.
    """
    tree: dict[str, Any] = {}
    position = 0
    for item in ",".join(texts).split(","):
        name, spec = _read_item(item)
        if name is None:
            name, position = str(position), position + 1
        _enter(tree, name, spec, item)
    positional = {key: value for key, value in tree.items() if key.isdigit()}
    named = {key: _gathered(value, key) for key, value in tree.items() if not key.isdigit()}
    args = _gathered(positional, "the positions") if positional else []
    return args, named


def _read_item(item: str) -> tuple[str | None, TensorSpec]:
    match = _ITEM.fullmatch(item)
    if match is None or not _SHAPE.fullmatch(match[2]):
        raise UsageError(f"--input: {item.strip()!r} is no input; {_ACCEPTED}")
    name, shape, dtype = match.groups()
    if dtype is not None and dtype not in DTYPES:
        near = nearest(dtype, DTYPES)
        raise UsageError(
            f"--input: {item.strip()!r} has no type that is known; accepted: {', '.join(DTYPES)}"
            + (f"; did you mean {near}?" if near else "")
        )
    return name, TensorSpec(tuple(map(int, shape.split("x"))), dtype)


def _enter(tree: dict[str, Any], name: str, spec: TensorSpec, item: str) -> None:
    *outer, last = name.split(".")
    for part in outer:
        tree = tree.setdefault(part, {})
        if not isinstance(tree, dict):
            raise UsageError(f"--input: {item.strip()!r} puts something into {part}, which is a tensor")
    if last in tree:
        raise UsageError(f"--input: {name} is given twice")
    tree[last] = spec


def _gathered(value: Any, name: str) -> Any:
    """Dicts whose keys are numbers as lists."""
    if not isinstance(value, dict):
        return value
    parts = {key: _gathered(part, f"{name}.{key}") for key, part in value.items()}
    if not any(key.isdigit() for key in parts):
        return parts
    wanted = [str(index) for index in range(len(parts))]
    if set(parts) != set(wanted):
        raise UsageError(f"--input: {name} has {', '.join(sorted(parts))}; accepted: numbers from 0 on, or names")
    return [parts[key] for key in wanted]


def tensors_of(value: Any, *, dtype: torch.dtype) -> Any:
    """What `read_inputs` found, with tensors on the meta device; those without a type of their own have `dtype`."""
    import torch

    if isinstance(value, TensorSpec):
        kind = dtype if value.dtype is None else getattr(torch, value.dtype)
        return torch.empty(value.shape, dtype=kind, device="meta")
    if isinstance(value, list):
        return [tensors_of(part, dtype=dtype) for part in value]
    return {key: tensors_of(part, dtype=dtype) for key, part in value.items()}
