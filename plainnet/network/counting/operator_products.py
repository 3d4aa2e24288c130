"""Multiply-accumulates of torch's operators: convolutions, matrix products, attention, sparse and quantised ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from plainnet.network.counting.packed_weights import unpacked
from plainnet.network.counting.recurrent import layer_cost

__all__ = ["PRODUCT_RULES", "Cost", "Rule", "elements", "first_tensor"]

Cost = dict[str, int]
Rule = Callable[[Sequence[Any], Any], Cost | None]
"""From an operator's arguments, in the order of its schema, and its output to what it adds to which column; None where the
rule cannot tell."""


def first_tensor(out: Any) -> Tensor:
    """The (first) tensor that an operator puts out."""
    return out if isinstance(out, Tensor) else next(value for value in out if isinstance(value, Tensor))


def elements(tensor: Tensor) -> int:
    """The elements that a tensor holds: those of a sparse one that are stored."""
    if tensor.layout == torch.strided:
        return tensor.numel()
    if tensor.layout == torch.sparse_coo:
        return tensor._values().numel()
    if tensor.layout in (torch.sparse_csr, torch.sparse_csc, torch.sparse_bsr, torch.sparse_bsc):
        return tensor.values().numel()
    return tensor.numel()


def _products(macs: int, out: Any, *, bias: bool = False, convolutions: int = 0) -> Cost:
    count = elements(first_tensor(out))
    return {"macs": macs, "activations": count, "bias_ops": count if bias else 0, "convolutions": convolutions}


def _convolution(args: Sequence[Any], out: Any) -> Cost:
    """Each output element (each input element of a transposed one) meets one filter: C / groups * kernel weights."""
    image, weight, bias, transposed = args[0], args[1], args[2], bool(args[6])
    count = image.numel() if transposed else first_tensor(out).numel()
    return _products(count * weight[0].numel(), out, bias=bias is not None, convolutions=1)


def _packed_convolution(args: Sequence[Any], out: Any) -> Cost:
    """mkldnn_convolution: never transposed."""
    weight = args[1]
    return _products(first_tensor(out).numel() * weight[0].numel(), out, bias=args[2] is not None, convolutions=1)


def _convolution_of_times(args: Sequence[Any], out: Any) -> Cost:
    """conv_tbc: (T, N, C) with filters (K, C, C'), and a bias always."""
    taps, channels, _ = args[1].shape
    return _products(first_tensor(out).numel() * taps * channels, out, bias=True, convolutions=1)


def _matmul(args: Sequence[Any], out: Any) -> Cost:
    """mm, bmm, mv, dot: (..., n, k) times (..., k, m)."""
    return _products(_terms(args[0], args[1], out), out)


def _matmul_with_bias(args: Sequence[Any], out: Any) -> Cost:
    return _products(_terms(args[1], args[2], out), out, bias=True)


def _terms(left: Tensor, right: Tensor, out: Any) -> int:
    """The products that are added up; what a sparse matrix does not store takes part in none."""
    strided = left.layout == torch.strided, right.layout == torch.strided
    if all(strided):
        return first_tensor(out).numel() * left.shape[-1]
    if strided[1]:
        return elements(left) * (right.shape[-1] if right.dim() > 1 else 1)
    if strided[0]:
        return elements(right) * (left.shape[-2] if left.dim() > 1 else 1)
    inner = left.shape[-1]
    columns, rows = left.to_sparse()._indices()[-1], right.to_sparse()._indices()[-2]
    return int((columns.bincount(minlength=inner) * rows.bincount(minlength=inner)).sum())


def _addbmm(args: Sequence[Any], out: Any) -> Cost:
    return _products(args[1].numel() * args[2].shape[-1], out, bias=True)


def _outer(args: Sequence[Any], out: Any) -> Cost:  # noqa: ARG001
    return _products(first_tensor(out).numel(), out)


def _of_rows(bias: int | None = None) -> Rule:
    """Rows of k numbers, each output element from all of one row: the weight may be packed."""

    def rule(args: Sequence[Any], out: Any) -> Cost:
        biased = bias is not None and args[bias] is not None
        return _products(first_tensor(out).numel() * args[0].shape[-1], out, bias=biased)

    return rule


def _sampled(args: Sequence[Any], out: Any) -> Cost:
    """sparse_sampled_addmm: only where the first matrix has elements."""
    return _products(elements(args[0]) * args[1].shape[-1], out)


def _trilinear(args: Sequence[Any], out: Any) -> Cost:
    """Bilinear: sum_ij w_kij (x_i y_j): one multiply-accumulate for each weight, one product for each pair x_i y_j."""
    shapes = []
    for tensor, axes in zip(args[:3], args[3:6], strict=True):
        for axis in sorted(axes):
            tensor = tensor.unsqueeze(axis)
        shapes.append(tensor.shape)
    weights, pairs = (math.prod(map(max, *each)) for each in (shapes, (shapes[0], shapes[2])))  # sizes are 1 or agree
    return _products(weights, out) | {"mul_ops": pairs}


def _attention(args: Sequence[Any], out: Any) -> Cost:
    """softmax(Q K') V, whatever kernel does it; masks save nothing here, as kernels differ in what they skip."""
    query, key, value = args[0], args[1], args[2]
    scores = math.prod(query.shape[:-1]) * key.shape[-2]
    return _products(scores * (query.shape[-1] + value.shape[-1]), out) | {"act_ops": scores}


def _grouped_matmul(args: Sequence[Any], out: Any) -> Cost:
    """_grouped_mm: each row meets the matrix of its group; of two matrices the sum that is split into groups is the inner one."""
    left, right = args[0], args[1]
    split = left.dim() == right.dim() == 2
    return _products(left.numel() * right.shape[1] if split else out.numel() * left.shape[-1], out)


def _fused_attention(args: Sequence[Any], out: Any) -> Cost | None:
    """_native_multi_head_attention of an input with itself: projections, scores of every head, and the last projection."""
    return _self_attention(args[0], args[4], args[5], args[7], out)


def _fused_encoder_layer(args: Sequence[Any], out: Any) -> Cost | None:
    """_transformer_encoder_layer_fwd: that, two layer norms, two additions and two linear layers."""
    value, first, second = args[0], args[14], args[16]
    cost = _self_attention(value, args[2], args[3], args[5], out)
    if cost is None:
        return None
    rows, wide = value.numel() // value.shape[-1], first.shape[0] + second.shape[0]
    more = {"macs": rows * (first.numel() + second.numel()), "activations": rows * wide, "bias_ops": rows * wide}
    more |= {"act_ops": rows * first.shape[0], "norm_ops": 2 * 5 * value.numel(), "add_ops": 2 * value.numel()}
    return {column: cost.get(column, 0) + more.get(column, 0) for column in {**cost, **more}}


def _self_attention(value: Tensor, heads: int, into: Tensor, outof: Tensor, out: Any) -> Cost | None:
    if value.is_nested or first_tensor(out).is_nested:  # of sequences of several lengths
        return None
    count, length, wide = value.shape
    rows, pairs = count * length, count * length * length
    put_out = rows * (into.shape[0] + outof.shape[0])
    return {
        "macs": rows * (into.numel() + outof.numel()) + 2 * pairs * wide,
        "activations": put_out + pairs * heads + rows * wide,
        "bias_ops": put_out,
        "act_ops": pairs * heads,
    }


def _convolution_backward(args: Sequence[Any], out: Any) -> Cost:  # noqa: ARG001
    """Of the gradients of input and weight those that are asked for, each of as many products as the convolution itself."""
    gradient, image, weight, transposed, mask = args[0], args[1], args[2], bool(args[7]), args[10]
    count = image.numel() if transposed else gradient.numel()
    return {"macs": count * weight[0].numel() * (bool(mask[0]) + bool(mask[1]))}


def _attention_backward(args: Sequence[Any], out: Any) -> Cost:  # noqa: ARG001
    """softmax(Q K') V: the gradients of Q, K, V and of the scores. Scores that a kernel works out again do not count, as what
    masks save does not: a module that runs without contents has no such kernel.
    """
    query, key, value = args[1], args[2], args[3]
    scores = math.prod(query.shape[:-1]) * key.shape[-2]
    return {"macs": 2 * scores * (query.shape[-1] + value.shape[-1])}


def _lstm_layer(args: Sequence[Any], out: Any) -> Cost:  # noqa: ARG001
    """One direction of an LSTM layer over T steps of N sequences."""
    return layer_cost("lstm", math.prod(args[0].shape[:2]), args[1], args[2], biased=bool(args[12]))


def _quantised(*, convolutions: int = 0, transposed: bool = False, act: bool = False) -> Rule:
    """A layer whose weight and bias are in one packed object."""

    def rule(args: Sequence[Any], out: Any) -> Cost:
        weight, *biases = unpacked(args[1])
        result = first_tensor(out)
        count = args[0].numel() if transposed else result.numel()
        cost = _products(count * weight[0].numel(), out, bias=bool(biases), convolutions=convolutions)
        return cost | ({"act_ops": result.numel()} if act else {})

    return rule


def _quantised_recurrent(kind: str) -> Rule:
    """Layers of packed cells: in each, biases and packed weights from input and from state."""

    def rule(args: Sequence[Any], out: Any) -> Cost:  # noqa: ARG001
        packed = isinstance(args[1], Tensor) and isinstance(args[3], (list, tuple))  # batch sizes come second
        cells = args[3] if packed else args[2]
        rows = args[0].shape[0] if packed else math.prod(args[0].shape[:2])
        total: Cost = {}
        for cell in cells:
            tensors = unpacked(cell)
            weights = [tensor for tensor in tensors if tensor.dim() == 2]
            cost = layer_cost(kind, rows, weights[0], weights[1], biased=len(tensors) > len(weights))
            total = {column: total.get(column, 0) + count for column, count in cost.items()}
        return total

    return rule


def _quantised_layers() -> dict[str, Rule]:
    rules: dict[str, Rule] = {}
    for name, act in (("", False), ("_relu", True)):
        for suffix in ("", "_dynamic", "_dynamic_fp16"):
            rules[f"quantized.linear{name}{suffix}"] = _quantised(act=act)
        for axes in ("1d", "2d", "3d"):
            rules[f"quantized.conv{axes}{name}"] = _quantised(convolutions=1, act=act)
    rules |= {f"quantized.linear_{name}": _quantised(act=True) for name in ("leaky_relu", "tanh")}
    for axes in ("1d", "2d", "3d"):
        rules[f"quantized.conv{axes}_dynamic"] = _quantised(convolutions=1)
        for suffix in ("", "_dynamic"):
            rules[f"quantized.conv_transpose{axes}{suffix}"] = _quantised(convolutions=1, transposed=True)
    return rules


_GROUPS: tuple[tuple[str, Rule], ...] = (
    ("convolution convolution_overrideable _convolution", _convolution),
    ("mkldnn_convolution", _packed_convolution),
    ("conv_tbc", _convolution_of_times),
    ("mm bmm mv dot vdot _int_mm _sparse_sparse_matmul hspmm _sparse_mm_reduce_impl", _matmul),
    ("addmm baddbmm addmv _sparse_addmm _addmm_activation sspaddmm", _matmul_with_bias),
    ("addbmm", _addbmm),
    ("addr", _outer),
    ("sparse_sampled_addmm", _sampled),
    ("mkldnn_linear linear", _of_rows(bias=2)),
    ("_weight_int8pack_mm _weight_int4pack_mm _weight_int4pack_mm_for_cpu affine_grid_generator", _of_rows()),
    ("_trilinear", _trilinear),
    ("_grouped_mm", _grouped_matmul),
    ("_native_multi_head_attention", _fused_attention),
    ("_transformer_encoder_layer_fwd", _fused_encoder_layer),
    (
        "_scaled_dot_product_flash_attention _scaled_dot_product_flash_attention_for_cpu _scaled_dot_product_cudnn_attention"
        " _scaled_dot_product_efficient_attention _scaled_dot_product_fused_attention_overrideable"
        " _scaled_dot_product_attention_math _scaled_dot_product_attention_math_for_mps",
        _attention,
    ),
    ("convolution_backward convolution_backward_overrideable", _convolution_backward),
    (
        "_scaled_dot_product_flash_attention_backward _scaled_dot_product_flash_attention_for_cpu_backward"
        " _scaled_dot_product_cudnn_attention_backward _scaled_dot_product_efficient_attention_backward",
        _attention_backward,
    ),
    ("mkldnn_rnn_layer", _lstm_layer),
    ("quantized_lstm", _quantised_recurrent("lstm")),
    ("quantized_gru", _quantised_recurrent("gru")),
)

PRODUCT_RULES: dict[str, Rule] = {
    **{f"aten.{name}": rule for names, rule in _GROUPS for name in names.split()},
    "higher_order.flex_attention": _attention,
    **_quantised_layers(),
}
"""Operator -> its rule."""
