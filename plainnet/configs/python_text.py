"""Configurations written as Python assignments. Nothing is run: the parsed text is read, statement by statement, for values.

    _base_ = ["quick"]
    _width = 64                                   # a name that begins with _ is no key
    optim = dict(type="SGD", lr=0.1 * _width / 256, _delete_=True)
    hooks = [dict(type="StepTimer")]
    optim.weight_decay = 5e-4                     # or optim["weight_decay"]

Values are literals, `dict(...)`, names that were assigned before, parts of them, `+ - * / // %` of numbers, `+` of texts and of
lists, and f-strings of such. A name that is imported stands for its import path and is not imported; `with read_base():` names
bases. Loops, conditions, functions and every other call are problems, with their places.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Container
from dataclasses import replace
from typing import Any

from plainnet.configs.bounds import MAX_BYTES, TooMuchError
from plainnet.configs.place import Place
from plainnet.configs.problems import ConfigProblem
from plainnet.configs.python_values import PythonValues, RefusedError
from plainnet.configs.tree import Node

__all__ = ["assigns_any", "read_python"]

BASE = "_base_"


def read_python(text: str, source: str, *, problems: list[ConfigProblem], folder: str = "") -> Node:
    """The tree of a configuration in Python; what is wrong with it is added to `problems`. Nothing in it is run or imported."""
    start = Place(source, text, 0, 0, folder=folder)
    if len(text) > MAX_BYTES:
        problems.append(ConfigProblem("", f"more than {MAX_BYTES:,} characters", Place(source)))
        return Node({}, start)
    try:
        body = _body(text)
    except SyntaxError as error:
        place = Place(source, text, (error.lineno or 1) - 1, max(0, (error.offset or 1) - 1), folder=folder)
        problems.append(ConfigProblem("", f"not valid Python: {error.msg}", place))
        return Node({}, start)
    except (ValueError, RecursionError, MemoryError) as error:
        problems.append(ConfigProblem("", f"not valid Python: {error or 'nested too deeply'}", Place(source)))
        return Node({}, start)
    reader = _Reader(text, source, folder)
    for statement in body:
        try:
            reader.statement(statement)
        except RefusedError as error:
            problems.append(error.problem)
        except (TooMuchError, RecursionError) as error:
            problems.append(ConfigProblem("", str(error) or "nested too deeply", Place(source)))
            return Node({}, start)
    kept = {name: node for name, node in reader.names.items() if name == BASE or not name.startswith("_")}
    return Node({name: node for name, node in kept.items() if name not in reader.imported}, start)


def assigns_any(text: str, names: Container[str]) -> bool:
    """Whether a Python text assigns one of the names, outside of everything; False for what is no Python."""
    try:
        body = _body(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    targets = [target for node in body if isinstance(node, ast.Assign) for target in node.targets]
    return any(isinstance(target, ast.Name) and target.id in names for target in targets)


def _body(text: str) -> list[ast.stmt]:
    """The statements of a text; what Python would warn of while it compiles is none of a configuration's."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(text).body


class _Reader(PythonValues):
    """Statements. Values are never changed in place: an assignment to a part makes the whole anew."""

    def statement(self, node: ast.stmt) -> None:
        """Take up one statement."""
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            return  # a docstring
        if isinstance(node, ast.Import | ast.ImportFrom):
            self.import_names(node)
        elif isinstance(node, ast.With):
            self.read_base(node)
        elif isinstance(node, ast.Assign) and len(node.targets) == 1:
            self.assign(node.targets[0], self.value(node.value))
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            self.assign(node.target, self.value(node.value))
        else:
            what = type(node).__name__
            raise self.refuse(
                node, f"a configuration is read and not run, and {what} means nothing here", "accepted: name = value"
            )

    def assign(self, target: ast.expr, value: Node) -> None:
        """Give a name, or a part of what a name means, a value."""
        if isinstance(target, ast.Name):
            self.imported.discard(target.id)
            self.names[target.id] = replace(value, key=self.place(target))
            return
        if not isinstance(target, ast.Attribute | ast.Subscript):
            raise self.refuse(
                target, "is nothing that a value can be assigned to", "accepted: name, name.key, name['key']"
            )
        whole, key = self.whole(target.value), self.key_of(target)
        if isinstance(whole.value, dict) and isinstance(key, str):
            changed: Any = {**whole.value, key: replace(value, key=self.place(target))}
        elif isinstance(whole.value, list) and isinstance(key, int) and -len(whole.value) <= key < len(whole.value):
            changed = list(whole.value)
            changed[key] = value
        else:
            raise self.refuse(target, f"there is no {key!r} to assign to")
        self.assign(target.value, replace(whole, value=changed))

    def import_names(self, node: ast.Import | ast.ImportFrom) -> None:
        """A name that is imported means its import path, for `type`."""
        home = getattr(node, "module", None)
        if getattr(node, "level", 0):
            raise self.refuse(node, "a relative import means nothing here", 'to inherit, write _base_ = ["other.py"]')
        for alias in node.names:
            if alias.name == "*":
                raise self.refuse(node, "import * means nothing here", "accepted: from package.module import Name")
            if home == "mmengine.config":  # read_base, for those who come from there
                continue
            name = alias.asname or alias.name.partition(".")[0]
            self.names[name] = Node(f"{home}.{alias.name}" if home else name, self.place(node))
            self.imported.add(name)

    def read_base(self, node: ast.With) -> None:
        """`with read_base(): from .other import *` is `_base_ = ["other.py"]`."""
        call = node.items[0].context_expr
        is_base = isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "read_base"
        if not is_base or len(node.items) > 1:
            raise self.refuse(node, "with means nothing here", "accepted: with read_base(): from .other import *")
        bases = [] if BASE not in self.names else self.names[BASE].value
        found = list(bases) if isinstance(bases, list) else [self.names[BASE]]
        for inner in node.body:
            if (
                not isinstance(inner, ast.ImportFrom)
                or not inner.level
                or not inner.module
                or inner.names[0].name != "*"
            ):
                raise self.refuse(inner, "names no base", "accepted: from .other import *")
            path = f"{'../' * (inner.level - 1)}{inner.module.replace('.', '/')}.py"
            found.append(Node(path, self.place(inner)))
        self.names[BASE] = Node(found, self.place(node), self.place(node))
