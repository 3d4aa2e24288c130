"""What operators put out for tensors without contents, where it is known without asking torch.

On the meta device torch works out the outputs of many operators in Python, up to a millisecond each and most of the time of a
count. Those of norms, activations and sums are as their inputs, those of convolutions and products follow from a line of
arithmetic; and an operator that was asked before about arguments that look the same gives what looks the same. Whatever is not
plainly so is left to torch, errors among it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from plainnet.network.counting.blank_types import type_check

__all__ = ["BlankOperator"]

aten = torch.ops.aten
_FLOATS = frozenset({torch.float32, torch.float64, torch.float16, torch.bfloat16})
_META = torch.device("meta")
_CLONE = aten.clone.default
_CLOSED = {"memory_format": torch.contiguous_format}
"""The words of a clone that leaves no gaps."""


class BlankOperator:
    """An operator as it runs without contents; it remembers what its outputs looked like."""

    def __init__(self, operator: Any) -> None:
        self._operator = operator
        self._known = _KNOWN.get(operator)
        self._makes_new = _makes_new(operator)
        self._check = type_check(operator)
        self._seen: dict[Any, tuple[bool, list[_Look]]] = {}

    @property
    def may_be_known(self) -> bool:
        """Whether there are outputs for which torch need not be asked: none of a view, for one, and of most changes."""
        return self._makes_new or self._known is not None

    def known(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """The output on tensors without contents; None where it is for torch to say."""
        if self._known is None or not _is_blank(args[0]):
            return None
        if not kwargs:
            return self._known(args)
        return _made(args[0].shape, args[0]) if self._operator is _CLONE and kwargs == _CLOSED else None

    def run(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """The output: known, remembered, or torch's own."""
        out = self.known(args, kwargs)
        if out is not None:
            return out
        if self._check is not None:
            self._check(args)
        key = _look((args, tuple(kwargs.items()))) if self._makes_new else None
        if key is None:
            return self._operator(*args, **kwargs)
        found = self._seen.get(key)
        if found is not None:
            is_several, looks = found
            made = [torch.empty_strided(size, stride, dtype=kind, device=_META) for size, stride, kind in looks]
            return tuple(made) if is_several else made[0]
        out = self._operator(*args, **kwargs)
        parts = out if isinstance(out, tuple) else (out,)
        if all(type(part) is Tensor and part.is_meta for part in parts):
            self._seen[key] = isinstance(out, tuple), [(p.shape, p.stride(), p.dtype) for p in parts]
        return out


_Look = tuple[torch.Size, tuple[int, ...], torch.dtype]
_PLAIN = (int, float, bool, str, torch.dtype, torch.device, torch.memory_format, torch.layout, type(None))


@cache
def _makes_new(operator: Any) -> bool:
    """Whether what it puts out is new, and nothing else changes: no view, nothing in place."""
    schema = getattr(operator, "_schema", None)
    return schema is not None and not schema.is_mutable and all(each.alias_info is None for each in schema.returns)


def _look(value: Any) -> Any:
    """What an output depends on; None where that is not known, or something has contents."""
    if isinstance(value, Tensor):
        is_plain = type(value) in (Tensor, nn.Parameter) and value.is_meta and value.layout == torch.strided
        return (value.shape, value.stride(), value.dtype) if is_plain else None
    if isinstance(value, (list, tuple)):
        looks = tuple(map(_look, value))
        return None if None in looks else looks
    return (type(value), value) if isinstance(value, _PLAIN) else None


def _is_blank(value: Any) -> bool:
    """Whether it is a plain tensor of floats on the meta device whose elements lie without gaps, in whichever order of axes."""
    is_plain = type(value) in (Tensor, nn.Parameter) and value.is_meta and value.dtype in _FLOATS
    return is_plain and (value.is_contiguous() or _is_dense(value))


def _is_dense(value: Tensor) -> bool:
    step = 1
    for stride, size in sorted(zip(value.stride(), value.shape, strict=True)):
        if size > 1:
            if stride != step:
                return False
            step *= size
    return value.numel() > 0


def _as_input(args: Sequence[Any]) -> Tensor:
    return _like(args[0])


def _like(value: Tensor) -> Tensor:
    if value.is_contiguous():
        return _made(value.shape, value)
    return torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device=_META)


def _itself(args: Sequence[Any]) -> Tensor:
    value: Tensor = args[0]
    return value


def _sum(args: Sequence[Any]) -> Tensor | None:
    """That of two tensors that are alike, or of one and a number."""
    one, other = args[0], args[1]
    if type(other) in (float, int):
        return _like(one)
    if not isinstance(other, Tensor) or not _is_blank(other) or (one.shape, one.dtype) != (other.shape, other.dtype):
        return None
    alike = one.stride() == other.stride() or (one.is_contiguous() and other.is_contiguous())
    return _like(one) if alike else None


def _batch_norm(args: Sequence[Any]) -> tuple[Tensor, Tensor, Tensor] | None:
    """That of `aten.native_batch_norm` with running statistics."""
    value, weight, bias, mean, variance, training = args[:6]
    beside = [each for each in (weight, bias, mean, variance) if each is not None]
    is_usual = value.dim() > 1 and mean is not None and variance is not None and value.dtype == torch.float32
    if training or not is_usual or any(each.shape != value.shape[1:2] or each.dtype != value.dtype for each in beside):
        return None
    return _like(value), _like(mean), _like(mean)


def _made(size: Sequence[int], like: Tensor) -> Tensor:
    return torch.empty(size, dtype=like.dtype, device=_META)


