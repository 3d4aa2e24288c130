"""The residual super blocks of TinyNAS, with its own shortcuts.

A shortcut here is average pooling 2x2 where the stride is 2, then a 1x1 convolution *without* bias and batch norm where
the channels change. SuperResK1KXK1 always projects in its first unit. The depthwise blocks have no shortcut at all
where the channels change. The pooling covers the last row and column of an odd map, so that it fits the convolutions
(the original fails there).
Source: Sun et al., MAE-DET, ICML 2022; Shen et al., DeepMAD, CVPR 2023; alibaba/lightweight-neural-architecture-search.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from plainnet.blocks.base import PlainNetBasicBlockClass
from plainnet.blocks.fields import Channels, Depth, KernelSize, Stride
from plainnet.blocks.rows.layers import (
    Act,
    AdaptivePool,
    Add,
    Conv,
    Layers,
    Norm,
    Pool,
    Repeat,
    Scale,
    depthwise,
)

__all__ = ["SuperResK1DWK1", "SuperResK1DWSEK1", "SuperResK1KX", "SuperResK1KXK1", "SuperResKXKX"]


class _TinySuperRes(PlainNetBasicBlockClass, abstract=True):
    """`sub_layers` residual units; the stride, 1 or 2, is that of the first."""

    in_channels: Channels
    out_channels: Channels
    kernel_size: KernelSize
    stride: Stride
    bottleneck_channels: Channels
    sub_layers: Depth

    def check(self) -> Iterator[str]:
        if self.stride > 2:
            yield f"stride is {self.stride}; accepted: 1 or 2 (its shortcut is a 2x2 average pooling)"
        if self.kernel_size % 2 == 0:
            yield f"kernel_size is {self.kernel_size}; accepted: an odd number"

    def layers(self) -> Layers:
        return (
            *self._unit(self.in_channels, self.stride),
            Repeat(self.sub_layers - 1, self._unit(self.out_channels, 1)),
        )

    def _unit(self, in_channels: int, stride: int) -> Layers:
        return (Add(self._body(stride), self._skip(in_channels, stride)), Act())

    def _skip(self, in_channels: int, stride: int) -> Layers:
        pool: Layers = (Pool("avg", 2, 2, ceil_mode=True),) if stride == 2 else ()
        return (*pool, Conv(self.out_channels), Norm()) if in_channels != self.out_channels else pool

    def _body(self, stride: int) -> Layers:
        raise NotImplementedError


class SuperResKXKX(_TinySuperRes):
    """Units of two kxk convolutions; the second one has the stride."""

    def _body(self, stride: int) -> Layers:
        first = (Conv(self.bottleneck_channels, self.kernel_size), Norm(), Act())
        return (*first, Conv(self.out_channels, self.kernel_size, stride), Norm())


class SuperResK1KX(_TinySuperRes):
    """Units of a 1x1 and a kxk convolution; the second one has the stride."""

    def _body(self, stride: int) -> Layers:
        return (
            Conv(self.bottleneck_channels),
            Norm(),
            Act(),
            Conv(self.out_channels, self.kernel_size, stride),
            Norm(),
        )


class SuperResK1KXK1(_TinySuperRes):
    """Bottleneck units, 1x1 - kxk - 1x1; the first unit always projects its shortcut."""

    def layers(self) -> Layers:
        pool: Layers = (Pool("avg", 2, 2, ceil_mode=True),) if self.stride == 2 else ()
        first = (Add(self._body(self.stride), (*pool, Conv(self.out_channels), Norm())), Act())
        return (*first, Repeat(self.sub_layers - 1, self._unit(self.out_channels, 1)))

    def _body(self, stride: int) -> Layers:
        middle = (Conv(self.bottleneck_channels, self.kernel_size, stride), Norm(), Act())
        return (Conv(self.bottleneck_channels), Norm(), Act(), *middle, Conv(self.out_channels), Norm())


class SuperResK1DWK1(_TinySuperRes):
    """Inverted units, 1x1 - depthwise kxk - 1x1; no shortcut where the channels change."""

    activation: ClassVar[str] = "relu"

    def _unit(self, in_channels: int, stride: int) -> Layers:
        if in_channels != self.out_channels:
            return (*self._body(stride), Act(self.activation))
        return (Add(self._body(stride), self._skip(in_channels, stride)), Act(self.activation))

    def _body(self, stride: int) -> Layers:
        width, act = self.bottleneck_channels, Act(self.activation)
        return (
            Conv(width),
            Norm(),
            act,
            depthwise(width, self.kernel_size, stride),
            Norm(),
            act,
            *self._gate(),
            Conv(self.out_channels),
            Norm(),
        )

    def _gate(self) -> Layers:
        return ()


class SuperResK1DWSEK1(SuperResK1DWK1):
    """SuperResK1DWK1 with squeeze-excite after the depthwise convolution, and SiLU in place of ReLU."""

    activation: ClassVar[str] = "silu"

    def _gate(self) -> Layers:
        width = self.bottleneck_channels
        hidden = max(1, round(0.25 * width) // 8) * 8
        net = (AdaptivePool(1), Conv(hidden), Norm(), Act("silu"), Conv(width), Norm(), Act("sigmoid"))
        return (Scale(net),)
