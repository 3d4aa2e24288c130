"""What operators put out for tensors without contents, where it is known without asking torch.

On the meta device torch works out the outputs of many operators in Python, up to a millisecond each and most of the time of a
count. Those of batch norms, activations and sums are as their inputs; and an operator that was asked before about arguments that
look the same gives what looks the same. Whatever is not plainly so is left to torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["BlankOutputs", "blank_output"]

aten = torch.ops.aten
_FLOATS = frozenset({torch.float32, torch.float64, torch.float16, torch.bfloat16})


def blank_output(operator: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """The output of an operator on tensors without contents; None where it is for torch to say."""
    known = _KNOWN.get(operator)
    if known is None or kwargs or not _is_blank(args[0]):
        return None
    return known(args)


class BlankOutputs:
    """Runs operators without contents, and remembers what their outputs looked like."""

    def __init__(self) -> None:
        self._seen: dict[Any, tuple[bool, list[_Look]]] = {}

    def run(self, operator: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """The output of an operator: known, remembered, or torch's own."""
        out = blank_output(operator, args, kwargs)
        if out is not None:
            return out
        key = _look_of_call(operator, args, kwargs)
        found = self._seen.get(key) if key is not None else None
        if found is not None:
            is_several, looks = found
            made = [torch.empty_strided(size, stride, dtype=kind, device="meta") for size, stride, kind in looks]
            return tuple(made) if is_several else made[0]
        out = operator(*args, **kwargs)
        if key is not None:
            parts = out if isinstance(out, tuple) else (out,)
            if all(type(part) is Tensor and part.device.type == "meta" for part in parts):
                self._seen[key] = isinstance(out, tuple), [(p.shape, p.stride(), p.dtype) for p in parts]
        return out


_Look = tuple[torch.Size, tuple[int, ...], torch.dtype]
_PLAIN = (int, float, bool, str, torch.dtype, torch.device, torch.memory_format, torch.layout, type(None))


@cache
def _makes_new(operator: Any) -> bool:
    """Whether what it puts out is new, and nothing else changes: no view, nothing in place."""
    schema = getattr(operator, "_schema", None)
    return schema is not None and not schema.is_mutable and all(each.alias_info is None for each in schema.returns)


def _look_of_call(operator: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """What the output depends on; None where that is not known, or something has contents."""
    if not _makes_new(operator):
        return None
    look = _look((args, tuple(kwargs.items())))
    return None if look is None else (operator, look)


def _look(value: Any) -> Any:
    if isinstance(value, Tensor):
        is_plain = (
            type(value) in (Tensor, nn.Parameter) and value.device.type == "meta" and value.layout == torch.strided
        )
        return (value.shape, value.stride(), value.dtype) if is_plain else None
    if isinstance(value, (list, tuple)):
        looks = tuple(map(_look, value))
        return None if None in looks else looks
    return (type(value), value) if isinstance(value, _PLAIN) else None


def _is_blank(value: Any) -> bool:
    """Whether it is a plain tensor of floats on the meta device whose elements lie without gaps."""
    is_plain = type(value) in (Tensor, nn.Parameter) and value.device.type == "meta" and value.dtype in _FLOATS
    return is_plain and (value.is_contiguous() or value.is_contiguous(memory_format=torch.channels_last))


def _as_input(args: Sequence[Any]) -> Tensor:
    return _like(args[0])


def _like(value: Tensor) -> Tensor:
    return torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device="meta")


def _itself(args: Sequence[Any]) -> Tensor:
    value: Tensor = args[0]
    return value


def _sum(args: Sequence[Any]) -> Tensor | None:
    """That of two tensors that are alike."""
    one, other = args[0], args[1]
    if not isinstance(other, Tensor) or not _is_blank(other):
        return None
    alike = (one.shape, one.stride(), one.dtype) == (other.shape, other.stride(), other.dtype)
    return _like(one) if alike else None


def _batch_norm(args: Sequence[Any]) -> tuple[Tensor, Tensor, Tensor] | None:
    """That of `aten.native_batch_norm` with running statistics."""
    value, weight, bias, mean, variance, training = args[:6]
    beside = [each for each in (weight, bias, mean, variance) if each is not None]
    is_usual = value.dim() > 1 and mean is not None and variance is not None and value.dtype == torch.float32
    if training or not is_usual or any(each.shape != value.shape[1:2] or each.dtype != value.dtype for each in beside):
        return None
    return _like(value), _like(mean), _like(mean)


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
    aten.native_batch_norm.default: _batch_norm,
}
