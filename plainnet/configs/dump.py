"""A configuration written as YAML, with the origin of each value beside it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["dump_values", "scalar_text"]

Path = tuple[str | int, ...]


def dump_values(values: Mapping[str, Any], *, origin: Callable[[Path], str] | None = None) -> str:
    """YAML that reads back as `values`; `origin` gives the comment beside the value at a path."""
    lines: list[str] = []
    _mapping(values, (), "", origin, lines)
    return "\n".join(lines) + "\n"


def _mapping(values: Mapping[str, Any], path: Path, indent: str, origin: Any, lines: list[str]) -> None:
    for key, value in values.items():
        _entry(f"{indent}{_key_text(key)}:", value, (*path, key), f"{indent}  ", origin, lines)


def _entry(head: str, value: Any, path: Path, indent: str, origin: Any, lines: list[str]) -> None:
    if isinstance(value, Mapping) and value:
        lines.append(head)
        _mapping(value, path, indent, origin, lines)
    elif isinstance(value, list | tuple) and value:
        if all(not isinstance(item, Mapping | list | tuple) for item in value):
            lines.append(_noted(f"{head} [{', '.join(scalar_text(item, flow=True) for item in value)}]", path, origin))
            return
        lines.append(head)
        for index, item in enumerate(value):
            before = len(lines)
            _entry(f"{indent}-", item, (*path, index), f"{indent}  ", origin, lines)
            if isinstance(item, Mapping) and item:  # "- key: value" instead of a dash on its own line
                lines[before : before + 2] = [f"{indent}- {lines[before + 1].lstrip()}"]
    else:
        empty = "{}" if isinstance(value, Mapping) else "[]" if isinstance(value, list | tuple) else scalar_text(value)
        lines.append(_noted(f"{head} {empty}", path, origin))


def _noted(line: str, path: Path, origin: Any) -> str:
    note = origin(path) if origin else ""
    return f"{line}  # {' '.join(note.split())}" if note else line


def scalar_text(value: Any, *, flow: bool = False) -> str:
    """A scalar as YAML 1.2 that reads back as the same value; `flow`: inside brackets."""
    if isinstance(value, str):
        return _key_text(value.replace("${", "$${"), flow=flow)
    if isinstance(value, float) and not math.isfinite(value):
        return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"
    return json.dumps(value)


def _key_text(text: str, *, flow: bool = False) -> str:
    """Text as YAML; in a key `${` is no reference."""
    return text if _is_plain(text, flow) else _quoted(text)


def _is_plain(text: str, flow: bool) -> bool:
    """Whether the text needs no quotes: letters, digits and a few signs, and no other value is written so."""
    allowed = set("_-./+") if flow else set("_-./+ ()*,$={}")
    if not text or not text[0].isalpha() or text[-1] == " " or not text.isascii():
        return False
    return all(c.isalnum() or c in allowed for c in text) and text.lower() not in WORDS


WORDS = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}
"""Words that some version of YAML reads as something else."""


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=True) if all(ord(c) < 0x10000 for c in text) else _escaped(text)


def _escaped(text: str) -> str:
    """Double quotes with the eight-digit escapes that YAML has and JSON has not."""
    return '"' + "".join(json.dumps(c)[1:-1] if ord(c) < 0x10000 else f"\\U{ord(c):08x}" for c in text) + '"'
