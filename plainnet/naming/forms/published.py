"""The name of a published network, or its unique beginning."""

from __future__ import annotations

import os

from plainnet.naming.form import Form, Reading
from plainnet.naming.subject import Known, Subject
from plainnet.network.published import find_published, published_networks

__all__ = ["FORM"]

SOURCE = "published"


def _takes(text: str) -> bool:
    name, known = text.strip(), published_networks()
    if not name or name in known or "(" in name:
        return name in known
    return not os.path.exists(text) and any(each.lower().startswith(name.lower()) for each in known)


def _read(text: str, reading: Reading) -> Subject:  # noqa: ARG001
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


FORM = Form("a published network", "NAME", 90, _takes, _read)
