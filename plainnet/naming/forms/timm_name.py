"""`timm:NAME`: a network of timm, without trained weights, at the size that timm names for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plainnet.errors import UsageError, nearest
from plainnet.naming.form import Form, Reading
from plainnet.naming.subject import RESOLUTION, Known, Subject

if TYPE_CHECKING:
    from torch import nn

__all__ = ["FORM"]

PREFIX = "timm:"
SOURCE = "from timm"


def _read(text: str, reading: Reading) -> Subject:  # noqa: ARG001
    module = _made(text.removeprefix(PREFIX))
    channels, *size = (getattr(module, "pretrained_cfg", None) or {}).get("input_size") or (None,)
    return Subject(
        text,
        "a network of timm",
        module=module,
        name=text,
        resolution=Known(tuple(size), SOURCE) if len(size) == 2 else RESOLUTION,
        channels=None if channels is None else Known(channels, SOURCE),
    )


def _made(name: str) -> nn.Module:
    from plainnet.engine.run.timm_networks import timm

    try:
        return timm(name=name)
    except UsageError as error:
        near = _nearest(name)
        if near is None:
            raise
        raise UsageError(f"{error}; did you mean {PREFIX}{near}?") from error


def _nearest(name: str) -> str | None:
    try:
        from timm import list_models
    except ImportError:
        return None
    known: list[str] = list_models()
    return None if name in known else nearest(name, known)


FORM = Form("a network of timm", "timm:NAME", 6, lambda text: text.startswith(PREFIX), _read)
