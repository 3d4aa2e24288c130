"""A network with random weights, run straight from its rows: no module is built.

Every weight is drawn from N(0, 1) at the moment when its layer runs, into one buffer that all layers share, and biases
are 0, so a network of any size needs the memory of its largest layer; where that is less work, a layer's outputs are drawn
in place of its weights (`plainnet.proxies.sampled.thin_layers`). Several inputs (the streams, stacked along the batch) go
through the same weights, each normalised by its own batch statistics. Maps are kept in channels-last order, in which
convolutions are faster on a CPU, and batch norms and ReLUs work in place.

Several networks (the copies) run at once as groups of channels, each with weights from a generator of its own: an
accelerator is then kept busy by networks that are too small for it. A copy's convolution is a group, or as many groups as
it has, and batch norms see no other copy's channels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Generator, Tensor
from torch.nn import functional

from plainnet.blocks.rows.layers import (
    Act,
    AdaptivePool,
    Add,
    Collect,
    Concat,
    Conv,
    Dropout,
    Flatten,
    Linear,
    Norm,
    Pool,
    Scale,
    Sum,
)
from plainnet.blocks.rows.map_layers import ConvTranspose, Narrow, Resize, Shift, Zero
from plainnet.blocks.rows.walk import INPUT, Row
from plainnet.errors import NoFeatureMapError
from plainnet.proxies.known_layers import need_theory
from plainnet.proxies.sampled.thin_layers import draw_outputs, is_thin

__all__ = ["NormRecord", "RandomNetwork", "by_copy", "feature_rows", "log"]

ACTIVATION_FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": functional.relu,
    "relu6": functional.relu6,
    "leaky_relu": functional.leaky_relu,
    "silu": functional.silu,
    "hardswish": functional.hardswish,
    "gelu": functional.gelu,
    "sigmoid": torch.sigmoid,
    "hardsigmoid": functional.hardsigmoid,
    "tanh": torch.tanh,
    "identity": lambda x: x,
}


@dataclass
class NormRecord:
    """The batch variances (biased, float64) of each stream at the input of one batch norm, (copies, C), and how many values
    each was taken from.
    """

    variances: list[Tensor]
    samples: int


@dataclass
class RandomNetwork:
    """Expanded rows that are run with weights from N(0, 1), one copy for each of `generators`; `norms` records what the
    batch norms of the last run saw.

    Dropout is left out: two passes are compared, and it would be the larger part of their difference.
    """

    rows: Sequence[Row]
    norm_eps: float
    generators: Sequence[Generator]
    device: torch.device
    dtype: torch.dtype = torch.float32
    streams: int = 2
    """how many inputs are stacked along the batch"""
    draws_outputs: bool = True
    """False draws the weights of every layer"""
    norms: list[NormRecord] = field(default_factory=list)

    def __post_init__(self) -> None:
        need_theory(self.rows)

    @property
    def copies(self) -> int:
        return len(self.generators)

    def run(self, x: Tensor) -> Tensor:
        """What the streams, stacked in x as (streams * N, copies * C, H, W), are at the end of the rows. x is used up."""
        self.norms = []
        last_use = _last_uses(self.rows)
        values: dict[int, Tensor] = {INPUT: x}
        size = self.copies * max(map(_weight_size, self.rows), default=0)
        weights = torch.empty(size, dtype=self.dtype, device=self.device)
        for number, row in enumerate(self.rows):
            if isinstance(row.layer, Zero):
                values[number] = x.new_zeros((len(x), self.copies * row.out_shape.channels, *row.out_shape[1:]))
                continue
            inputs = [values[index] for index in row.inputs]
            # the last row that uses a value may write over it
            is_free = all(last_use[index] == number for index in row.inputs)
            out = self._step(row, inputs, weights, in_place=is_free)
            if not is_free and any(out.data_ptr() == value.data_ptr() for value in inputs):
                out = out.clone()
            values[number] = out
            for index in row.inputs:
                if last_use[index] == number:
                    values.pop(index, None)
        return values[len(self.rows) - 1] if self.rows else x

    def _step(self, row: Row, inputs: list[Tensor], weights: Tensor, *, in_place: bool) -> Tensor:
        layer, x = row.layer, inputs[0]
        if isinstance(layer, Conv):
            return self._convolve(row, layer, x, weights)
        if isinstance(layer, ConvTranspose):
            return self._convolve_transposed(row, layer, x, weights)
        if isinstance(layer, Narrow):
            kept = by_copy(x, self.copies)[:, :, layer.first : layer.first + layer.out_channels]
            return kept.flatten(1, 2)
        if isinstance(layer, Norm):
            return self._normalize(x, in_place=in_place)
        if isinstance(layer, Linear):
            matrices = self._draw(row, weights).view(self.copies, layer.out_features, -1)
            return torch.einsum("nci,coi->nco", x.view(len(x), self.copies, -1), matrices).flatten(1)
        if isinstance(layer, Concat):
            return torch.cat([by_copy(part, self.copies) for part in inputs], dim=2).flatten(1, 2)
        if isinstance(layer, (Add, Sum, Scale)):
            return _JOINS[type(layer)](inputs)
        if in_place and isinstance(layer, Act) and layer.kind == "relu":
            return x.relu_()
        return _LEAVES[type(layer)](layer, x)

    def _draw(self, row: Row, weights: Tensor) -> Tensor:
        """The weights of a row, those of each copy from its own generator."""
        drawn = weights[: self.copies * _weight_size(row)]
        for part, generator in zip(drawn.chunk(self.copies), self.generators, strict=True):
            part.normal_(generator=generator)
        return drawn

    def _convolve(self, row: Row, layer: Conv, x: Tensor, weights: Tensor) -> Tensor:
        if self.draws_outputs and self.copies == 1 and is_thin(row, layer, len(x)):
            drawn = draw_outputs(row, layer, x, self.streams, self.generators[0])
            if drawn is not None:
                return drawn
        high, wide = layer.axes()
        incoming = row.in_shape.channels // layer.groups
        weight = self._draw(row, weights).view(-1, high.kernel_size, wide.kernel_size, incoming).permute(0, 3, 1, 2)
        padding = (high.padding, wide.padding)
        return functional.conv2d(x, weight, None, high.stride, padding, high.dilation, self.copies * layer.groups)

    def _convolve_transposed(self, row: Row, layer: ConvTranspose, x: Tensor, weights: Tensor) -> Tensor:
        size = layer.kernel_size
        weight = self._draw(row, weights).view(-1, layer.out_channels, size, size)
        options = (layer.stride, layer.padding, layer.output_padding)
        return functional.conv_transpose2d(x, weight, None, *options, groups=self.copies)

    def _normalize(self, x: Tensor, *, in_place: bool) -> Tensor:
        """Each stream by its own statistics."""
        out = x if in_place else torch.empty_like(x)
        variances = []
        for stream, place in zip(x.chunk(self.streams), out.chunk(self.streams), strict=True):
            statistics = [torch.empty(x.shape[1], dtype=x.dtype, device=x.device) for _ in range(2)]
            _, _, scale = torch.native_batch_norm(
                stream, None, None, None, None, True, 0.0, self.norm_eps, out=(place, *statistics)
            )
            variance = (scale.double() ** -2 - self.norm_eps).clamp_min_(0)
            variances.append(variance.view(self.copies, -1))
        self.norms.append(NormRecord(variances, x.numel() // self.streams // x.shape[1]))
        return out


def by_copy(x: Tensor, copies: int) -> Tensor:
    """(N, copies * C, ...) as (N, copies, C, ...)."""
    return x.reshape(len(x), copies, -1, *x.shape[2:])


def feature_rows(rows: Sequence[Row]) -> list[Row]:
    """The rows up to the feature map before pooling: a head at the end (global pooling, flatten, linear, and what follows
    them) is left out. Empty if there is nothing else.
    """
    kept = list(rows)
    if kept and isinstance(kept[-1].layer, Collect):
        names = ", ".join(kept[-1].layer.names)
        raise NoFeatureMapError(f"the score is of one feature map, and the network puts out several: {names}")
    while kept and (
        kept[-1].out_shape.is_vector
        or isinstance(kept[-1].layer, Dropout)
        or (isinstance(kept[-1].layer, AdaptivePool) and kept[-1].layer.output_size == 1)
    ):
        kept.pop()
    return kept


def _weight_size(row: Row) -> int:
    layer = row.layer
    if isinstance(layer, Conv):
        return layer.out_channels * (row.in_shape.channels // layer.groups) * layer.taps
    if isinstance(layer, ConvTranspose):
        return layer.out_channels * row.in_shape.channels * layer.kernel_size**2
    return row.in_shape.channels * layer.out_features if isinstance(layer, Linear) else 0


def _last_uses(rows: Sequence[Row]) -> dict[int, int]:
    """The number of the row that uses each value last."""
    return {index: number for number, row in enumerate(rows) for index in row.inputs}


def _pool(layer: Pool, x: Tensor) -> Tensor:
    if layer.kind == "max":
        return functional.max_pool2d(x, layer.kernel_size, layer.stride, layer.padding, ceil_mode=layer.ceil_mode)
    return functional.avg_pool2d(x, layer.kernel_size, layer.stride, layer.padding, layer.ceil_mode, False)


def _resize(layer: Resize, x: Tensor) -> Tensor:
    options = {"align_corners": False} if layer.mode == "bilinear" else {}
    return functional.interpolate(x, scale_factor=layer.scale, mode=layer.mode, **options)


_LEAVES: dict[type, Callable[[Any, Tensor], Tensor]] = {
    Act: lambda layer, x: ACTIVATION_FUNCTIONS[layer.kind](x),
    Pool: _pool,
    AdaptivePool: lambda layer, x: functional.adaptive_avg_pool2d(x, layer.output_size),
    Flatten: lambda layer, x: x.flatten(1),  # noqa: ARG005
    Resize: _resize,
    Shift: lambda layer, x: x[:, :, 1:, 1:],  # noqa: ARG005
    Dropout: lambda layer, x: x,  # noqa: ARG005
}

_JOINS: dict[type, Callable[[Sequence[Tensor]], Tensor]] = {
    Add: lambda parts: parts[0] + parts[1],
    Sum: lambda parts: sum(parts[1:], parts[0]),
    Scale: lambda parts: parts[0] * parts[1],
}


def log(value: float) -> float:
    """The natural logarithm, with log 0 = -inf, and NaN and infinity as they are."""
    if value > 0:
        return math.log(value)
    return -math.inf if value == 0 else math.nan
