"""Well-known image networks as strings: VGG, MobileNets, EfficientNet-B0, RegNets, DenseNets, ConvNeXts.

Each function writes the network that torchvision has under the same name, unit by unit, for images of three channels. Where
a network's last layers are a linear classifier behind global pooling, they are left to `PlainNet`; a VGG brings its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from plainnet.errors import UsageError

__all__ = ["convnext", "densenet", "efficientnet_b0", "mobilenet_v2", "mobilenet_v3", "regnet", "vgg"]

_VGG = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
"""depth -> convolutions of each stage"""
_ACTIVATIONS = {"relu": "RELU", "relu6": "RELU6", "hardswish": "HardSwish", "silu": "Swish"}


def vgg(depth: int, *, norms: bool) -> str:
    """VGG (Simonyan and Zisserman, ICLR 2015) of 11, 13, 16 or 19 layers, with batch norms or without, and its three linear
    layers.
    """
    if depth not in _VGG:
        raise UsageError(f"depth is {depth!r}; accepted: {', '.join(map(str, _VGG))}")
    text, channels = "", 3
    for width, count in zip((64, 128, 256, 512, 512), _VGG[depth], strict=True):
        for _ in range(count):
            text += f"ConvKXBias({channels},{width},3,1)" + (f"BN({width})" if norms else "") + f"RELU({width})"
            channels = width
        text += f"MaxPool({width},2,2)"
    hidden = "".join(f"Linear({size},4096,1)RELU(4096)Dropout(4096,0.5)" for size in (512 * 49, 4096))
    return f"{text}AdaptiveAvgPool(512,7)Flatten(512){hidden}Linear(4096,1000,1)"


def mobilenet_v2() -> str:
    """MobileNetV2 (Sandler et al., CVPR 2018) of width 1."""
    stages = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
    text, channels = _conv(3, 32, 3, 2, "relu6"), 32
    for expansion, width, count, first_stride in stages:
        for number in range(count):
            stride = first_stride if number == 0 else 1
            text += _inverted(channels, channels * expansion, width, 3, stride, "relu6")
            channels = width
    return text + _conv(320, 1280, 1, 1, "relu6") + "Dropout(1280,0.2)"


_LARGE = (
    "3,16,16,0,relu,1 3,64,24,0,relu,2 3,72,24,0,relu,1 5,72,40,1,relu,2 5,120,40,1,relu,1 5,120,40,1,relu,1"
    " 3,240,80,0,hardswish,2 3,200,80,0,hardswish,1 3,184,80,0,hardswish,1 3,184,80,0,hardswish,1 3,480,112,1,hardswish,1"
    " 3,672,112,1,hardswish,1 5,672,160,1,hardswish,2 5,960,160,1,hardswish,1 5,960,160,1,hardswish,1"
)
_SMALL = (
    "3,16,16,1,relu,2 3,72,24,0,relu,2 3,88,24,0,relu,1 5,96,40,1,hardswish,2 5,240,40,1,hardswish,1 5,240,40,1,hardswish,1"
    " 5,120,48,1,hardswish,1 5,144,48,1,hardswish,1 5,288,96,1,hardswish,2 5,576,96,1,hardswish,1 5,576,96,1,hardswish,1"
)
"""kernel, hidden width, width, squeeze-excite, activation, stride: table 1 and 2 of the paper"""


def mobilenet_v3(size: str) -> str:
    """MobileNetV3 (Howard et al., ICCV 2019), "large" or "small". The linear layer before the classifier is a 1x1 convolution
    on the pooled map, which is the same.
    """
    if size not in ("large", "small"):
        raise UsageError(f"size is {size!r}; accepted: large, small")
    text, channels = _conv(3, 16, 3, 2, "hardswish"), 16
    for unit in (_LARGE if size == "large" else _SMALL).split():
        kernel, hidden, width, gated, activation, stride = unit.split(",")
        gate = f"SqueezeExciteHard({hidden},{_divisible(int(hidden) // 4)})" if gated == "1" else ""
        text += _inverted(channels, int(hidden), int(width), int(kernel), int(stride), activation, gate=gate)
        channels = int(width)
    wide, last = (960, 1280) if size == "large" else (576, 1024)
    head = f"AdaptiveAvgPool({wide},1)ConvKXBias({wide},{last},1,1)HardSwish({last})Dropout({last},0.2)"
    return text + _conv(channels, wide, 1, 1, "hardswish") + head


def efficientnet_b0() -> str:
    """EfficientNet-B0 (Tan and Le, ICML 2019)."""
    stages = (
        *((1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 5, 2, 40, 2), (6, 3, 2, 80, 3)),
        *((6, 5, 1, 112, 3), (6, 5, 2, 192, 4), (6, 3, 1, 320, 1)),
    )
    text, channels = _conv(3, 32, 3, 2, "silu"), 32
    for expansion, kernel, first_stride, width, count in stages:
        for number in range(count):
            hidden, stride = channels * expansion, first_stride if number == 0 else 1
            gate = f"SqueezeExciteSwish({hidden},{max(1, channels // 4)})"
            text += _inverted(channels, hidden, width, kernel, stride, "silu", gate=gate)
            channels = width
    return text + _conv(320, 1280, 1, 1, "silu") + "Dropout(1280,0.2)"


def regnet(depth: int, width: int, slope: float, multiplier: float, group_width: int, *, gated: bool) -> str:
    """RegNet (Radosavovic et al., CVPR 2020): block j is w_0 + w_a j wide, rounded to a power of w_m times w_0; RegNetY where
    `gated`.

    depth: number of units; width, slope, multiplier: w_0, w_a and w_m; group_width: channels of one group.
    """
    text, channels = _conv(3, 32, 3, 2, "relu"), 32
    for out, count in _regnet_stages(depth, width, slope, multiplier, group_width):
        for number in range(count):
            text += _regnet_unit(channels, out, 2 if number == 0 else 1, out // min(group_width, out), gated=gated)
            channels = out
    return text


def _regnet_stages(depth: int, width: int, slope: float, multiplier: float, group_width: int) -> list[tuple[int, int]]:
    """(width, units) of each stage."""
    stages: dict[int, int] = {}
    for unit in range(depth):
        power = round(math.log((width + slope * unit) / width) / math.log(multiplier))
        wide = round(width * multiplier**power / 8) * 8
        stages[wide] = stages.get(wide, 0) + 1
    return [(_divisible(wide, min(group_width, wide)), count) for wide, count in stages.items()]


def _regnet_unit(channels: int, out: int, stride: int, groups: int, *, gated: bool) -> str:
    gate = f"SqueezeExcite({out},{round(0.25 * channels)})" if gated else ""
    grouped = f"ConvKXG{groups}({out},{out},3,{stride})BN({out})RELU({out})"
    main = _conv(channels, out, 1, 1, "relu") + grouped + gate + _conv(out, out, 1, 1, None)
    if stride == 1 and channels == out:
        return f"ResBlock({channels},1,{main})RELU({out})"
    return f"MultiSumBlock({main};{_conv(channels, out, 1, stride, None)})RELU({out})"


def densenet(units: Sequence[int], *, growth: int = 32, stem: int = 64) -> str:
    """DenseNet (Huang et al., CVPR 2017): in each stage every unit adds `growth` channels to those that came in."""
    text, channels = _conv(3, stem, 7, 2, "relu") + f"MaxPool({stem},3,2)", stem
    for stage, count in enumerate(units):
        for _ in range(count):
            text += f"MultiCatBlock(Identity({channels});{''.join(_dense_unit(channels, growth))})"
            channels += growth
        text += f"BN({channels})RELU({channels})"
        if stage < len(units) - 1:
            text += f"ConvKX({channels},{channels // 2},1,1)AvgPool({channels // 2},2,2)"
            channels //= 2
    return text


def _dense_unit(channels: int, growth: int) -> Iterator[str]:
    hidden = 4 * growth
    yield f"BN({channels})RELU({channels})" + _conv(channels, hidden, 1, 1, "relu")
    yield f"ConvKX({hidden},{growth},3,1)"


def convnext(depths: Sequence[int], widths: Sequence[int]) -> str:
    """ConvNeXt (Liu et al., CVPR 2022): patches of 4x4, and stages of residual units with layer norms and scales of
    channels, with patches of 2x2 between them. Without stochastic depth, which has no weights.
    """
    text, channels = f"ConvPatch(3,{widths[0]},4)LN({widths[0]})", widths[0]
    for depth, width in zip(depths, widths, strict=True):
        text += f"LN({channels})ConvPatch({channels},{width},2)" if width != channels else ""
        text += _convnext_unit(width) * depth
        channels = width
    return f"{text}AdaptiveAvgPool({channels},1)LN({channels})"


def _convnext_unit(channels: int) -> str:
    wide = 4 * channels
    mixed = f"ConvHW({channels},{channels},7,7,1,1,{channels},1)LN({channels})"
    branch = f"ConvKXBias({channels},{wide},1,1)GELU({wide})ConvKXBias({wide},{channels},1,1)LayerScale({channels})"
    return f"ResBlock({channels},1,{mixed}{branch})"


def _conv(channels: int, out: int, kernel: int, stride: int, activation: str | None) -> str:
    """A convolution, batch norm, and the activation if there is one."""
    text = f"ConvKX({channels},{out},{kernel},{stride})BN({out})"
    return f"{text}{_ACTIVATIONS[activation]}({out})" if activation else text


def _inverted(
    channels: int, hidden: int, out: int, kernel: int, stride: int, activation: str, *, gate: str = ""
) -> str:
    """An inverted residual unit; without its first convolution where that would not widen."""
    first = _conv(channels, hidden, 1, 1, activation) if hidden != channels else ""
    middle = f"ConvDW({hidden},{kernel},{stride})BN({hidden}){_ACTIVATIONS[activation]}({hidden})"
    main = first + middle + gate + _conv(hidden, out, 1, 1, None)
    return f"ResBlock({channels},1,{main})" if stride == 1 and channels == out else f"Sequential({main})"


def _divisible(value: int, divisor: int = 8) -> int:
    """The nearest multiple, not more than a tenth below the value."""
    found = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return found + divisor if found < 0.9 * value else found
