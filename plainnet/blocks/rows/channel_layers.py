"""Leaves of networks of the kind of ConvNeXt: norms over the channels of each place, a scale for each channel, patches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from plainnet.blocks.rows.layer_arguments import Axis, LayerError, need_map, need_positive, square, window
from plainnet.blocks.rows.layers import Conv, Leaf
from plainnet.blocks.rows.shapes import Shape

__all__ = ["LAYER_NORM_EPS", "LAYER_SCALE_START", "ChannelScale", "LayerNorm", "PatchConv"]

LAYER_NORM_EPS = 1e-6
"""The epsilon of layer norms, as ConvNeXt was trained with it."""
LAYER_SCALE_START = 1e-6
"""What each scale of a channel begins with (Touvron et al., ICCV 2021; ConvNeXt)."""


@dataclass(frozen=True, slots=True)
class LayerNorm(Leaf):
    """Layer normalisation over the channels of each place of a map, or the features of a vector: of mean 0 and variance 1, with a
    learnable scale and shift for each channel.
    """

    stem: ClassVar[str] = "ln"
    has_theory: ClassVar[bool] = False

    def out_shape(self, shape: Shape) -> Shape:
        return shape


@dataclass(frozen=True, slots=True)
class ChannelScale(Leaf):
    """x * w with a learnable number w for each channel, which begins with `LAYER_SCALE_START`."""

    stem: ClassVar[str] = "scale"
    has_theory: ClassVar[bool] = False

    def out_shape(self, shape: Shape) -> Shape:
        return shape


@dataclass(frozen=True, slots=True)
class PatchConv(Conv):
    """A convolution of windows that lie side by side, without padding: stride and kernel are equal, and R becomes R // k."""

    def __post_init__(self) -> None:
        need_positive(self, "out_channels", "kernel_size", "stride", "groups")
        if self.stride != self.kernel_size:
            raise LayerError(
                f"PatchConv: kernel_size is {self.kernel_size} and stride {self.stride}", "accepted: equal ones"
            )

    @property
    def padding(self) -> int:
        return 0

    def axes(self) -> tuple[Axis, Axis]:
        return square(self.kernel_size, self.stride, 0)

    def out_shape(self, shape: Shape) -> Shape:
        need_map(shape, "a convolution")
        if shape.channels % self.groups or self.out_channels % self.groups:
            raise LayerError(
                f"{self.groups} groups divide neither evenly: {shape.channels} channels in, {self.out_channels} channels out",
                "accepted: a number of groups that divides both",
            )
        height, width = (window(size, self.kernel_size, self.stride, 0) for size in shape[1:])
        if height < 1 or width < 1:
            raise LayerError(
                f"patches of {self.kernel_size}x{self.kernel_size} do not fit on a map of {shape.height}x{shape.width}"
            )
        return Shape(self.out_channels, height, width)
