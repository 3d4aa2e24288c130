"""The primitive layers: the small closed set that every block is made of.

A *leaf* (`Conv`, `Norm`, `Act`, `Pool`, `AdaptivePool`, `Flatten`, `Linear`, `Dropout`) maps one tensor to one tensor.
A *join* (`Add`, `Sum`, `Concat`, `Scale`) holds the branches that it joins. `Take` goes on with a value that an earlier
block put out, and `Collect` puts out several values. `Repeat` stands for its body written
`times` times, and `SqueezeExciteSlot` for the place where the variant `use_se` puts a gate. Layers do not repeat the
width of what comes in: it flows through the walk (`plainnet.blocks.rows.walk`). They hold no tensors and do not know torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Union

from plainnet.blocks.rows.layer_arguments import (
    Axis,
    LayerError,
    need_map,
    need_one_of,
    need_positive,
    need_whole,
    square,
    window,
)
from plainnet.blocks.rows.memo import Interned
from plainnet.blocks.rows.shapes import Shape

if TYPE_CHECKING:
    from plainnet.blocks.rows.block import Block

__all__ = [
    "ACTIVATIONS",
    "Act",
    "AdaptivePool",
    "Add",
    "Collect",
    "Concat",
    "Conv",
    "Dropout",
    "Flatten",
    "Layer",
    "LayerError",
    "Layers",
    "Leaf",
    "Linear",
    "Norm",
    "Pool",
    "Repeat",
    "Scale",
    "SqueezeExciteSlot",
    "Sum",
    "Take",
    "depthwise",
    "squeeze_excite",
]

ACTIVATIONS = ("relu", "relu6", "leaky_relu", "silu", "hardswish", "gelu", "sigmoid", "hardsigmoid", "tanh", "identity")
"""The activation functions that `Act` knows, by torch's names."""


