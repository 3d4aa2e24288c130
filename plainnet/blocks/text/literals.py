"""Values that a text writes down in Python or JSON, read without running anything.

Read are constants, lists, tuples, dicts, `dict(key=value)`, the three words of JSON, and numbers as NumPy prints them
(`np.int64(32)`). Anything else (a call, a name) is a value of its own kind, `Opaque`: a configuration is full of them, and
only one that is asked for is an error.
"""

from __future__ import annotations

import ast
import re
import warnings
from dataclasses import dataclass
from typing import Any

from plainnet.errors import StructureError

__all__ = ["MAX_DEPTH", "MAX_TEXT", "Opaque", "Statement", "read_statements"]

MAX_TEXT = 1_000_000
"""Longer texts are not read."""
MAX_DEPTH = 32
"""How deep values may stand in values."""

_WORDS = {
    "null": None,
    "true": True,
    "false": False,
    "NaN": float("nan"),
    "nan": float("nan"),
    "Infinity": float("inf"),
}
_NUMPY = re.compile(r"(?:(?:np|numpy)\.)?(u?int|float|bool)[0-9_]*")


@dataclass(frozen=True)
class Opaque:
    """A value that is not written down: what stands in its place, and in which line."""

    source: str
    line: int

    def __repr__(self) -> str:
        shown = self.source if len(self.source) <= 40 else f"{self.source[:39]}…"
        return f"{shown} (line {self.line})"


@dataclass(frozen=True)
class Statement:
    """One value of a text, and the name that it is assigned to, if it is."""

    name: str | None
    value: Any


def read_statements(text: str) -> list[Statement]:
    """The value of a text that is one expression, or the values that a Python file assigns, in order.

    `StructureError` where the text is no Python or JSON, or is longer or deeper than `MAX_TEXT` and `MAX_DEPTH`.
    """
    if len(text) > MAX_TEXT:
        raise StructureError(f"the text has {len(text):,} characters; accepted: at most {MAX_TEXT:,}")
    tree = _tree(text)
    found = []
    for statement in tree.body:
        if isinstance(statement, ast.Expr):
            found.append(Statement(None, _value(statement.value, 0)))
        elif isinstance(statement, ast.Assign):
            names = [target.id for target in statement.targets if isinstance(target, ast.Name)]
            found.append(Statement(names[0] if names else None, _value(statement.value, 0)))
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            name = statement.target.id if isinstance(statement.target, ast.Name) else None
            found.append(Statement(name, _value(statement.value, 0)))
    return found


def _tree(text: str) -> ast.Module:
    """The syntax tree; a text whose first line is indented, or whose strings stand on lines of their own, is read, too."""
    error: Exception | None = None
    for attempt in (text.strip(), f"({text.strip()}\n)"):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what a foreign file escapes is its own business
                return ast.parse(attempt)
        except SyntaxError as caught:
            error = error or caught
        except (ValueError, MemoryError, RecursionError) as caught:
            error = caught
            break
    raise StructureError(f"the text is no Python literal and no JSON: {_reason(error)}") from None


def _reason(error: Exception | None) -> str:
    if isinstance(error, (MemoryError, RecursionError)) or "too many nested" in str(error):
        return f"its values are nested too deep; accepted: {MAX_DEPTH} levels"
    if isinstance(error, SyntaxError):
        return f"{error.msg} (line {error.lineno})"
    return str(error)


def _value(node: ast.expr, depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise StructureError(f"line {node.lineno}: values are nested more than {MAX_DEPTH} deep")
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, (ast.List, ast.Tuple)):
        return [_value(part, depth + 1) for part in node.elts]
    if isinstance(node, ast.Dict) and None not in node.keys:
        keys = [_value(key, depth + 1) for key in node.keys if key is not None]
        values = [_value(value, depth + 1) for value in node.values]
        return {_key(key): value for key, value in zip(keys, values, strict=True)}
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
        value = _value(node.operand, depth + 1)
        if isinstance(value, (int, float)):
            return -value if isinstance(node.op, ast.USub) else value
    if isinstance(node, ast.Name) and node.id in _WORDS:
        return _WORDS[node.id]
    return _call(node, depth) if isinstance(node, ast.Call) else _opaque(node)


def _call(node: ast.Call, depth: int) -> Any:
    """`dict(...)` and NumPy's numbers; any other call is opaque."""
    function = ast.unparse(node.func) if isinstance(node.func, (ast.Name, ast.Attribute)) else ""
    keywords = {keyword.arg: keyword.value for keyword in node.keywords}
    if function == "dict" and not node.args and None not in keywords:
        return {key: _value(value, depth + 1) for key, value in keywords.items()}
    if _NUMPY.fullmatch(function) and len(node.args) == 1 and not keywords:
        value = _value(node.args[0], depth + 1)
        if isinstance(value, (int, float)):
            return value
    return _opaque(node)


def _opaque(node: ast.expr) -> Opaque:
    try:
        source = ast.unparse(node)
    except RecursionError:
        source = type(node).__name__
    return Opaque(source, node.lineno)


def _key(key: Any) -> Any:
    """A key of a dict: lists cannot be one, and no structure has one."""
    return repr(key) if isinstance(key, (list, dict)) else key
