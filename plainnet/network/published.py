"""Published networks by name: the twelve ZenNets, the 2-D networks of TinyNAS, ResNets, and those that templates write."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import Any

from plainnet.blocks.formats.tinynas_format import from_tinynas
from plainnet.blocks.structure import Structure, parse
from plainnet.errors import UsageError, nearest
from plainnet.templates import image_networks

__all__ = ["INIT_GAIN", "NORM_EPS", "PublishedNetwork", "find_published", "published_networks"]

NORM_EPS = 1e-3
"""The epsilon of the Zen-NAS networks' batch norms; that of networks of which nothing else is known."""
_TORCH_EPS = 1e-5
"""The epsilon of torch's batch norms, with which TinyNAS's networks and ResNets were trained."""
INIT_GAIN = 3.26033
"""The gain of the Zen-NAS training code (MSRAPrelu of MXNet)."""

TRAINED_WITH_SE = "the authors trained this network with squeeze-excite: use_se (--use-se) counts it so"
"""What to say of a network that is counted in another variant than the published one."""


@dataclass(frozen=True)
class PublishedNetwork:
    """A network from a paper: its string, the settings it was published with, and the authors' own figures.

    norm_eps: epsilon of its batch norms: 1e-3 for ZenNets and MobileNetV3, 1e-5 for all others.
    """

    name: str
    text: str
    resolution: int
    num_classes: int
    use_se: bool
    source: str
    published: dict[str, Any]
    norm_eps: float

    @property
    def structure(self) -> Structure:
        return parse(self.text)


@cache
def published_networks() -> dict[str, PublishedNetwork]:
    """Every published network, by name, in the order of `plainnet list`."""
    networks = [*_zennets(), *_tinynas(), *_resnets(), *_image_networks()]
    return {network.name: network for network in networks}


def find_published(name: str) -> PublishedNetwork:
    """The network of a name or of its unique beginning; `UsageError` with the nearest name."""
    networks = published_networks()
    if name in networks:
        return networks[name]
    matches = [known for known in networks if known.lower().startswith(name.lower())] if name else []
    if len(matches) == 1:
        return networks[matches[0]]
    if matches:
        raise UsageError(f"{name!r} is the beginning of several networks: {', '.join(matches)}")
    near = nearest(name, networks)
    shown = name if len(name) <= 80 else f"{name[:79]}…"
    raise UsageError(
        f"{shown!r} is no structure, no file and no published network"
        + (f"; did you mean {near}?" if near else "")
        + " (`plainnet list` shows the networks)"
    )


def _data(name: str) -> Any:
    from importlib.resources import files  # a few milliseconds that a structure string does without

    return json.loads(files("plainnet").joinpath("data", name).read_text(encoding="utf-8"))


def _zennets() -> list[PublishedNetwork]:
    return [
        PublishedNetwork(
            net["name"],
            net["string"],
            net["resolution"],
            100 if "cifar" in net["name"] else 1000,
            net["published_with_se"],
            "Lin et al., Zen-NAS, ICCV 2021",
            net["published"],
            NORM_EPS,
        )
        for net in _data("zennets.json")["nets"]
    ]


def _tinynas() -> list[PublishedNetwork]:
    networks = []
    for net in _data("tinynas.json")["nets"]:
        if net["dimension"] != "2D" or "bitops_G" in net["published"]:
            continue
        resolution = net["published"].get("res")
        text = str(from_tinynas(net["structure"]))
        figures = {key: value for key, value in net["published"].items() if key not in ("res", "src")}
        size = resolution if isinstance(resolution, int) else 640
        source = "TinyNAS, Alibaba 2022-2023"
        networks.append(PublishedNetwork(net["name"], text, size, 1000, False, source, figures, _TORCH_EPS))
    return networks


_RESNETS = {
    "resnet18": (
        "ResNetK3K3(64,64,1,64,2)ResNetK3K3(64,128,2,128,2)ResNetK3K3(128,256,2,256,2)ResNetK3K3(256,512,2,512,2)",
        69.76,
    ),
    "resnet34": (
        "ResNetK3K3(64,64,1,64,3)ResNetK3K3(64,128,2,128,4)ResNetK3K3(128,256,2,256,6)ResNetK3K3(256,512,2,512,3)",
        73.31,
    ),
    "resnet50": (
        "ResNetK1K3K1(64,256,1,64,3)ResNetK1K3K1(256,512,2,128,4)ResNetK1K3K1(512,1024,2,256,6)ResNetK1K3K1(1024,2048,2,512,3)",
        76.13,
    ),
}


def _resnets() -> list[PublishedNetwork]:
    stem = "SuperConvK7BNRELU(3,64,2,1)MaxPool(64,3,2)"
    source = "He et al., CVPR 2016"
    return [
        PublishedNetwork(name, stem + stages, 224, 1000, False, source, {"top1": top1}, _TORCH_EPS)
        for name, (stages, top1) in _RESNETS.items()
    ]


def _image_networks() -> list[PublishedNetwork]:
    return [
        PublishedNetwork(
            net["name"],
            getattr(image_networks, net["template"])(**net["arguments"]),
            224,
            1000,
            False,
            net["paper"],
            net["published"],
            net["norm_eps"],
        )
        for net in _data("image_networks.json")["nets"]
    ]
