"""The residual super blocks of the published ZenNets.

In all of them the first residual unit projects its shortcut (a 1x1 convolution with bias, and batch norm), and every
later unit projects where its shape changes. Source: Lin et al., Zen-NAS, ICCV 2021, arXiv:2102.01063, and the authors'
published strings.
"""

from __future__ import annotations

from plainnet.blocks.base import PlainNetBasicBlockClass
from plainnet.blocks.families.containers import projection
from plainnet.blocks.fields import Channels, Depth, KernelSize, Stride
from plainnet.blocks.rows.layers import Act, Add, Conv, Layers, Norm, Repeat, SqueezeExciteSlot, depthwise
from plainnet.blocks.rows.memo import shared

__all__ = ["SuperResBasic", "SuperResBottleneck", "SuperResIDW", "round_channels"]


def round_channels(channels: float, base: int = 8) -> int:
    """The multiple of `base` nearest to `channels` (half to even), at least `base`."""
    return max(base, round(channels / base) * base)


class _SuperRes(PlainNetBasicBlockClass, abstract=True):
    """A super block of residual units: its arguments in the string, in order."""

    in_channels: Channels
    out_channels: Channels
    stride: Stride
    bottleneck_channels: Channels
    sub_layers: Depth


class SuperResBasic(_SuperRes):
    """`sub_layers` basic residual units: two convolutions through a bottleneck, SuperResK3K3 for example."""

    name_template = "SuperResK{kernel_size}K{second_kernel_size}"
    name_choices = {"kernel_size": (3, 5, 7), "second_kernel_size": (3, 5, 7)}

    kernel_size: KernelSize
    second_kernel_size: KernelSize

    def layers(self) -> Layers:
        kernels = (self.kernel_size, self.second_kernel_size)
        first, later = _basic_units(self.bottleneck_channels, self.out_channels, *kernels, self.stride)
        return (*first, Repeat(self.sub_layers - 1, later))


@shared
def _basic_units(
    width: int, out_channels: int, kernel_size: int, second_kernel_size: int, stride: int
) -> tuple[Layers, Layers]:
    first, later = (_basic(width, out_channels, kernel_size, second_kernel_size, each) for each in (stride, 1))
    return (Add(first, projection(out_channels, stride)), Act()), (Add(later), Act())


@shared
def _basic(width: int, out_channels: int, kernel_size: int, second_kernel_size: int, stride: int) -> Layers:
    return (
        Conv(width, kernel_size, stride),
        Norm(),
        Act(),
        SqueezeExciteSlot(),
        Conv(out_channels, second_kernel_size),
        Norm(),
    )


class SuperResBottleneck(_SuperRes):
    """`sub_layers` pairs of bottleneck residual units, 1x1 - kxk - 1x1: SuperResK1K5K1 for example."""

    name_template = "SuperResK1K{kernel_size}K1"
    name_choices = {"kernel_size": (3, 5, 7)}

    kernel_size: KernelSize

    def layers(self) -> Layers:
        widths = (self.bottleneck_channels, self.out_channels)
        first, later = _bottleneck_units(*widths, self.kernel_size, self.stride)
        return (*first, Repeat(2 * self.sub_layers - 1, later))


@shared
def _bottleneck_units(width: int, out_channels: int, kernel_size: int, stride: int) -> tuple[Layers, Layers]:
    first, later = (_bottleneck(width, out_channels, kernel_size, each) for each in (stride, 1))
    return (Add(first, projection(out_channels, stride)), Act()), (Add(later), Act())


@shared
def _bottleneck(width: int, out_channels: int, kernel_size: int, stride: int) -> Layers:
    return (
        Conv(width),
        Norm(),
        Act(),
        Conv(width, kernel_size, stride),
        Norm(),
        Act(),
        SqueezeExciteSlot(),
        Conv(out_channels),
        Norm(),
    )


class SuperResIDW(_SuperRes):
    """`sub_layers` pairs of inverted residual units: in -> bottleneck -> out channels, each through a depthwise convolution.

    A unit that puts out c channels widens to `expansion` * c of them, rounded to a multiple of 8. SuperResIDWE4K7 has
    expansion 4, kernel 7.
    """

    name_template = "SuperResIDWE{expansion}K{kernel_size}"
    name_choices = {"expansion": (1, 2, 4, 6), "kernel_size": (3, 5, 7)}

    expansion: Depth
    kernel_size: KernelSize

    def layers(self) -> Layers:
        first = Add(
            self._body(self.bottleneck_channels, self.stride), projection(self.bottleneck_channels, self.stride)
        )
        into = self._unit(self.out_channels, self.bottleneck_channels)
        out = self._unit(self.bottleneck_channels, self.out_channels)
        return (first, Act(), *out, Repeat(self.sub_layers - 1, (*into, *out)))

    def _unit(self, in_channels: int, out_channels: int) -> Layers:
        skip = () if in_channels == out_channels else projection(out_channels, 1)
        return (Add(self._body(out_channels, 1), skip), Act())

    def _body(self, out_channels: int, stride: int) -> Layers:
        return _inverted(round_channels(self.expansion * out_channels), out_channels, self.kernel_size, stride)


@shared
def _inverted(width: int, out_channels: int, kernel_size: int, stride: int) -> Layers:
    return (
        Conv(width),
        Norm(),
        Act(),
        depthwise(width, kernel_size, stride),
        Norm(),
        Act(),
        SqueezeExciteSlot(),
        Conv(out_channels),
        Norm(),
    )
