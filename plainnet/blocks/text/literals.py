"""Values that a text writes down in Python or JSON, read without running anything.

Read are constants, lists, tuples, dicts, `dict(key=value)`, the three words of JSON, and numbers as NumPy prints them
(`np.int64(32)`), and names that stand for a number, a text or a short list of such, assigned once and changed by nothing.
Anything else (a call, another name) is a value of its own kind, `Opaque`: a configuration is full of them, and only one that is
asked for is an error.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from plainnet.errors import StructureError

__all__ = ["MAX_DEPTH", "MAX_TEXT", "Opaque", "Statement", "read_statements"]

MAX_TEXT = 1_000_000
"""Longer texts are not read."""
MAX_DEPTH = 32
"""How deep values may stand in values."""
SHORT = 16
"""So long a list may have a name that stands for it."""

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
    found, known = [], dict[str, Any]()
    constants, still = _constants(tree)
    for statement in tree.body:
        if isinstance(statement, ast.Expr):
            found.append(Statement(None, _value(statement.value, 0, known)))
        elif isinstance(statement, ast.Assign):
            names = [target.id for target in statement.targets if isinstance(target, ast.Name)]
            found.append(Statement(names[0] if names else None, _value(statement.value, 0, known)))
            if names and names[0] in constants and _stands_for(found[-1].value, lists=still):
                known[names[0]] = found[-1].value
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            name = statement.target.id if isinstance(statement.target, ast.Name) else None
            found.append(Statement(name, _value(statement.value, 0, known)))
    return found


def _constants(tree: ast.Module) -> tuple[set[str], bool]:
    """Names that are assigned once in all of the file; and whether nothing in it could change a list in place."""
    stored, still = Counter[str](), True
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            stored[node.id] += 1
        elif isinstance(node, ast.alias):
            stored[node.asname or node.name.partition(".")[0]] += 2
        elif isinstance(node, (ast.ExceptHandler, ast.FunctionDef, ast.ClassDef)):
            stored[str(node.name)] += 2
        elif isinstance(node, (ast.AugAssign, ast.Subscript)):
            still = False
        elif isinstance(node, ast.Call):
            function = ast.unparse(node.func) if isinstance(node.func, (ast.Name, ast.Attribute)) else ""
            still = still and (function == "dict" or _NUMPY.fullmatch(function) is not None)
    return set() if "*" in stored else {name for name, times in stored.items() if times == 1}, still


def _stands_for(value: Any, *, lists: bool) -> bool:
    """Whether a value may stand for its name: nothing that grows when it is written out again and again."""
    parts = value if lists and isinstance(value, list) else [value]
    return len(parts) <= SHORT and all(isinstance(part, (int, float, str)) for part in parts)


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


def _value(node: ast.expr, depth: int, known: Mapping[str, Any]) -> Any:
    if depth > MAX_DEPTH:
        raise StructureError(f"line {node.lineno}: values are nested more than {MAX_DEPTH} deep")
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, (ast.List, ast.Tuple)):
        return [_value(part, depth + 1, known) for part in node.elts]
    if isinstance(node, ast.Dict) and None not in node.keys:
        keys = [_value(key, depth + 1, known) for key in node.keys if key is not None]
        values = [_value(value, depth + 1, known) for value in node.values]
        return {_key(key): value for key, value in zip(keys, values, strict=True)}
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
        value = _value(node.operand, depth + 1, known)
        if isinstance(value, (int, float)):
            return -value if isinstance(node.op, ast.USub) else value
    if isinstance(node, ast.Name) and node.id in _WORDS:
        return _WORDS[node.id]
    if isinstance(node, ast.Name) and node.id in known:
        return known[node.id]
    return _call(node, depth, known) if isinstance(node, ast.Call) else _opaque(node)


def _call(node: ast.Call, depth: int, known: Mapping[str, Any]) -> Any:
    """`dict(...)` and NumPy's numbers; any other call is opaque."""
    function = ast.unparse(node.func) if isinstance(node.func, (ast.Name, ast.Attribute)) else ""
    keywords = {keyword.arg: keyword.value for keyword in node.keywords}
    if function == "dict" and not node.args and None not in keywords:
        return {key: _value(value, depth + 1, known) for key, value in keywords.items()}
    if _NUMPY.fullmatch(function) and len(node.args) == 1 and not keywords:
        value = _value(node.args[0], depth + 1, known)
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
