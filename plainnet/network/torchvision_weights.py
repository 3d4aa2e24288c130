"""torchvision's and timm's state dicts of ResNets in PlainNet's layout.

    conv1, bn1                         blocks.0.conv1, blocks.0.bn1
    layer2.0.conv1, .bn1, conv2, ...   blocks.3.res1.main.conv1, .bn1, conv2, ...   (blocks.1 is the max pooling)
    layer2.0.downsample.0, .1          blocks.3.res1.skip.conv1, .bn1
    layer2.1.conv1                     blocks.3.res2.main.conv1
    fc                                 head

torchvision (`resnet18`, `resnet34`, `resnet50`) and timm (the same names) use one layout; the strides of their bottlenecks
are on the 3x3 convolution, as here, and their batch norms' epsilon is 1e-5, that of `PlainNet("resnet50")`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from plainnet.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["from_torchvision", "looks_like_torchvision"]

_STEM = re.compile(r"(conv1|bn1)\.(\w+)")
_UNIT = re.compile(r"layer([1-4])\.(\d+)\.(?:(conv|bn)([1-3])|downsample\.([01]))\.(\w+)")
_HEAD = re.compile(r"fc\.(weight|bias)")


def looks_like_torchvision(keys: Mapping[str, object]) -> bool:
    """Whether a state dict has the keys of a ResNet of torchvision's."""
    return {"conv1.weight", "layer1.0.conv1.weight"} <= {key.removeprefix("module.") for key in keys}


def from_torchvision(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A ResNet's `state_dict` under PlainNet's names; `UsageError` with the first key that has no place there.

    net = PlainNet("resnet18")
    net.load_state_dict(from_torchvision(torchvision.models.resnet18(weights="DEFAULT").state_dict()))
    """
    return {_renamed(key.removeprefix("module.")): value for key, value in state_dict.items()}


def _renamed(key: str) -> str:
    if found := _STEM.fullmatch(key):
        return f"blocks.0.{found[1]}.{found[2]}"
    if found := _HEAD.fullmatch(key):
        return f"head.{found[1]}"
    found = _UNIT.fullmatch(key)
    if not found:
        raise UsageError(
            f"{key} has no place in a ResNet of plain convolutions; accepted: conv1, bn1, layer1-4 with conv, bn and "
            "downsample.0 and .1, fc (variants with other stems, poolings or gates are other networks)"
        )
    stage, unit, kind, number, place, tensor = found.groups()
    part = f"main.{kind}{number}" if kind else ("skip.conv1" if place == "0" else "skip.bn1")
    return f"blocks.{int(stage) + 1}.res{int(unit) + 1}.{part}.{tensor}"
