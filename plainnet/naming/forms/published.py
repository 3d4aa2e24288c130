"""The name of a published network, or its unique beginning."""

from __future__ import annotations

import os

from plainnet.naming.form import Form, Reading
from plainnet.naming.published_subjects import published_subject
from plainnet.naming.subject import Subject
from plainnet.network.published import published_networks

__all__ = ["FORM"]


def _takes(text: str) -> bool:
    name, known = text.strip(), published_networks()
    if not name or name in known or "(" in name:
        return name in known
    return not os.path.exists(text) and any(each.lower().startswith(name.lower()) for each in known)


def _read(text: str, reading: Reading) -> Subject:  # noqa: ARG001
    return published_subject(text)


FORM = Form("a published network", "NAME", 90, _takes, _read)
