"""What torch's fused attention holds while it runs: one operator, within which queries, scores and hidden layers are allocated
and given back as in the layers that it stands for.

    _native_multi_head_attention     6 inputs where queries, keys and values are laid out by heads; 3 and the scores behind that
    _transformer_encoder_layer_fwd   that, or the hidden layer with its input and output; one more where norms come first

in bytes of one input (N, T, C), scores being (N, heads, T, T). A mask takes a second copy of the scores, and where it is one of
(T, T) also a copy of the mask for each head. That is what torch does on the CPU; elsewhere it has kernels that hold no scores.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

__all__ = ["FUSED", "bytes_inside"]

FUSED = (torch.ops.aten._native_multi_head_attention.default, torch.ops.aten._transformer_encoder_layer_fwd.default)
_OF_PAIRS = 2
"""The type of a mask of (T, T), spread over the heads."""


def bytes_inside(func: Any, args: Any, kwargs: Any) -> int | None:
    """The most bytes that one of `FUSED` holds at once beside what came in; None where that is not known."""
    names = [argument.name for argument in func._schema.arguments]
    given = {**dict(zip(names, args, strict=False)), **kwargs}
    value: Tensor = given["query"] if func is FUSED[0] else given["src"]
    if value.device.type != "cpu" or value.is_nested:
        return None
    mask, of_pairs = given.get("mask"), given.get("mask_type") == _OF_PAIRS
    if func is FUSED[0]:
        heads, is_mean = given["num_head"], given.get("average_attn_weights", True)
        return _attention(
            value, heads, mask, of_pairs=of_pairs, weights=given.get("need_weights", True), is_mean=is_mean
        )
    size: int = value.numel() * value.element_size()
    attention = _attention(value, given["num_heads"], mask, of_pairs=of_pairs, weights=False, is_mean=False)
    hidden: int = size // value.shape[-1] * given["ffn_weight_1"].shape[0]
    return max(attention, 2 * size + hidden) + size * bool(given["norm_first"])


def _attention(value: Tensor, heads: int, mask: Tensor | None, *, of_pairs: bool, weights: bool, is_mean: bool) -> int:
    """The same of attention. weights: whether the scores are put out, is_mean: as their mean over heads."""
    size = value.numel() * value.element_size()
    pairs = value.shape[0] * heads * value.shape[1] ** 2
    scores = pairs * value.element_size()
    masked = 0 if mask is None else scores + (pairs if of_pairs else 0)
    most = max(6 * size, 3 * size + scores + masked)
    if not weights:
        return most
    return max(most, 5 * size + scores, 4 * size + scores + (scores // heads if is_mean else 0))
