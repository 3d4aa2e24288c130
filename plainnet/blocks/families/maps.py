"""Blocks that resize a map or take a part of it, and those that the cells of published search spaces are made of."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from plainnet.blocks.base import PlainNetBasicBlockClass
from plainnet.blocks.families.basic import Elementwise
from plainnet.blocks.fields import Channels, Dilation, First, Flag, Groups, KernelSize, Scale, Stride
from plainnet.blocks.rows import map_layers
from plainnet.blocks.rows.layers import Act, Concat, Conv, Layers, Norm

__all__ = [
    "ChannelSlice",
    "ConvHW",
    "ConvKXBias",
    "ConvTranspose",
    "FactorizedReduction",
    "Identity",
    "Upsample",
    "Zero",
]


class ConvKXBias(PlainNetBasicBlockClass):
    """A convolution with bias."""

    in_channels: Channels
    out_channels: Channels
    kernel_size: KernelSize
    stride: Stride

    def layers(self) -> Layers:
        return (Conv(self.out_channels, self.kernel_size, self.stride, bias=True),)


class ConvHW(PlainNetBasicBlockClass):
    """A convolution of kernel_height x kernel_width taps that stand `dilation` apart, padded by dilation * (k - 1) // 2 along
    each axis, in groups, with bias if the last argument is 1.
    """

    in_channels: Channels
    out_channels: Channels
    kernel_height: KernelSize
    kernel_width: KernelSize
    stride: Stride
    dilation: Dilation = 1
    groups: Groups = 1
    bias: Flag = 0

    def check(self) -> Iterator[str]:
        if self.in_channels % self.groups or self.out_channels % self.groups:
            yield f"{self.groups} groups do not divide {self.in_channels} and {self.out_channels} channels evenly"

    def layers(self) -> Layers:
        return (
            map_layers.WindowConv(
                self.out_channels,
                self.kernel_height,
                self.stride,
                self.groups,
                bool(self.bias),
                self.kernel_width,
                self.dilation,
            ),
        )


class ConvTranspose(PlainNetBasicBlockClass):
    """A transposed convolution that maps R to R * stride, with bias if the last argument is 1."""

    in_channels: Channels
    out_channels: Channels
    kernel_size: KernelSize
    stride: Stride
    bias: Flag = 0

    def check(self) -> Iterator[str]:
        if self.stride == 1 and self.kernel_size % 2 == 0:
            yield f"at stride 1 a kernel of {self.kernel_size} changes the size of the map; accepted: an odd one"

    def layers(self) -> Layers:
        return (map_layers.ConvTranspose(self.out_channels, self.kernel_size, self.stride, bool(self.bias)),)


class Upsample(Elementwise):
    """A map `scale` times as high and wide: the nearest value, or bilinear (half-pixel centres) if the last argument is 1."""

    scale: Scale
    bilinear: Flag = 0

    def layers(self) -> Layers:
        return (map_layers.Resize(self.scale, "bilinear" if self.bilinear else "nearest"),)


class Identity(Elementwise):
    """What comes in: a branch that changes nothing."""

    def layers(self) -> Layers:
        return (Act("identity"),)


class Zero(Elementwise):
    """Zeros, of the size that a stride leaves: the operation "none" of cell search spaces.

    Experimental: it came with the cells, and what it takes may still change.
    """

    stride: Stride = 1

    @cached_property
    def is_plain(self) -> bool:
        return False

    def layers(self) -> Layers:
        return (map_layers.Zero(self.stride),)


class ChannelSlice(PlainNetBasicBlockClass):
    """The out_channels channels from number `first` on (from the first one by default, as NAS-Bench-101 truncates).

    Experimental: it came with the cells, and what it takes may still change.
    """

    in_channels: Channels
    out_channels: Channels
    first: First = 0

    def check(self) -> Iterator[str]:
        if self.first + self.out_channels > self.in_channels:
            yield f"{self.out_channels} channels from number {self.first} on are not among {self.in_channels} channels"

    def layers(self) -> Layers:
        return (map_layers.Narrow(self.first, self.out_channels),)


class FactorizedReduction(PlainNetBasicBlockClass):
    """DARTS's factorised reduction: ReLU; two 1x1 convolutions of stride 2, one of them on the places between those of the other,
    side by side; batch norm. The map must have even sides.

    Experimental: it came with the cells, and what it takes may still change.
    """

    in_channels: Channels
    out_channels: Channels

    def check(self) -> Iterator[str]:
        if self.out_channels < 2:
            yield "two convolutions put out at least 2 channels"

    def layers(self) -> Layers:
        first = self.out_channels // 2
        parts = ((Conv(first, 1, 2),), (map_layers.Shift(), Conv(self.out_channels - first, 1, 2)))
        return (Act("relu"), Concat(parts), Norm())
