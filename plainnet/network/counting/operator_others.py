"""Costs of operators without multiply-accumulates: norms, activations, pooling, elementwise ones, and what costs nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from plainnet.network.counting.operator_products import Cost, Rule, elements, first_tensor

__all__ = ["OTHER_RULES", "free"]


def _norm_with_fixed_statistics(args: Sequence[Any], out: Any) -> Cost:
    """2 per element: scale and shift; 3 more where mean and variance are worked out (the sums of x and of x * x)."""
    fixed = isinstance(args[3], Tensor) and not args[5]  # running mean, training
    return {"norm_ops": (2 if fixed else 5) * elements(first_tensor(out))}


def _norm(args: Sequence[Any], out: Any) -> Cost:  # noqa: ARG001
    return {"norm_ops": 5 * elements(first_tensor(out))}


def _scale_and_shift(args: Sequence[Any], out: Any) -> Cost:  # noqa: ARG001
    return {"norm_ops": 2 * elements(first_tensor(out))}


def _window_pool(axes: int) -> Rule:
    """1 per element of every window; a kernel of one number counts for every axis."""

    def rule(args: Sequence[Any], out: Any) -> Cost:
        kernel = list(args[1])
        return {
            "pool_ops": elements(first_tensor(out)) * (math.prod(kernel) if len(kernel) == axes else kernel[0] ** axes)
        }

    return rule


def _adaptive_pool(args: Sequence[Any], out: Any) -> Cost:
    """1 per element of every window; window i of m over n elements goes from floor(i n / m) to ceil((i + 1) n / m)."""
    image, sizes = args[0], list(args[1])
    axes = image.shape[-len(sizes) :]
    taps = [
        sum(-(-(i + 1) * n // m) - i * n // m for i in range(m))
        for n, m in zip(axes, first_tensor(out).shape[-len(sizes) :], strict=True)
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

    def rule(args: Sequence[Any], out: Any) -> dict[str, int]:  # noqa: ARG001
        count = elements(first_tensor(out))
        return {"mul_ops": taps * count, "add_ops": (taps - 1) * count}

    return rule


def _per_output(column: str) -> Rule:
    return lambda args, out: {column: elements(first_tensor(out))}  # noqa: ARG005


def _per_input(column: str) -> Rule:
    return lambda args, out: {column: elements(args[0])}  # noqa: ARG005


def _grid_sample(axes: int) -> Rule:
    """Interpolation at free places: 0 bilinear, 1 nearest, 2 bicubic."""

    def rule(args: Sequence[Any], out: Any) -> Cost:
        taps = {0: 2**axes, 1: 1, 2: 4**axes}[args[2]]
        return {"other_ops": (2 * taps - 1) * first_tensor(out).numel()} if taps > 1 else {}

    return rule


def _scattered(args: Sequence[Any], out: Any) -> Cost:  # noqa: ARG001
    """One operation for each element that is added to another (or multiplied with it, ...)."""
    return {"other_ops": elements(args[3])}


def _bag(args: Sequence[Any], out: Any) -> Cost:  # noqa: ARG001
    """The rows of an embedding added up, each multiplied with its weight where there are weights."""
    taken = args[1].numel() * args[0].shape[1]
    weighted = len(args) > 6 and args[6] is not None
    return {"other_ops": taken * (2 if weighted else 1)}


def _labels(args: Sequence[Any], out: Any) -> Cost:  # noqa: ARG001
    """One number looked up and added for each label."""
    return {"other_ops": args[1].numel()}


def _weight_norm(args: Sequence[Any], out: Any) -> Cost:  # noqa: ARG001
    """g v / |v|: each element squared, added up and scaled."""
    return {"other_ops": 3 * args[0].numel()}


def _sort(args: Sequence[Any], out: Any) -> Cost | None:  # noqa: ARG001
    """What sorting costs depends on the data; sorting one element costs nothing."""
    axis = next((arg for arg in args[1:] if isinstance(arg, int) and not isinstance(arg, bool)), -1)
    return {} if args[0].dim() == 0 or args[0].shape[axis] <= 1 else None


_GROUPS: tuple[tuple[str, Rule], ...] = (
    (
        "native_batch_norm cudnn_batch_norm _native_batch_norm_legit quantized_batch_norm",
        _norm_with_fixed_statistics,
    ),
    ("_native_batch_norm_legit_no_training _batch_norm_no_update", _scale_and_shift),
    ("native_layer_norm native_group_norm _fused_rms_norm _batch_norm_with_update", _norm),
    ("max_pool2d_with_indices max_pool2d avg_pool2d quantized_max_pool2d mkldnn_max_pool2d", _window_pool(2)),
    ("max_pool3d_with_indices max_pool3d avg_pool3d quantized_max_pool3d mkldnn_max_pool3d", _window_pool(3)),
    (
        "_adaptive_avg_pool2d _adaptive_avg_pool3d adaptive_max_pool2d adaptive_max_pool3d mkldnn_adaptive_avg_pool2d",
        _adaptive_pool,
    ),
    ("mean", _mean),
    (
        "relu relu6 hardtanh leaky_relu silu hardswish gelu sigmoid hardsigmoid tanh elu celu mish softplus glu"
        " log_sigmoid_forward _prelu_kernel threshold hardshrink softshrink clamp clamp_min clamp_max"
        " _softmax _log_softmax _safe_softmax _masked_softmax rrelu_with_noise _sparse_softmax _sparse_log_softmax",
        _per_output("act_ops"),
    ),
    ("add sub rsub", _per_output("add_ops")),
    ("mul div", _per_output("mul_ops")),
    ("upsample_linear1d", _interpolation(2)),
    ("upsample_bilinear2d _upsample_bilinear2d_aa", _interpolation(4)),
    ("upsample_trilinear3d", _interpolation(8)),
    ("upsample_bicubic2d _upsample_bicubic2d_aa", _interpolation(16)),
    ("grid_sampler_2d _grid_sampler_2d_cpu_fallback cudnn_grid_sampler", _grid_sample(2)),
    ("grid_sampler_3d", _grid_sample(3)),
    ("scatter_add index_add index_reduce scatter_reduce", _scattered),
    ("_embedding_bag _embedding_bag_forward_only", _bag),
    ("nll_loss_forward nll_loss2d_forward", _labels),
    ("_weight_norm_interface", _weight_norm),
    ("sort", _sort),
    (
        "cumsum cumprod logcumsumexp _logcumsumexp cummax cummin _cummax_helper _cummin_helper col2im trace nonzero bincount"
        " histc _is_all_true _is_any_true mse_loss smooth_l1_loss huber_loss soft_margin_loss binary_cross_entropy"
        " quantize_per_tensor quantize_per_channel quantize_per_tensor_dynamic dequantize _sparse_sum",
        _per_input("other_ops"),
    ),
    ("__irshift__ __ilshift__ floor_divide native_dropout _fused_dropout", _per_output("other_ops")),
)

_FREE_NAMES = """
    clone copy _to_copy lift lift_fresh lift_fresh_copy detach alias cat stack _stack _chunk_cat split unsafe_split
    unsafe_split_with_sizes index index_select index_put _index_put_impl _unsafe_index _unsafe_index_put _unsafe_masked_index
    gather scatter take put index_copy index_fill masked_select masked_scatter embedding constant_pad_nd reflection_pad1d
    reflection_pad2d reflection_pad3d replication_pad1d replication_pad2d replication_pad3d roll flip rot90 repeat
    repeat_interleave pixel_shuffle pixel_unshuffle channel_shuffle native_channel_shuffle im2col diag_embed block_diag
    diagonal_scatter as_strided_scatter select_scatter slice_scatter tril triu masked_fill max_unpool2d max_unpool3d
    upsample_nearest1d upsample_nearest2d upsample_nearest3d _upsample_nearest_exact1d _upsample_nearest_exact2d
    _upsample_nearest_exact3d _unsafe_view complex resize resize_as _resize_output set _pin_memory record_stream
    _mkldnn_reshape _mkldnn_transpose to_mkldnn _lazy_clone _pack_padded_sequence _jagged_to_padded_dense_forward
    _padded_dense_to_jagged_forward to_padded_tensor _to_dense _to_sparse _to_sparse_csr _to_sparse_csc _to_sparse_bsr
    _to_sparse_bsc _coalesce _coalesced sparse_mask sparse_coo_tensor sparse_compressed_tensor
    _sparse_coo_tensor_with_dims_and_tensors _sparse_coo_tensor_with_dims _sparse_compressed_tensor_with_dims
    _convert_indices_from_csr_to_coo _convert_indices_from_coo_to_csr _sparse_broadcast_to int_repr
    _make_per_tensor_quantized_tensor _make_per_channel_quantized_tensor

    zeros ones full empty empty_strided empty_permuted empty_quantized _empty_affine_quantized
    _empty_per_channel_affine_quantized new_zeros new_ones new_full new_empty new_empty_strided _new_zeros_with_same_feature_meta
    zeros_like ones_like full_like empty_like _efficientzerotensor arange range linspace logspace scalar_tensor eye fill zero
    tril_indices triu_indices hann_window hamming_window blackman_window bartlett_window kaiser_window
    normal uniform random bernoulli exponential geometric cauchy log_normal rand rand_like randn randn_like randint
    randint_like randperm poisson

    _local_scalar_dense equal allclose is_same_size is_set_to is_pinned is_coalesced _nnz _dimI _dimV dense_dim sparse_dim
    q_scale q_zero_point q_per_channel_scales q_per_channel_zero_points q_per_channel_axis qscheme
    _assert_async _assert_scalar _assert_tensor_metadata _functional_assert_async _functional_assert_scalar
    sym_constrain_range sym_constrain_range_for_size _functional_sym_constrain_range
    _functional_sym_constrain_range_for_size _has_same_storage_numel _fused_sdp_choice _print _make_dep_token
    _linalg_check_errors _validate_compressed_sparse_indices _use_cudnn_ctc_loss sym_size sym_stride sym_numel
    sym_storage_offset
"""
"""Data moved, made (at random as well) and looked at."""

_QUANTISED = {"add": "add_ops", "add_relu": "add_ops", "add_scalar": "add_ops", "mul": "mul_ops", "mul_relu": "mul_ops"}
_QUANTISED |= {"mul_scalar": "mul_ops"}
_QUANTISED |= dict.fromkeys(
    ("relu6", "hardswish", "elu", "celu", "leaky_relu", "sigmoid", "softmax", "clamp", "prelu"), "act_ops"
)


def free(args: Sequence[Any], out: Any) -> Cost:  # noqa: ARG001
    """The rule of what costs nothing."""
    return {}


OTHER_RULES: dict[str, Rule] = {
    **{f"aten.{name}": rule for names, rule in _GROUPS for name in names.split()},
    **{f"aten.{name}": free for name in _FREE_NAMES.split()},
    **{f"quantized.{name}": _per_output(column) for name, column in _QUANTISED.items()},
    **{f"prim.{name}": free for name in ("device", "layout")},
    "quantized.cat": free,
    "quantized.dropout": free,
}
"""Operator -> its rule."""
