"""What a module's operations put out, seen from outside.

Operations are watched as they are called (a torch function mode), not as submodules: `nn.ReLU()`, `F.relu(x)`, `x.relu()`
and a convolution written with `F.conv2d` are all seen, no hook is set, and the module is not changed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

__all__ = ["NORMS", "RECTIFIERS", "WEIGHTED", "watch", "without_batch_norms"]

RECTIFIERS: frozenset[Any] = frozenset(
    {
        torch.relu, torch.relu_, Tensor.relu, Tensor.relu_, functional.relu, functional.relu_,
        functional.relu6, functional.leaky_relu, functional.leaky_relu_, functional.prelu, torch.prelu, Tensor.prelu,
        functional.elu, functional.elu_, functional.selu, functional.celu, functional.silu, functional.gelu,
        functional.hardswish, functional.mish, functional.rrelu,
    }
)  # fmt: skip
"""Activation functions whose output has the sign of its input (or is 0 where that is negative): they cut space in two."""

WEIGHTED: frozenset[Any] = frozenset(
    {
        torch.conv1d, torch.conv2d, torch.conv3d, functional.conv1d, functional.conv2d, functional.conv3d,
        functional.linear, torch.conv_transpose2d, functional.conv_transpose2d,
    }
)  # fmt: skip
"""Convolutions and linear layers."""


NORMS: frozenset[Any] = frozenset({functional.batch_norm, torch.batch_norm})
"""Batch norms."""

See = Callable[[Tensor, Tensor], Tensor | None]


class _Watch(TorchFunctionMode):
    def __init__(self, functions: frozenset[Any], see: See) -> None:
        super().__init__()
        self.functions, self.see = functions, see

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        if func not in self.functions or not isinstance(out, Tensor):
            return out
        replaced = self.see(out, args[0] if args else kwargs["input"])
        return out if replaced is None else replaced


def watch(module: Callable[[Tensor], Any], images: Tensor, functions: frozenset[Any], see: See) -> Any:
    """Run a module on images and call `see(output, input)` for every call of one of the functions, in the order of
    execution; what `see` returns, if anything, takes the output's place. Returns what the module returns.
    """
    with _Watch(functions, see):
        return module(images)


class _WithoutNorms(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in NORMS:
            return args[0] if args else kwargs["input"]
        return func(*args, **kwargs)


def without_batch_norms() -> TorchFunctionMode:
    """A context in which every batch norm is the identity."""
    return _WithoutNorms()