def _fits(value: Any, like: Tensor, size: Sequence[int] | None = None) -> bool:
    """Whether it is a plain tensor without contents of the same type, and of this size."""
    is_plain = type(value) in (Tensor, nn.Parameter) and value.is_meta and value.layout == torch.strided
    return is_plain and value.dtype == like.dtype and (size is None or value.shape == torch.Size(size))


def _softmax(args: Sequence[Any]) -> Tensor | None:
    """That of `_softmax`, `_log_softmax` and `_safe_softmax`; the last argument asks for another type."""
    value, axis, *kind = args
    is_usual = value.is_contiguous() and -value.dim() <= axis < value.dim() and not any(kind)
    return _like(value) if is_usual else None


def _layer_norm(args: Sequence[Any]) -> tuple[Tensor, Tensor, Tensor] | None:
    value, normalized, *affine = args[:4]
    axes, size = value.dim() - len(normalized), tuple(normalized)
    is_usual = value.dtype == torch.float32 and value.is_contiguous() and axes >= 0 and value.shape[axes:] == size
    if not is_usual or not size or any(each is not None and not _fits(each, value, size) for each in affine):
        return None
    statistics = (*value.shape[:axes], *(1 for _ in size))
    return _like(value), _made(statistics, value), _made(statistics, value)


def _matmul(args: Sequence[Any]) -> Tensor | None:
    """That of `mm` and `bmm`."""
    left, right = args
    return _product(left, right) if _fits(right, left) else None


def _matmul_with_bias(args: Sequence[Any]) -> Tensor | None:
    """That of `addmm` whose first argument is one number for each column."""
    bias, left, right = args
    if not (_fits(left, bias) and _fits(right, bias) and left.dim() == 2 and bias.shape == right.shape[1:]):
        return None
    return _product(left, right)


def _product(left: Tensor, right: Tensor) -> Tensor | None:
    one, other = left.shape, right.shape
    if len(one) not in (2, 3) or len(one) != len(other) or one[:-2] != other[:-2] or one[-1] != other[-2]:
        return None
    return _made((*one[:-1], other[-1]), left)


def _unsafe_view(args: Sequence[Any]) -> Tensor | None:
    value, size = args
    fits = value.is_contiguous() and min(size, default=1) > 0 and math.prod(size) == value.numel()
    return _made(size, value) if fits else None


def _convolution(args: Sequence[Any]) -> Tensor | None:
    """That of a convolution that is not transposed, for maps in torch's layout. Raises `RuntimeError` for what never runs."""
    image, weight, bias, stride, padding, dilation, transposed, _, groups = args
    if (
        min(*padding, 0) < 0 or min(*stride, *dilation, *weight.shape[2:]) < 1
    ):  # which torch does not notice without contents
        raise RuntimeError("padding is 0 or more, and stride, dilation and kernel are 1 or more")
    axes = image.dim() - 2
    plain = (
        image.is_contiguous() and not transposed and axes > 0 and {len(stride), len(padding), len(dilation)} == {axes}
    )
    if not plain or not _fits(weight, image) or weight.dim() != image.dim() or not weight.is_contiguous():
        return None
    wide = weight.shape[0]
    if (
        image.shape[1] != weight.shape[1] * groups
        or wide % groups
        or (bias is not None and not _fits(bias, image, [wide]))
    ):
        return None
    sizes = [
        (size + 2 * pad - step * (kernel - 1) - 1) // by + 1
        for size, kernel, by, pad, step in zip(
            image.shape[2:], weight.shape[2:], stride, padding, dilation, strict=True
        )
    ]
    return _made((image.shape[0], wide, *sizes), image) if min(*sizes, *image.shape, wide) > 0 else None


def _mean(args: Sequence[Any]) -> Tensor | None:
    """That over some axes, which stay as axes of one element."""
    if len(args) != 3 or not args[1] or not args[2] or not args[0].is_contiguous():
        return None
    value, axes = args[0], {axis + args[0].dim() if axis < 0 else axis for axis in args[1]}
    if len(axes) != len(args[1]) or not axes <= set(range(value.dim())):
        return None
    return _made([1 if axis in axes else size for axis, size in enumerate(value.shape)], value)


_LIKE_INPUT = (
    aten.relu.default, aten.hardtanh.default, aten.hardswish.default, aten.hardsigmoid.default, aten.silu.default,
    aten.gelu.default, aten.leaky_relu.default, aten.elu.default, aten.mish.default, aten.softplus.default,
    aten.sigmoid.default, aten.tanh.default,
)  # fmt: skip
_IN_PLACE = (
    aten.relu_.default, aten.hardtanh_.default, aten.hardswish_.default, aten.hardsigmoid_.default, aten.silu_.default,
    aten.leaky_relu_.default, aten.elu_.default, aten.mish_.default, aten.sigmoid_.default, aten.tanh_.default,
)  # fmt: skip
_KNOWN: dict[Any, Callable[[Sequence[Any]], Any]] = {
    **dict.fromkeys(_LIKE_INPUT, _as_input),
    **dict.fromkeys(_IN_PLACE, _itself),
    aten.add.Tensor: _sum,
    aten.sub.Tensor: _sum,
    aten.mul.Tensor: _sum,
    aten.mul.Scalar: _sum,
    aten.div.Tensor: _sum,
    aten.native_batch_norm.default: _batch_norm,
    aten.native_layer_norm.default: _layer_norm,
    aten._softmax.default: _softmax,
    aten._log_softmax.default: _softmax,
    aten._safe_softmax.default: _softmax,
    aten.mm.default: _matmul,
    aten.bmm.default: _matmul,
    aten.addmm.default: _matmul_with_bias,
    aten.convolution.default: _convolution,
    aten.mean.dim: _mean,
    aten._unsafe_view.default: _unsafe_view,
    _CLONE: _as_input,
}
