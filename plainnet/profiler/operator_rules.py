"""What each of torch's operators costs, from the shapes of its arguments: the rules behind `count_module`.

The columns are those of `plainnet.blocks.counts` and mean the same; `other_ops` is for what has no column there (1 for
each element of an elementwise operator's output, or of a reduction's input). A rule returns what an operator adds to
which column; moving data costs nothing; an operator without a rule is for the caller to name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload

__all__ = ["OPERATION_COLUMNS", "operator_cost", "operator_name"]

OPERATION_COLUMNS = (
    "macs", "activations", "convolutions", "bias_ops", "norm_ops", "act_ops", "pool_ops", "add_ops", "mul_ops", "other_ops",
)  # fmt: skip
"""The columns that operators add to."""

Cost = dict[str, int]
Rule = Callable[[Sequence[Any], Any], Cost]


def _out(out: Any) -> Tensor:
    """The (first) tensor that an operator puts out."""
    return out if isinstance(out, Tensor) else next(value for value in out if isinstance(value, Tensor))


def _products(macs: int, out: Any, *, bias: bool = False, convolutions: int = 0) -> Cost:
    elements = _out(out).numel()
    return {"macs": macs, "activations": elements, "bias_ops": elements if bias else 0, "convolutions": convolutions}


def _convolution(args: Sequence[Any], out: Any) -> Cost:
    """Each output element (each input element of a transposed one) meets one filter: C / groups * kernel weights."""
    image, weight, bias, transposed = args[0], args[1], args[2], bool(args[6])
    elements = image.numel() if transposed else _out(out).numel()
    return _products(elements * weight[0].numel(), out, bias=bias is not None, convolutions=1)


def _matmul(args: Sequence[Any], out: Any) -> Cost:
    """mm, bmm, mv, dot: (..., n, k) times (..., k, m)."""
    return _products(_out(out).numel() * args[0].shape[-1], out)


def _matmul_with_bias(args: Sequence[Any], out: Any) -> Cost:
    return _products(_out(out).numel() * args[1].shape[-1], out, bias=True)


def _addbmm(args: Sequence[Any], out: Any) -> Cost:
    return _products(args[1].numel() * args[2].shape[-1], out, bias=True)


def _attention(args: Sequence[Any], out: Any) -> Cost:
    """softmax(Q K') V, whatever kernel does it; masks save nothing here, as kernels differ in what they skip."""
    query, key, value = args[0], args[1], args[2]
    scores = math.prod(query.shape[:-1]) * key.shape[-2]
    return _products(scores * (query.shape[-1] + value.shape[-1]), out) | {"act_ops": scores}


def _lstm_layer(args: Sequence[Any], out: Any) -> Cost:  # noqa: ARG001
    """One direction of an LSTM layer over T steps of N sequences: four gates of H units, from input and from state."""
    input_weight, state_weight, biased = args[1], args[2], args[12]
    steps, gates = math.prod(args[0].shape[:2]), state_weight.shape[0]
    units = gates // 4
    return {
        "macs": steps * (input_weight.numel() + state_weight.numel()),
        "activations": 2 * steps * gates,
        "bias_ops": 2 * steps * gates if biased else 0,
        "act_ops": steps * (gates + units),
        "add_ops": steps * (gates + units),
        "mul_ops": 3 * steps * units,
    }


def _norm_with_fixed_statistics(args: Sequence[Any], out: Any) -> Cost:
    """2 per element: scale and shift; 3 more where mean and variance are worked out (the sums of x and of x * x)."""
    fixed = isinstance(args[3], Tensor) and not args[5]  # running mean, training
    return {"norm_ops": (2 if fixed else 5) * _out(out).numel()}


def _norm(args: Sequence[Any], out: Any) -> Cost:  # noqa: ARG001
    return {"norm_ops": 5 * _out(out).numel()}


def _scale_and_shift(args: Sequence[Any], out: Any) -> Cost:  # noqa: ARG001
    return {"norm_ops": 2 * _out(out).numel()}


def _window_pool(axes: int) -> Rule:
    """1 per element of every window; a kernel of one number counts for every axis."""

    def rule(args: Sequence[Any], out: Any) -> Cost:
        kernel = list(args[1])
        return {"pool_ops": _out(out).numel() * (math.prod(kernel) if len(kernel) == axes else kernel[0] ** axes)}

    return rule


def _adaptive_pool(args: Sequence[Any], out: Any) -> Cost:
    """1 per element of every window; window i of m over n elements goes from floor(i n / m) to ceil((i + 1) n / m)."""
    image, sizes = args[0], list(args[1])
    axes = image.shape[-len(sizes) :]
    taps = [
        sum(-(-(i + 1) * n // m) - i * n // m for i in range(m))
        for n, m in zip(axes, _out(out).shape[-len(sizes) :], strict=True)
    ]
    return {"pool_ops": math.prod(image.shape[: -len(sizes)]) * math.prod(taps)}


def _mean(args: Sequence[Any], out: Any) -> Cost:  # noqa: ARG001
    """The mean of a map is global pooling; any other is a reduction."""
    image = args[0]
    axes = {axis % image.dim() for axis in args[1]} if len(args) > 1 and args[1] is not None else set()
    is_pooling = image.dim() > 3 and axes == set(range(2, image.dim()))
    return {"pool_ops" if is_pooling else "other_ops": image.numel()}


def _interpolation(taps: int) -> Rule:
    """A weighted sum of `taps` neighbours for every output element: taps products, taps - 1 additions."""
    return lambda args, out: {"other_ops": (2 * taps - 1) * _out(out).numel()}  # noqa: ARG005


def _per_output(column: str) -> Rule:
    return lambda args, out: {column: _out(out).numel()}  # noqa: ARG005


def _per_input(column: str) -> Rule:
    return lambda args, out: {column: args[0].numel()}  # noqa: ARG005


_GROUPS: tuple[tuple[str, Rule], ...] = (
    ("convolution convolution_overrideable _convolution", _convolution),
    ("mm bmm mv dot vdot", _matmul),
    ("addmm baddbmm addmv", _matmul_with_bias),
    ("addbmm", _addbmm),
    (
        "_scaled_dot_product_flash_attention _scaled_dot_product_flash_attention_for_cpu _scaled_dot_product_cudnn_attention"
        " _scaled_dot_product_efficient_attention _scaled_dot_product_fused_attention_overrideable"
        " _scaled_dot_product_attention_math _scaled_dot_product_attention_math_for_mps",
        _attention,
    ),
    ("mkldnn_rnn_layer", _lstm_layer),
    ("native_batch_norm cudnn_batch_norm _native_batch_norm_legit", _norm_with_fixed_statistics),
    ("_native_batch_norm_legit_no_training _batch_norm_no_update", _scale_and_shift),
    ("native_layer_norm native_group_norm _fused_rms_norm _batch_norm_with_update", _norm),
    ("max_pool2d_with_indices max_pool2d avg_pool2d", _window_pool(2)),
    ("max_pool3d_with_indices max_pool3d avg_pool3d", _window_pool(3)),
    ("_adaptive_avg_pool2d _adaptive_avg_pool3d adaptive_max_pool2d adaptive_max_pool3d", _adaptive_pool),
    ("mean", _mean),
    (
        "relu relu6 hardtanh leaky_relu silu hardswish gelu sigmoid hardsigmoid tanh elu celu mish softplus glu"
        " log_sigmoid_forward _prelu_kernel threshold hardshrink softshrink clamp clamp_min clamp_max"
        " _softmax _log_softmax _safe_softmax",
        _per_output("act_ops"),
    ),
    ("add sub rsub", _per_output("add_ops")),
    ("mul div", _per_output("mul_ops")),
    ("upsample_linear1d", _interpolation(2)),
    ("upsample_bilinear2d _upsample_bilinear2d_aa", _interpolation(4)),
    ("upsample_trilinear3d", _interpolation(8)),
    ("upsample_bicubic2d _upsample_bicubic2d_aa", _interpolation(16)),
    ("cumsum cumprod logcumsumexp", _per_input("other_ops")),
    (
        "clone copy _to_copy lift_fresh detach alias cat stack split unsafe_split unsafe_split_with_sizes index index_select"
        " index_put gather scatter embedding constant_pad_nd reflection_pad1d reflection_pad2d replication_pad1d"
        " replication_pad2d roll flip repeat repeat_interleave pixel_shuffle pixel_unshuffle channel_shuffle"
        " native_channel_shuffle im2col zeros ones full empty empty_strided new_zeros new_ones new_full new_empty"
        " new_empty_strided zeros_like ones_like full_like empty_like arange linspace scalar_tensor eye fill zero tril"
        " triu masked_fill upsample_nearest1d upsample_nearest2d upsample_nearest3d _unsafe_view _reshape_copy"
        " _local_scalar_dense resize set_ equal",
        lambda args, out: {},  # noqa: ARG005
    ),
)

_RULES: dict[str, Rule] = {name: rule for names, rule in _GROUPS for name in names.split()}


def operator_name(operator: OpOverload) -> str:
    """The operator's name without its overload: aten.add_.Tensor is "aten.add_"."""
    return str(operator.overloadpacket)


def operator_cost(operator: OpOverload, args: Sequence[Any], kwargs: dict[str, Any], out: Any) -> Cost | None:
    """What one call of an operator adds to `OPERATION_COLUMNS`; None if no rule knows it."""
    if operator.is_view:
        return {}
    namespace, _, name = operator_name(operator).partition(".")
    rule = _RULES.get(name) or _RULES.get(name.removesuffix("_")) if namespace == "aten" else None
    if rule is not None:
        return rule(_positional(operator, args, kwargs), out)
    if torch.Tag.pointwise in operator.tags:
        return {"other_ops": _out(out).numel()}
    if torch.Tag.reduction in operator.tags and isinstance(args[0], Tensor):
        return {"other_ops": args[0].numel()}
    return None


def _positional(operator: OpOverload, args: Sequence[Any], kwargs: dict[str, Any]) -> Sequence[Any]:
    """The arguments in the order of the operator's schema, with its defaults."""
    schema = operator._schema.arguments
    if not kwargs and len(args) == len(schema):
        return args
    rest = [kwargs.get(argument.name, argument.default_value) for argument in schema[len(args) :]]
    return [*args, *rest]
