"""Outputs of a convolution with weights from N(0, 1), drawn without drawing the weights.

Where a layer has fewer output positions than weights per output channel (the last stages at small resolutions), most of the
work is to draw weights. The outputs of one channel at n positions are w X, w from N(0, I_d), X the (d, n) matrix of what the
kernel sees at each position. That is a Gaussian vector with covariance X^T X = L L^T, so z L^T with z from N(0, I_n) has the
same distribution, and channels are independent: n numbers for each channel in place of d.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor
from torch.nn import functional

from plainnet.blocks.rows.layers import Conv
from plainnet.blocks.rows.map_layers import WindowConv
from plainnet.blocks.rows.walk import Row

__all__ = ["draw_outputs", "is_thin"]

_DRAW = 4.0
_MULTIPLY = 0.02
_MULTIPLY_DOUBLE = 0.04
"""Nanoseconds to draw a number, and for a multiply-accumulate in float32 and in float64; only their ratios matter."""


def is_thin(row: Row, layer: Conv, images: int) -> bool:
    """Whether drawing the outputs of `images` images costs less than drawing the weights."""
    if layer.groups != 1 or isinstance(layer, WindowConv):
        return False
    positions = images * row.out_shape.height * row.out_shape.width
    fan_in = row.in_shape.channels * layer.taps
    if 2 * positions > fan_in:
        return False
    direct = layer.out_channels * fan_in * (_DRAW + _MULTIPLY * positions)
    through_covariance = positions**2 * fan_in * _MULTIPLY_DOUBLE + layer.out_channels * positions * _DRAW
    return through_covariance < direct


def draw_outputs(row: Row, layer: Conv, x: Tensor, streams: int, generator: Generator) -> Tensor | None:
    """The outputs for x, in which streams are stacked along the batch; None if the positions are linearly dependent.

    Streams that are almost equal stay accurate: all but the first enter as differences from it, in float64.
    """
    first, *others = x.chunk(streams)
    stacked = torch.cat([first, *(stream - first for stream in others)])
    patches = functional.unfold(stacked, layer.kernel_size, padding=layer.padding, stride=layer.stride)
    seen = patches.transpose(1, 2).reshape(-1, patches.shape[1]).double()
    factor, failed = torch.linalg.cholesky_ex(seen @ seen.T)
    if int(failed):
        return None
    numbers = torch.empty(len(seen), layer.out_channels, device=x.device, dtype=x.dtype)
    drawn = factor @ numbers.normal_(generator=generator).double()
    maps = drawn.view(len(x), row.out_shape.height, row.out_shape.width, -1).permute(0, 3, 1, 2)
    start, *differences = maps.chunk(streams)
    out = torch.cat([start, *(start + difference for difference in differences)])
    return out.to(x.dtype, memory_format=torch.channels_last)
