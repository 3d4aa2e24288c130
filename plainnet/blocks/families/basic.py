"""Basic blocks: one primitive layer each, or the few that always come together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Self

from plainnet.blocks.base import PlainNetBasicBlockClass
from plainnet.blocks.fields import Channels, Features, Flag, Groups, KernelSize, Probability, Size, Stride
from plainnet.blocks.rows import layers as primitives
from plainnet.blocks.rows.layers import Act, AdaptivePool, Conv, Layers, Norm, Pool, Scale, depthwise, squeeze_excite

__all__ = [
    "BN",
    "GELU",
    "RELU",
    "RELU6",
    "SE",
    "AdaptiveAvgPool",
    "AvgPool",
    "ConvDW",
    "ConvKX",
    "ConvKXBN",
    "ConvKXBNRELU",
    "ConvKXG",
    "Dropout",
    "Elementwise",
    "Flatten",
    "HardSigmoid",
    "HardSwish",
    "LeakyRELU",
    "Linear",
    "MaxPool",
    "Sigmoid",
    "SqueezeExcite",
    "SqueezeExciteHard",
    "SqueezeExciteSwish",
    "Swish",
    "Tanh",
]


class ConvKX(PlainNetBasicBlockClass):
    """A convolution without bias."""

    in_channels: Channels
    out_channels: Channels
    kernel_size: KernelSize
    stride: Stride

    def layers(self) -> Layers:
        return (Conv(self.out_channels, self.kernel_size, self.stride),)


class ConvKXG(PlainNetBasicBlockClass):
    """A convolution in groups, without bias: ConvKXG2, ConvKXG4, ConvKXG32, any number of groups."""

    name_template = "ConvKXG{groups}"

    groups: Groups
    in_channels: Channels
    out_channels: Channels
    kernel_size: KernelSize
    stride: Stride

    def check(self) -> Iterator[str]:
        if self.in_channels % self.groups or self.out_channels % self.groups:
            yield f"{self.groups} groups do not divide {self.in_channels} and {self.out_channels} channels evenly"

    def layers(self) -> Layers:
        return (Conv(self.out_channels, self.kernel_size, self.stride, groups=self.groups),)


class ConvKXBN(PlainNetBasicBlockClass):
    """A convolution and batch norm."""

    in_channels: Channels
    out_channels: Channels
    kernel_size: KernelSize
    stride: Stride

    def layers(self) -> Layers:
        return (Conv(self.out_channels, self.kernel_size, self.stride), Norm())


class ConvKXBNRELU(PlainNetBasicBlockClass):
    """A convolution, batch norm and ReLU (the stem and the last layer of the TinyNAS networks)."""

    in_channels: Channels
    out_channels: Channels
    kernel_size: KernelSize
    stride: Stride

    def layers(self) -> Layers:
        return (Conv(self.out_channels, self.kernel_size, self.stride), Norm(), Act("relu"))


class Elementwise(PlainNetBasicBlockClass, abstract=True):
    """A block that keeps its input's shape: what comes in goes out."""

    out_channels: Channels

    def channels_in(self) -> int | None:
        return self.out_channels if self.checks_channels else None

    def set_input_channels(self, channels: int) -> Self:
        return self.replace(out_channels=channels)


class ConvDW(Elementwise):
    """A depthwise convolution without bias: one filter for each channel."""

    kernel_size: KernelSize
    stride: Stride

    def layers(self) -> Layers:
        return (depthwise(self.out_channels, self.kernel_size, self.stride),)


class BN(Elementwise):
    """Batch norm."""

    def layers(self) -> Layers:
        return (Norm(),)


class _Activation(Elementwise, abstract=True):
    """An activation function. Its number of channels is an annotation: the published printer writes a wrong one in
    places.
    """

    checks_channels = False


class RELU(_Activation):
    """max(x, 0)."""

    def layers(self) -> Layers:
        return (Act("relu"),)


class Swish(_Activation):
    """x * sigmoid(x), also known as SiLU."""

    aliases = ("SiLU",)

    def layers(self) -> Layers:
        return (Act("silu"),)


class HardSwish(_Activation):
    """x * min(max(x + 3, 0), 6) / 6."""

    def layers(self) -> Layers:
        return (Act("hardswish"),)


