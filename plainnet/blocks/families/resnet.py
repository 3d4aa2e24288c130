"""The residual stages of ResNet, with its own shortcuts.

A shortcut is the identity where the shape stays, and a 1x1 convolution without bias with batch norm where it changes;
the stride is on the first 3x3 of a basic unit and on the 3x3 of a bottleneck (as all current implementations have it).
Source: He et al., Deep Residual Learning for Image Recognition, CVPR 2016, arXiv:1512.03385; the inverted units: Lin et
al., Neural Architecture Design for GPU-Efficient Networks, arXiv:2006.14090.
"""

from __future__ import annotations

from plainnet.blocks.base import PlainNetBasicBlockClass
from plainnet.blocks.fields import Channels, Depth, KernelSize, Stride
from plainnet.blocks.rows.layers import Act, Add, Conv, Layers, Norm, Repeat, SqueezeExciteSlot, depthwise

__all__ = ["ResNetBasic", "ResNetBottleneck", "ResNetInverted"]


class _ResNetStage(PlainNetBasicBlockClass, abstract=True):
    """`sub_layers` residual units; the stride is that of the first."""

    in_channels: Channels
    out_channels: Channels
    stride: Stride
    bottleneck_channels: Channels
    sub_layers: Depth
    kernel_size: KernelSize

    def layers(self) -> Layers:
        changes = self.stride > 1 or self.in_channels != self.out_channels
        skip = (Conv(self.out_channels, 1, self.stride), Norm()) if changes else ()
        return (Add(self._body(self.stride), skip), Act(), Repeat(self.sub_layers - 1, (Add(self._body(1)), Act())))

    def _body(self, stride: int) -> Layers:
        raise NotImplementedError


class ResNetBasic(_ResNetStage):
    """Basic units, kxk - kxk: ResNetK3K3(64,128,2,128,2) is the second stage of ResNet-18."""

    name_template = "ResNetK{kernel_size}K{kernel_size}"
    name_choices = {"kernel_size": (3, 5, 7)}

    def _body(self, stride: int) -> Layers:
        first = (Conv(self.bottleneck_channels, self.kernel_size, stride), Norm(), Act(), SqueezeExciteSlot())
        return (*first, Conv(self.out_channels, self.kernel_size), Norm())


class ResNetBottleneck(_ResNetStage):
    """Bottleneck units, 1x1 - kxk - 1x1: ResNetK1K3K1(256,512,2,128,4) is the second stage of ResNet-50."""

    name_template = "ResNetK1K{kernel_size}K1"
    name_choices = {"kernel_size": (3, 5, 7)}

    def _body(self, stride: int) -> Layers:
        middle = (Conv(self.bottleneck_channels, self.kernel_size, stride), Norm(), Act(), SqueezeExciteSlot())
        return (Conv(self.bottleneck_channels), Norm(), Act(), *middle, Conv(self.out_channels), Norm())


class ResNetInverted(_ResNetStage):
    """Inverted units, 1x1 - depthwise kxk - 1x1: ResNetK1DW3K1(640,640,2,1920,5) is a stage of GENet-large."""

    name_template = "ResNetK1DW{kernel_size}K1"
    name_choices = {"kernel_size": (3, 5, 7)}

    def _body(self, stride: int) -> Layers:
        width = self.bottleneck_channels
        middle = (depthwise(width, self.kernel_size, stride), Norm(), Act(), SqueezeExciteSlot())
        return (Conv(width), Norm(), Act(), *middle, Conv(self.out_channels), Norm())