class Leaf(metaclass=Interned):
    """A layer with one input and one output."""

    stem: ClassVar[str]
    """What the layer is called in paths and in the `state_dict`: conv1, bn1, act1, ..."""
    reads: ClassVar[bool] = True
    """False where the output does not depend on the input: what is for nothing else is then neither counted nor built."""
    has_theory: ClassVar[bool] = True
    """False where no score of untrained networks says what the layer does: such networks have none."""

    def out_shape(self, shape: Shape) -> Shape:
        """The output's shape for an input's shape; `LayerError` where there is none."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Conv(Leaf):
    """A square convolution, zero padded by (kernel_size - 1) // 2: an odd kernel of stride s maps R to ceil(R / s)."""

    stem: ClassVar[str] = "conv"
    out_channels: int
    kernel_size: int = 1
    stride: int = 1
    groups: int = 1
    bias: bool = False

    def __post_init__(self) -> None:
        need_positive(self, "out_channels", "kernel_size", "stride", "groups")

    @property
    def padding(self) -> int:
        return (self.kernel_size - 1) // 2

    @property
    def taps(self) -> int:
        """The weights of one filter for each channel that it sees."""
        return self.kernel_size * self.kernel_size

    def axes(self) -> tuple[Axis, Axis]:
        return square(self.kernel_size, self.stride, (self.kernel_size - 1) // 2)

    def out_shape(self, shape: Shape) -> Shape:
        channels, height, width = shape
        kernel_size, stride, groups = self.kernel_size, self.stride, self.groups
        padding = (kernel_size - 1) // 2
        if not height:
            need_map(shape, "a convolution")
        if groups != 1 and (channels % groups or self.out_channels % groups):
            raise LayerError(
                f"{groups} groups divide neither evenly: {channels} channels in, {self.out_channels} channels out",
                "accepted: a number of groups that divides both",
            )
        height = (height + 2 * padding - kernel_size) // stride + 1
        width = (width + 2 * padding - kernel_size) // stride + 1
        if height < 1 or width < 1:
            raise LayerError(
                f"a {kernel_size}x{kernel_size} convolution has no output on a map of {shape.height}x{shape.width}"
            )
        return Shape(self.out_channels, height, width)


def depthwise(channels: int, kernel_size: int, stride: int = 1) -> Conv:
    """A convolution with one filter for each channel."""
    return Conv(channels, kernel_size, stride, groups=channels)


@dataclass(frozen=True, slots=True)
class Norm(Leaf):
    """Batch normalisation with a learnable scale and shift for each channel."""

    stem: ClassVar[str] = "bn"

    def out_shape(self, shape: Shape) -> Shape:
        return shape


@dataclass(frozen=True, slots=True)
class Act(Leaf):
    """An activation function, one of `ACTIVATIONS`, on each element."""

    stem: ClassVar[str] = "act"
    kind: str = "relu"

    def __post_init__(self) -> None:
        need_one_of(self, "kind", ACTIVATIONS)

    def out_shape(self, shape: Shape) -> Shape:
        return shape


@dataclass(frozen=True, slots=True)
class Pool(Leaf):
    """Max or average pooling over square windows.

    `padding` defaults to (kernel_size - 1) // 2, as for a convolution; an average never counts padded elements. With
    `ceil_mode` the last window may hang over the edge, so that an even kernel of stride s maps R to ceil(R / s) as a
    convolution does.
    """

    stem: ClassVar[str] = "pool"
    kind: str
    kernel_size: int
    stride: int
    ceil_mode: bool = False

    def __post_init__(self) -> None:
        need_one_of(self, "kind", ("max", "avg"))
        need_positive(self, "kernel_size", "stride")

    @property
    def padding(self) -> int:
        return (self.kernel_size - 1) // 2

    def axes(self) -> tuple[Axis, Axis]:
        return square(self.kernel_size, self.stride, (self.kernel_size - 1) // 2)

    def _size(self, size: int) -> int:
        if not self.ceil_mode:
            return window(size, self.kernel_size, self.stride, self.padding)
        out = -((self.kernel_size - size - 2 * self.padding) // self.stride) + 1
        return out - 1 if (out - 1) * self.stride >= size + self.padding else out

    def out_shape(self, shape: Shape) -> Shape:
        need_map(shape, "pooling")
        height, width = self._size(shape.height), self._size(shape.width)
        if height < 1 or width < 1:
            raise LayerError(
                f"{self.kernel_size}x{self.kernel_size} pooling has no output on a map of {shape.height}x{shape.width}"
            )
        return Shape(shape.channels, height, width)


@dataclass(frozen=True, slots=True)
class AdaptivePool(Leaf):
    """Average pooling to a map of output_size x output_size."""

    stem: ClassVar[str] = "pool"
    output_size: int = 1

    def __post_init__(self) -> None:
        need_positive(self, "output_size")

    def out_shape(self, shape: Shape) -> Shape:
        need_map(shape, "pooling")
        return Shape(shape.channels, self.output_size, self.output_size)


@dataclass(frozen=True, slots=True)
class Flatten(Leaf):
    """A map (C, H, W) as a vector of C * H * W features."""

    stem: ClassVar[str] = "flatten"

    def out_shape(self, shape: Shape) -> Shape:
        return Shape(shape.elements, 0, 0)


@dataclass(frozen=True, slots=True)
class Linear(Leaf):
    """A fully connected layer on a vector."""

    stem: ClassVar[str] = "linear"
    out_features: int
    bias: bool = True

    def __post_init__(self) -> None:
        need_positive(self, "out_features")

    def out_shape(self, shape: Shape) -> Shape:
        if not shape.is_vector:
            raise LayerError(
                f"a linear layer needs a vector and gets a map of {shape}", "put AdaptiveAvgPool and Flatten before it"
            )
        return Shape(self.out_features, 0, 0)


@dataclass(frozen=True, slots=True)
class Dropout(Leaf):
    """Zeroes elements with probability p in training."""

    stem: ClassVar[str] = "drop"
    p: float = 0.5

    def out_shape(self, shape: Shape) -> Shape:
        return shape


@dataclass(frozen=True, slots=True)
class Add:
    """A residual addition: main(x) + skip(x); an empty skip is the identity. The variant `no_reslink` keeps main alone."""

    stem: ClassVar[str] = "res"
    main: Layers
    skip: Layers = ()

    def branches(self) -> tuple[tuple[str, Layers], ...]:
        return (("main", self.main), ("skip", self.skip))


def _need_parts(parts: object) -> None:
    if not isinstance(parts, tuple) or not parts or not all(isinstance(part, tuple) for part in parts):
        raise LayerError(f"branches are {parts!r}", "accepted: a tuple of branches, each of them a tuple of layers")


@dataclass(frozen=True, slots=True)
class Sum:
    """The sum of parallel branches."""

    stem: ClassVar[str] = "sum"
    parts: tuple[Layers, ...]

    def __post_init__(self) -> None:
        _need_parts(self.parts)

    def branches(self) -> tuple[tuple[str, Layers], ...]:
        return tuple((f"branch{k}", part) for k, part in enumerate(self.parts, 1))


@dataclass(frozen=True, slots=True)
class Concat:
    """Parallel branches, put together along the channels."""

    stem: ClassVar[str] = "cat"
    parts: tuple[Layers, ...]

    def __post_init__(self) -> None:
        _need_parts(self.parts)

    def branches(self) -> tuple[tuple[str, Layers], ...]:
        return tuple((f"branch{k}", part) for k, part in enumerate(self.parts, 1))


@dataclass(frozen=True, slots=True)
class Scale:
    """A gate: x * gate(x), where the gate puts out one number for each channel (C, 1, 1) or a whole map."""

    stem: ClassVar[str] = "gate"
    gate: Layers

    def branches(self) -> tuple[tuple[str, Layers], ...]:
        return (("net", self.gate),)


@dataclass(frozen=True, slots=True)
class Repeat:
    """`body` written `times` times; it must put out the shape that it takes in."""

    times: int
    body: Layers

    def __post_init__(self) -> None:
        if type(self.times) is not int or self.times < 0:  # a search makes these by the million
            need_whole(self, "times")


@dataclass(frozen=True, slots=True)
class SqueezeExciteSlot:
    """Where the variant `use_se` puts squeeze-excite; nothing otherwise."""


@dataclass(frozen=True, slots=True)
class Take:
    """The value that an earlier block of this name put out, in place of what comes in; see `plainnet.blocks.rows.value_names`."""

    name: str


@dataclass(frozen=True, slots=True)
class Collect:
    """The values that a network puts out, by name: its last row, which takes them and puts out no value of its own."""

    stem: ClassVar[str] = "out"
    names: tuple[str, ...]


Join = Add | Sum | Concat | Scale
Layer = Leaf | Join | Repeat | SqueezeExciteSlot | Take | Collect
Layers = tuple[Union[Layer, "Block"], ...]


def squeeze_excite(channels: int, hidden: int) -> Scale:
    """Squeeze-excite (Hu et al. 2018) with batch norms, as the published networks have it: global mean, two 1x1
    convolutions, sigmoid.
    """
    return Scale((AdaptivePool(1), Conv(hidden), Norm(), Act("relu"), Conv(channels), Norm(), Act("sigmoid")))