class GELU(_Activation):
    """x * Phi(x), Phi being the normal distribution function."""

    def layers(self) -> Layers:
        return (Act("gelu"),)


class Sigmoid(_Activation):
    """1 / (1 + exp(-x))."""

    def layers(self) -> Layers:
        return (Act("sigmoid"),)


class HardSigmoid(_Activation):
    """min(max(x + 3, 0), 6) / 6."""

    def layers(self) -> Layers:
        return (Act("hardsigmoid"),)


class Tanh(_Activation):
    """The hyperbolic tangent."""

    def layers(self) -> Layers:
        return (Act("tanh"),)


class RELU6(_Activation):
    """min(max(x, 0), 6)."""

    def layers(self) -> Layers:
        return (Act("relu6"),)


class LeakyRELU(_Activation):
    """x where it is positive, 0.01 x elsewhere."""

    def layers(self) -> Layers:
        return (Act("leaky_relu"),)


class SE(Elementwise):
    """Squeeze-excite: global mean, 1x1 convolution to a quarter of the channels, batch norm, ReLU, 1x1 convolution,
    batch norm, sigmoid, product.
    """

    def layers(self) -> Layers:
        return (squeeze_excite(self.out_channels, max(1, round(0.25 * self.out_channels))),)


class _Gate(Elementwise, abstract=True):
    """Squeeze-excite without norms: global mean, 1x1 convolution with bias to `hidden_channels`, an activation, 1x1 convolution
    with bias, a gate, product.
    """

    hidden_channels: Channels
    activation: ClassVar[str] = "relu"
    gate: ClassVar[str] = "sigmoid"

    def layers(self) -> Layers:
        squeezed = (AdaptivePool(1), Conv(self.hidden_channels, bias=True), Act(self.activation))
        return (Scale((*squeezed, Conv(self.out_channels, bias=True), Act(self.gate))),)


class SqueezeExcite(_Gate):
    """Squeeze-excite without norms: global mean, 1x1 convolution with bias, ReLU, 1x1 convolution with bias, sigmoid, product
    (Hu et al. 2018; RegNetY).
    """


class SqueezeExciteSwish(_Gate):
    """`SqueezeExcite` with SiLU in place of ReLU (EfficientNet)."""

    activation = "silu"


class SqueezeExciteHard(_Gate):
    """`SqueezeExcite` with the hard sigmoid (MobileNetV3)."""

    gate = "hardsigmoid"


class Linear(PlainNetBasicBlockClass):
    """A fully connected layer on a vector, with bias if the third argument is 1."""

    in_features: Features
    out_features: Features
    bias: Flag

    def channels_in(self) -> int | None:
        return self.in_features

    def set_input_channels(self, channels: int) -> Self:
        return self.replace(in_features=channels)

    def channels_out(self, channels: int | None) -> int | None:  # noqa: ARG002
        return self.out_features

    def layers(self) -> Layers:
        return (primitives.Linear(self.out_features, bool(self.bias)),)


class MaxPool(Elementwise):
    """Max pooling, padded by (kernel_size - 1) // 2."""

    kernel_size: KernelSize
    stride: Stride

    def layers(self) -> Layers:
        return (Pool("max", self.kernel_size, self.stride),)


class AvgPool(Elementwise):
    """Average pooling, padded by (kernel_size - 1) // 2; padded elements are not counted."""

    kernel_size: KernelSize
    stride: Stride

    def layers(self) -> Layers:
        return (Pool("avg", self.kernel_size, self.stride),)


class AdaptiveAvgPool(Elementwise):
    """Average pooling to a map of output_size x output_size."""

    output_size: Size

    def layers(self) -> Layers:
        return (AdaptivePool(self.output_size),)


class Flatten(Elementwise):
    """A map as a vector of channels * height * width features; the argument is the number of channels that come in."""

    def channels_out(self, channels: int | None) -> int | None:  # noqa: ARG002
        return None

    def layers(self) -> Layers:
        return (primitives.Flatten(),)


class Dropout(Elementwise):
    """Zeroes elements with a probability in training."""

    checks_channels = False

    probability: Probability

    def layers(self) -> Layers:
        return (primitives.Dropout(self.probability),)
