"""More leaves: convolutions with windows of any kind, and layers that change the size of a map or take a part of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from plainnet.blocks.rows.layer_arguments import (
    Axis,
    LayerError,
    need_map,
    need_one_of,
    need_positive,
    need_whole,
    window,
)
from plainnet.blocks.rows.layers import Conv, Leaf
from plainnet.blocks.rows.shapes import Shape

__all__ = ["ConvTranspose", "Narrow", "Resize", "Shift", "WindowConv", "Zero"]


@dataclass(frozen=True, slots=True)
class WindowConv(Conv):
    """A convolution of kernel_size x kernel_width taps that stand `dilation` apart, zero padded by dilation * (k - 1) // 2 along
    each axis: an odd kernel of stride s maps R to ceil(R / s).
    """

    kernel_width: int = 1
    dilation: int = 1

    def __post_init__(self) -> None:
        need_positive(self, "out_channels", "kernel_size", "kernel_width", "stride", "groups", "dilation")

    @property
    def padding(self) -> int:
        raise TypeError("a WindowConv has a padding for each axis: ask axes()")

    @property
    def taps(self) -> int:
        return self.kernel_size * self.kernel_width

    def axes(self) -> tuple[Axis, Axis]:
        height, width = (
            Axis(kernel, self.stride, self.dilation * (kernel - 1) // 2, self.dilation)
            for kernel in (self.kernel_size, self.kernel_width)
        )
        return height, width

    def out_shape(self, shape: Shape) -> Shape:
        need_map(shape, "a convolution")
        if shape.channels % self.groups or self.out_channels % self.groups:
            raise LayerError(
                f"{self.groups} groups divide neither evenly: {shape.channels} channels in, {self.out_channels} channels out",
                "accepted: a number of groups that divides both",
            )
        height, width = (
            window(size, axis.reach + 1, axis.stride, axis.padding)
            for size, axis in zip(shape[1:], self.axes(), strict=True)
        )
        if height < 1 or width < 1:
            what = f"{self.kernel_size}x{self.kernel_width} convolution of dilation {self.dilation}"
            raise LayerError(f"a {what} has no output on a map of {shape.height}x{shape.width}")
        return Shape(self.out_channels, height, width)


@dataclass(frozen=True, slots=True)
class ConvTranspose(Leaf):
    """A transposed convolution that maps R to R * stride: padding and output padding follow from kernel and stride."""

    stem: ClassVar[str] = "deconv"
    out_channels: int
    kernel_size: int
    stride: int
    bias: bool = False

    def __post_init__(self) -> None:
        need_positive(self, "out_channels", "kernel_size", "stride")
        if self.stride == 1 and self.kernel_size % 2 == 0:
            raise LayerError(
                f"ConvTranspose: kernel_size is {self.kernel_size} at stride 1, which leaves no size unchanged",
                "accepted: an odd kernel, or a stride of 2 or more",
            )

    @property
    def padding(self) -> int:
        return max(0, (self.kernel_size - self.stride + 1) // 2)

    @property
    def output_padding(self) -> int:
        return self.stride - self.kernel_size + 2 * self.padding

    def out_shape(self, shape: Shape) -> Shape:
        need_map(shape, "a transposed convolution")
        return Shape(self.out_channels, shape.height * self.stride, shape.width * self.stride)


@dataclass(frozen=True, slots=True)
class Resize(Leaf):
    """A map `scale` times as high and wide: the nearest place's value, or bilinear with half-pixel centres (torch's
    `align_corners=False`).
    """

    stem: ClassVar[str] = "up"
    scale: int
    mode: str = "nearest"

    def __post_init__(self) -> None:
        need_positive(self, "scale")
        need_one_of(self, "mode", ("nearest", "bilinear"))

    def out_shape(self, shape: Shape) -> Shape:
        need_map(shape, "upsampling")
        return Shape(shape.channels, shape.height * self.scale, shape.width * self.scale)


@dataclass(frozen=True, slots=True)
class Narrow(Leaf):
    """The channels first .. first + out_channels - 1 of a map or a vector."""

    stem: ClassVar[str] = "part"
    first: int
    out_channels: int

    def __post_init__(self) -> None:
        need_whole(self, "first")
        need_positive(self, "out_channels")

    def out_shape(self, shape: Shape) -> Shape:
        if self.first + self.out_channels > shape.channels:
            raise LayerError(
                f"{self.out_channels} channels from number {self.first} on are not among {shape.channels} channels"
            )
        return Shape(self.out_channels, *shape[1:])


@dataclass(frozen=True, slots=True)
class Shift(Leaf):
    """A map without its first row and column: what a convolution of stride 2 then sees are the places between (DARTS)."""

    stem: ClassVar[str] = "shift"

    def out_shape(self, shape: Shape) -> Shape:
        need_map(shape, "a shift")
        if shape.height < 2 or shape.width < 2:
            raise LayerError(
                f"nothing is left of a map of {shape.height}x{shape.width} without its first row and column"
            )
        return Shape(shape.channels, shape.height - 1, shape.width - 1)


@dataclass(frozen=True, slots=True)
class Zero(Leaf):
    """Zeros in the shape that a 1x1 window of a stride would leave."""

    stem: ClassVar[str] = "zero"
    reads: ClassVar[bool] = False
    stride: int = 1

    def __post_init__(self) -> None:
        need_positive(self, "stride")

    def out_shape(self, shape: Shape) -> Shape:
        need_map(shape, "a zero")
        return Shape(shape.channels, -(-shape.height // self.stride), -(-shape.width // self.stride))
