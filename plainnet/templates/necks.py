"""Necks, decoders and heads as strings, to stand behind a backbone whose blocks have names.

    backbone = "ConvKXBNRELU(3,16,3,2)ConvKXBNRELU(c2|16,32,3,2)ConvKXBNRELU(c3|32,64,3,2)"
    backbone + fpn({"c2": 32, "c3": 64}, 24) + "Outputs(p2,p3)"

Levels are (name of a value, its channels), the largest map first; each map has half the sides of the one before. What comes
out for the level `c3` is called `p3` (`p_x` for a level of any other name).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise

from plainnet.errors import UsageError

__all__ = ["FOR_A_PLACE", "anchor_free_head", "classification_head", "dense_head", "fpn", "pan", "unet", "unet_decoder"]

FOR_A_PLACE = 5
"""Numbers that a place of a detector's map has beside its classes: the logarithms of its distances to the four sides of the
object, and the logit of how central it is there.
"""
_DEEPEST = 100
"""Convolutions of a head before the last one, at most."""


def fpn(levels: Mapping[str, int], channels: int) -> str:
    """A feature pyramid: from the smallest map down, each level is a 1x1 convolution of its own and the one above, doubled; a
    3x3 convolution of each comes out (Lin et al. 2017; all convolutions with bias).

    >>> fpn({"c2": 32, "c3": 64}, 24).count("Upsample")
    1
    """
    _check(levels, channels=channels)
    *others, (top, width) = levels.items()
    text = f"From({top})ConvKXBias({_named('m', top)}|{width},{channels},1,1)"
    for name, width in reversed(others):
        lateral = f"From({name})ConvKXBias({width},{channels},1,1)"
        text += f"MultiSumBlock({_named('m', name)}|Upsample({channels},2,0);{lateral})"
    return text + "".join(
        f"From({_named('m', name)})ConvKXBias({_named('p', name)}|{channels},{channels},3,1)" for name in levels
    )


def pan(levels: Mapping[str, int], channels: int) -> str:
    """A pyramid with a way back up: each level of an FPN and the one below it, halved by a 3x3 convolution of stride 2 (Liu et
    al. 2018, PANet; convolutions with batch norm and ReLU). What comes out for `c3` is called `n3`.
    """
    text = fpn(levels, channels)
    names = list(levels)
    text += f"From({_named('p', names[0])})Identity({_named('n', names[0])}|{channels})"
    for below, name in pairwise(names):
        halved = f"From({_named('n', below)})ConvKXBNRELU({channels},{channels},3,2)"
        text += f"MultiSumBlock(From({_named('p', name)});{halved})"
        text += f"ConvKXBNRELU({_named('n', name)}|{channels},{channels},3,1)"
    return text


def unet_decoder(levels: Mapping[str, int]) -> str:
    """The way up of a UNet: the smallest map, again and again enlarged by a transposed convolution that halves its channels,
    beside the level of that size, and two 3x3 convolutions with batch norm and ReLU to the level's channels (Ronneberger et al.
    2015).
    """
    _check(levels)
    *others, (top, width) = levels.items()
    text = f"From({top})"
    for name, out in reversed(others):
        text += f"MultiCatBlock(From({name});ConvTranspose({width},{width // 2},2,2,1))" + _double(
            out + width // 2, out
        )
        width = out
    return text


def unet(num_classes: int, *, in_channels: int = 3, width: int = 64, depth: int = 4) -> str:
    """A whole UNet, which puts out a map of `num_classes`, as large as the image: sides that are multiples of 2^depth.

    With the defaults and two classes it has 31,037,698 params.
    """
    _check({"image": in_channels}, num_classes=num_classes, width=width, depth=depth)
    text = _double(in_channels, width, "e0|")
    for level in range(depth):
        inner = width << level
        text += f"MaxPool({inner},2,2)" + _double(inner, 2 * inner, f"e{level + 1}|")
    return (
        text
        + unet_decoder({f"e{level}": width << level for level in range(depth + 1)})
        + dense_head(width, num_classes)
    )


def dense_head(channels: int, num_classes: int) -> str:
    """A class for every place of the map: a 1x1 convolution with bias."""
    _check({"channels": channels}, num_classes=num_classes)
    return f"ConvKXBias({channels},{num_classes},1,1)"


def classification_head(channels: int, num_classes: int) -> str:
    """A class for the image: global mean and a linear layer."""
    _check({"channels": channels}, num_classes=num_classes)
    return f"AdaptiveAvgPool({channels},1)Flatten({channels})Linear({channels},{num_classes},1)"


def anchor_free_head(levels: Mapping[str, int], num_classes: int, *, depth: int = 1) -> str:
    """Objects at the places of each level: `depth` 3x3 convolutions with batch norm and ReLU, then a 1x1 convolution with bias
    to `FOR_A_PLACE` + num_classes numbers for each place, as the task `Detection` takes them (after Tian et al. 2019, FCOS,
    whose levels share one head of four convolutions; here each level has its own).

    It ends with `Outputs`; what comes out for the level `p3` is called `places_p3`.

    Experimental: what tasks of maps and boxes take may still change.

    >>> anchor_free_head({"p3": 8}, 10)
    'From(p3)ConvKXBNRELU(8,8,3,1)ConvKXBias(places_p3|8,15,1,1)Outputs(places_p3)'
    """
    _check(levels, num_classes=num_classes)
    if not isinstance(depth, int) or isinstance(depth, bool) or not 0 <= depth <= _DEEPEST:
        raise UsageError(f"depth is {depth!r}; accepted: 0 to {_DEEPEST} convolutions")
    text = "".join(
        f"From({name})"
        + depth * f"ConvKXBNRELU({width},{width},3,1)"
        + f"ConvKXBias(places_{name}|{width},{FOR_A_PLACE + num_classes},1,1)"
        for name, width in levels.items()
    )
    return f"{text}Outputs({','.join(f'places_{name}' for name in levels)})"


def _double(channels: int, out: int, label: str = "") -> str:
    return f"ConvKXBNRELU({channels},{out},3,1)ConvKXBNRELU({label}{out},{out},3,1)"


def _named(letter: str, level: str) -> str:
    return letter + (level[1:] if re.fullmatch(r"c\d+", level) else f"_{level}")


def _check(levels: Mapping[str, int], **numbers: int) -> None:
    if not levels:
        raise UsageError("there is no level; accepted: names of values and their channels, the largest map first")
    for name, value in {**levels, **numbers}.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise UsageError(f"{name} is {value!r}; accepted: a positive whole number")
