"""The table of blocks, from their declarations: what `plainnet blocks` and docs/language.md show."""

from __future__ import annotations

import re
from collections.abc import Iterator

import plainnet.blocks  # the shipped families  # noqa: F401
from plainnet.blocks.base import PlainNetBasicBlockClass
from plainnet.blocks.registry import block_classes, load_plugins

__all__ = ["block_families", "block_rows"]

_SHIPPED = "plainnet.blocks.families."


def block_rows() -> Iterator[tuple[str, str, str]]:
    """(name, arguments, what it is) of every block class, families written as SuperConvK{1,3,5,7}BNRELU."""
    load_plugins()
    for cls in block_classes():
        arguments = [
            f"[{field.name}]" if field.optional else field.name for field in cls.fields if not field.kind.is_children
        ]
        holders = [field.name for field in cls.fields if field.kind.is_children]
        arguments += ["blocks;blocks;..." if name == "branches" else name for name in holders]
        yield _family(cls), ", ".join(arguments), _summary(cls)


def block_families() -> Iterator[str]:
    """The family of every block class, in the order of `block_rows`: "basic", "super res"; of one of yours, its module."""
    load_plugins()
    for cls in block_classes():
        module = cls.__module__
        yield module.removeprefix(_SHIPPED).replace("_", " ") if module.startswith(_SHIPPED) else module


def _family(cls: type[PlainNetBasicBlockClass]) -> str:
    def spelled(match: re.Match[str]) -> str:
        choices = cls.name_choices.get(match.group(1))
        return "{" + (",".join(map(str, choices)) if choices else "n") + "}"

    name = re.sub(r"{(\w+)}", spelled, cls.name_template)
    return " ".join([name, *(f"or {alias}" for alias in cls.aliases)])


def _summary(cls: type[PlainNetBasicBlockClass]) -> str:
    paragraph = (cls.__doc__ or "").strip().split("\n\n")[0]
    return " ".join(paragraph.split())
