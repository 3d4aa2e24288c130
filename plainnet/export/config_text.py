"""Configurations as text: every value a literal, and read back before anybody gets them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from typing import Any

from plainnet.errors import UsageError
from plainnet.export.literals import one_line, yaml_literal

__all__ = ["checked_config", "yaml_text"]


def yaml_text(data: Mapping[str, Any], *, title: str, comments: Mapping[str, str] | None = None) -> str:
    """Nested mappings as YAML under a comment; `comments` stand behind keys ("trainer.devices").

    `UsageError` if it does not read back as the same data.
    """
    lines = [f"# {one_line(title)}", *_yaml_lines(data, comments or {}, "")]
    text = "\n".join(lines) + "\n"
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        found = YAML(typ="safe").load(text)
    except YAMLError as error:
        raise UsageError(f"a configuration cannot be written: it would be no YAML ({error})") from None
    if found != _plain(data):
        raise UsageError("a configuration cannot be written: it does not read back as what was meant")
    return text


def _yaml_lines(data: Mapping[str, Any], comments: Mapping[str, str], path: str) -> Iterator[str]:
    pad = "  " * path.count(".")
    for key, value in data.items():
        comment = f" # {one_line(comments[path + key])}" if path + key in comments else ""
        if isinstance(value, Mapping) and value:
            yield f"{pad}{key}:{comment}"
            yield from _yaml_lines(value, comments, f"{path}{key}.")
        else:
            yield f"{pad}{key}: {yaml_literal(value)}{comment}"


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def checked_config(text: str, template: str) -> str:
    """A Python configuration made from a template; `UsageError` unless it holds the template's settings, in their order,
    and nothing but data.
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError) as error:
        raise UsageError(f"a configuration cannot be written: it would be no Python ({error})") from None
    names = [target.id for node in tree.body for target in _targets(node)]
    if names != re.findall(r"^(\w+) = ", template, re.MULTILINE) or not all(_is_data(node) for node in tree.body):
        raise UsageError("a configuration cannot be written: it holds other settings than its template")
    return text


def _targets(node: ast.stmt) -> list[ast.Name]:
    targets = node.targets if isinstance(node, ast.Assign) else []
    return [target for target in targets if isinstance(target, ast.Name)]


def _is_data(node: ast.stmt) -> bool:
    """Whether a statement gives a name to literals, `dict(...)` of them, and names."""
    if not isinstance(node, ast.Assign):
        return False
    allowed = (ast.Constant, ast.List, ast.Tuple, ast.Dict, ast.Name, ast.Load, ast.UnaryOp, ast.USub, ast.keyword)
    return all(
        isinstance(part, allowed)
        or (isinstance(part, ast.Call) and isinstance(part.func, ast.Name) and part.func.id == "dict")
        for part in ast.walk(node.value)
    )
