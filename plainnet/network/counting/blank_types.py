"""Types that operators never run on, which torch does not notice for tensors without contents."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor

__all__ = ["refuse_types", "type_check"]

aten = torch.ops.aten
_PRODUCTS = (
    aten.mm.default, aten.bmm.default, aten.mv.default, aten.dot.default, aten.addmm.default, aten.addmv.default,
    aten.baddbmm.default, aten.addbmm.default, aten.linear.default, aten.convolution.default,
)  # fmt: skip
_OF_FLOATS = (
    aten.gelu.default, aten.silu.default, aten.mish.default, aten.glu.default, aten.hardswish.default,
    aten.hardsigmoid.default, aten._softmax.default, aten._log_softmax.default, aten.native_batch_norm.default,
    aten.native_layer_norm.default, aten.native_group_norm.default,
)  # fmt: skip


def refuse_types(operator: Any, args: Sequence[Any]) -> None:
    """`RuntimeError` where this operator runs on no tensors of these types, with contents."""
    check = type_check(operator)
    if check is not None:
        check(args)


def type_check(operator: Any) -> Callable[[Sequence[Any]], None] | None:
    """What raises `RuntimeError` for arguments of types that the operator never runs on; None where torch notices itself."""
    return _CHECKS.get(operator)


def _of_one_type(args: Sequence[Any]) -> None:
    """Products are of tensors of one type; autocast has made them alike by then."""
    kinds = {str(arg.dtype): None for arg in args if isinstance(arg, Tensor) and _is_blank(arg)}
    if len(kinds) > 1:
        raise RuntimeError(f"a product of tensors of different types: {' and '.join(kinds)}")


def _of_floats(args: Sequence[Any]) -> None:
    value = args[0]
    if _is_blank(value) and not (value.is_floating_point() or value.is_complex()):
        raise RuntimeError(f"not implemented for whole numbers: {value.dtype}")


def _is_blank(value: Tensor) -> bool:
    return value.is_meta or isinstance(value, FakeTensor)


_CHECKS = {**dict.fromkeys(_PRODUCTS, _of_one_type), **dict.fromkeys(_OF_FLOATS, _of_floats)}
