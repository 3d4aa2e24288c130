"""A configuration written as Python assignments, with the origin of each value beside it."""

from __future__ import annotations

import keyword
import math
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["dump_python"]

Path = tuple[str | int, ...]
STEP = "    "


def dump_python(values: Mapping[str, Any], *, origin: Callable[[Path], str] | None = None) -> str:
    """Python that `read_python` reads back as `values`; `origin` gives the comment beside the value at a path."""
    lines: list[str] = []
    for key, value in values.items():
        lines += _lines(f"{key} = ", value, (key,), "", origin, end="")
    return "\n".join(lines) + "\n"


def _lines(
    head: str, value: Any, path: Path, indent: str, origin: Callable[[Path], str] | None, *, end: str = ","
) -> list[str]:
    is_flat = isinstance(value, list | tuple) and not any(isinstance(item, Mapping | list | tuple) for item in value)
    if not isinstance(value, Mapping | list | tuple) or not value or is_flat:
        note = " ".join(origin(path).split()) if origin else ""
        return [f"{indent}{head}{_scalar(value)}{end}{f'  # {note}' if note else ''}"]
    inner, children = indent + STEP, list(value.items() if isinstance(value, Mapping) else enumerate(value))
    if isinstance(value, Mapping):
        named = all(str(key).isidentifier() and str(key).isascii() and not keyword.iskeyword(str(key)) for key in value)
        opened, closed = ("dict(", ")") if named else ("{", "}")
        heads = [f"{key}=" if named else f"{str(key)!r}: " for key in value]
    else:
        opened, closed, heads = "[", "]", [""] * len(value)
    lines = [f"{indent}{head}{opened}"]
    for own, (key, item) in zip(heads, children, strict=True):
        lines += _lines(own, item, (*path, key), inner, origin)
    return [*lines, f"{indent}{closed}{end}"]


def _scalar(value: Any) -> str:
    """A literal that reads back as the same value; `${` in a text is no reference."""
    if isinstance(value, str):
        return repr(value.replace("${", "$${"))
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    if isinstance(value, list | tuple):
        return f"[{', '.join(_scalar(item) for item in value)}]"
    return "{}" if isinstance(value, Mapping) else repr(value)
