"""The arguments of a PlainNet where a configuration leaves them to the data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from plainnet.engine.data.source import Shape

__all__ = ["named_structure", "network_arguments"]


def network_arguments(kind: str, arguments: Mapping[str, Any], *, shape: Shape, num_classes: int) -> dict[str, Any]:
    """What the network is called with: a PlainNet's channels, classes and resolution come from the data where they are
    not given, and the name of a published network stands for its string. Other networks get what is written.
    """
    if kind != "PlainNet":
        return dict(arguments)
    arguments = {**arguments, **named_structure(arguments)}
    of_images = {"in_channels": shape[0], "resolution": shape[1:]} if shape else {}
    known: dict[str, Any] = {"num_classes": num_classes, **of_images}
    return {**known, **arguments}


def named_structure(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The structure of a PlainNet that a file names, read: as a network string, or as a published network with its variant
    and epsilon where nothing else is written. A file names nothing else: no run, no code.
    """
    structure = arguments.get("structure")
    if not isinstance(structure, str):
        return {}
    from plainnet.blocks.structure import parse
    from plainnet.network.published import find_published

    if "(" in structure:
        return {"structure": parse(structure)}
    network = find_published(structure)
    given = {name: arguments[name] for name in ("use_se", "norm_eps") if name in arguments}
    return {"use_se": network.use_se, "norm_eps": network.norm_eps, **given, "structure": network.structure}
