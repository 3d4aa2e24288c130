"""The names of losses that take theirs when they are made."""

from __future__ import annotations

import inspect
from typing import Any

from plainnet.engine.run.registry import Registry
from plainnet.engine.run.schema import LossSpec
from plainnet.engine.tasks.losses import BaseLoss
from plainnet.errors import PlainnetError

__all__ = ["own_name"]


def own_name(registry: Registry, spec: LossSpec) -> dict[str, str]:
    """The argument `name` of a `BaseLoss` that takes one, which is its name in the logs; nothing for any other loss."""
    try:
        kind: Any = registry.find("loss", spec.type)
    except PlainnetError:  # is reported with its place by the check of names
        return {}
    takes_one = isinstance(kind, type) and issubclass(kind, BaseLoss) and "name" in inspect.signature(kind).parameters
    return {"name": spec.log_name} if takes_one else {}
