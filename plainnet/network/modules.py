"""Torch modules from rows: the one place where a primitive layer becomes a module."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from plainnet.blocks.rows import channel_layers, map_layers
from plainnet.blocks.rows import layers as primitives
from plainnet.blocks.rows.shapes import Shape
from plainnet.errors import UsageError
from plainnet.network.channel_modules import ChannelScale, LayerNorm
from plainnet.network.parameterless import Narrow, Shift, Zero
from plainnet.network.published import NORM_EPS

__all__ = [
    "JOIN_MODULES",
    "Chain",
    "Concatenation",
    "Gate",
    "Part",
    "Residual",
    "ResidualPart",
    "Summation",
    "leaf_module",
]


class Chain(nn.Sequential):
    """Named modules one after the other."""


class Residual(nn.Module):
    """main(x) + skip(x); the identity where there is no skip."""

    main: nn.Module
    skip: nn.Module

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.main(x) + (self.skip(x) if hasattr(self, "skip") else x)
        return out


class Part(nn.Module):
    """Layers that take values from outside of this part: the `Linked` module around it runs them."""

    def forward(self, x: Tensor) -> Tensor:  # noqa: ARG002
        raise UsageError("this part of the network takes values from outside of it by name; call the network")


class ResidualPart(Part):
    """The branches of an addition that take values from outside of it."""

    main: nn.Module


class Summation(nn.Module):
    """The sum of its branches."""

    def forward(self, x: Tensor) -> Tensor:
        first, *others = self.children()
        out: Tensor = first(x)
        for branch in others:
            out = out + branch(x)
        return out


class Concatenation(nn.Module):
    """Its branches' outputs, one after the other along the channels."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.children()], dim=1)


class Gate(nn.Module):
    """x * net(x)."""

    net: nn.Module

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x * self.net(x)
        return out


_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "leaky_relu": nn.LeakyReLU,
    "silu": nn.SiLU,
    "hardswish": nn.Hardswish,
    "gelu": nn.GELU,
    "sigmoid": nn.Sigmoid,
    "hardsigmoid": nn.Hardsigmoid,
    "tanh": nn.Tanh,
    "identity": nn.Identity,
}

JOIN_MODULES: dict[type, Callable[[], nn.Module]] = {
    primitives.Add: Residual,
    primitives.Sum: Summation,
    primitives.Concat: Concatenation,
    primitives.Scale: Gate,
}


def _conv(layer: primitives.Conv, shape: Shape) -> nn.Module:
    return nn.Conv2d(
        shape.channels,
        layer.out_channels,
        layer.kernel_size,
        layer.stride,
        layer.padding,
        groups=layer.groups,
        bias=layer.bias,
    )


def _window_conv(layer: map_layers.WindowConv, shape: Shape) -> nn.Module:
    high, wide = layer.axes()
    return nn.Conv2d(
        shape.channels,
        layer.out_channels,
        (high.kernel_size, wide.kernel_size),
        layer.stride,
        (high.padding, wide.padding),
        layer.dilation,
        layer.groups,
        layer.bias,
    )


def _conv_transpose(layer: map_layers.ConvTranspose, shape: Shape) -> nn.Module:
    return nn.ConvTranspose2d(
        shape.channels,
        layer.out_channels,
        layer.kernel_size,
        layer.stride,
        layer.padding,
        layer.output_padding,
        bias=layer.bias,
    )


def _resize(layer: map_layers.Resize, shape: Shape) -> nn.Module:  # noqa: ARG001
    options = {"align_corners": False} if layer.mode == "bilinear" else {}
    return nn.Upsample(scale_factor=layer.scale, mode=layer.mode, **options)


def _pool(layer: primitives.Pool, shape: Shape) -> nn.Module:  # noqa: ARG001
    if layer.kind == "max":
        return nn.MaxPool2d(layer.kernel_size, layer.stride, layer.padding, ceil_mode=layer.ceil_mode)
    return nn.AvgPool2d(
        layer.kernel_size, layer.stride, layer.padding, ceil_mode=layer.ceil_mode, count_include_pad=False
    )


_LEAVES: dict[type, Callable[[Any, Shape], nn.Module]] = {
    primitives.Conv: _conv,
    map_layers.WindowConv: _window_conv,
    channel_layers.PatchConv: _conv,
    channel_layers.LayerNorm: lambda layer, shape: LayerNorm(shape.channels),  # noqa: ARG005
    channel_layers.ChannelScale: lambda layer, shape: ChannelScale(shape.channels),  # noqa: ARG005
    map_layers.ConvTranspose: _conv_transpose,
    map_layers.Resize: _resize,
    map_layers.Narrow: lambda layer, shape: Narrow(layer.first, layer.out_channels),  # noqa: ARG005
    map_layers.Shift: lambda layer, shape: Shift(),  # noqa: ARG005
    map_layers.Zero: lambda layer, shape: Zero(layer.stride),  # noqa: ARG005
    primitives.Act: lambda layer, shape: _ACTIVATIONS[layer.kind](),  # noqa: ARG005
    primitives.Pool: _pool,
    primitives.AdaptivePool: lambda layer, shape: nn.AdaptiveAvgPool2d(layer.output_size),  # noqa: ARG005
    primitives.Flatten: lambda layer, shape: nn.Flatten(1),  # noqa: ARG005
    primitives.Linear: lambda layer, shape: nn.Linear(shape.channels, layer.out_features, bias=layer.bias),
    primitives.Dropout: lambda layer, shape: nn.Dropout(layer.p),  # noqa: ARG005
}


def leaf_module(layer: primitives.Leaf, shape: Shape, *, norm_eps: float = NORM_EPS) -> nn.Module:
    """The module of one primitive layer for an input shape."""
    if isinstance(layer, primitives.Norm):
        return nn.BatchNorm1d(shape.channels, norm_eps) if shape.is_vector else nn.BatchNorm2d(shape.channels, norm_eps)
    return _LEAVES[type(layer)](layer, shape)
