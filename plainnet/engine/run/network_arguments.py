"""The arguments of a PlainNet where a configuration leaves them to the data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["network_arguments"]


def network_arguments(
    kind: str, arguments: Mapping[str, Any], *, shape: tuple[int, int, int], num_classes: int
) -> dict[str, Any]:
    """What the network is called with: a PlainNet's channels, classes and resolution come from the data where they are
    not given, and the name of a published network stands for its string. Other networks get what is written.
    """
    if kind != "PlainNet":
        return dict(arguments)
    known: dict[str, Any] = {"num_classes": num_classes, "in_channels": shape[0], "resolution": shape[1:]}
    structure = arguments.get("structure")
    if isinstance(structure, str) and "(" not in structure:
        from plainnet.network.published import find_published

        network = find_published(structure)
        known |= {"use_se": network.use_se, "norm_eps": network.norm_eps}
        arguments = {**arguments, "structure": network.text}
    return {**known, **arguments}
