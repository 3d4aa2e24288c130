"""A published network with all that goes with it."""

from __future__ import annotations

from plainnet.naming.subject import Known, Subject
from plainnet.network.published import find_published

__all__ = ["published_subject"]

SOURCE = "published"


def published_subject(text: str) -> Subject:
    """The network of a published name; `UnknownNetworkError` with the nearest for none."""
    network = find_published(text.strip())
    return Subject(
        text,
        "a published network",
        network.structure,
        name=network.name,
        resolution=Known(network.resolution, SOURCE),
        num_classes=Known(network.num_classes, SOURCE),
        norm_eps=Known(network.norm_eps, SOURCE),
        with_se=network.use_se,
    )
