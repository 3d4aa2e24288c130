"""The values of a configuration that is written in Python: expressions read for what they stand for, and nothing run."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from plainnet.configs.arithmetic import BINARY, LARGEST
from plainnet.configs.bounds import Budget
from plainnet.configs.place import Place
from plainnet.configs.problems import ConfigProblem
from plainnet.configs.tree import Node
from plainnet.errors import nearest

__all__ = ["PythonValues", "RefusedError"]

ACCEPTED = "accepted: literals, dict(...), names, parts of values, arithmetic, f-strings"


class RefusedError(Exception):
    """Something in the text means nothing here."""

    def __init__(self, problem: ConfigProblem) -> None:
        self.problem = problem
        super().__init__(problem.message)


class PythonValues:
    """Names and what they were assigned. Values are never changed in place: an assignment to a part makes the whole anew."""

    def __init__(self, text: str, source: str, folder: str) -> None:
        self.text, self.source, self.folder = text, source, folder
        self.lines = text.split("\n")
        self.names: dict[str, Node] = {}
        self.imported: set[str] = set()
        self.budget = Budget()

    def place(self, node: Any) -> Place:
        """Where a part of the text stands, in characters."""
        line = node.lineno - 1
        before = self.lines[line].encode()[: node.col_offset] if line < len(self.lines) else b""
        end = node.end_col_offset if node.end_lineno == node.lineno else len(self.lines[line].encode())
        column = len(before.decode(errors="replace"))
        return Place(self.source, self.text, line, column, max(1, end - node.col_offset), self.folder)

    def refuse(self, node: Any, message: str, *hints: str) -> RefusedError:
        """What is wrong with a part of the text."""
        return RefusedError(ConfigProblem("", message, self.place(node), hints))

    def value(self, node: ast.expr) -> Node:
        """The value of an expression, every part of it with its place."""
        with self.budget:
            read = self.readers().get(type(node))
            if read is None:
                what = type(node).__name__
                raise self.refuse(node, f"a configuration is read and not run, and {what} means nothing here", ACCEPTED)
            found: Node = read(node)
            if isinstance(node, ast.Name | ast.Attribute | ast.Subscript | ast.BinOp | ast.JoinedStr):
                self.spend(found)
            else:
                self.budget.spend(found.value)
            return found

    def whole(self, node: ast.expr) -> Node:
        """What a part is taken of, which is not counted."""
        read = self.readers()[type(node)] if isinstance(node, ast.Name | ast.Attribute | ast.Subscript) else self.value
        return read(node)

    def readers(self) -> dict[type[ast.expr], Callable[[Any], Node]]:
        """How each kind of expression is read."""
        return {
            ast.Constant: self.constant,
            ast.Dict: self.mapping,
            ast.Call: self.call,
            ast.List: self.sequence,
            ast.Tuple: self.sequence,
            ast.Name: self.name,
            ast.Attribute: self.part,
            ast.Subscript: self.part,
            ast.UnaryOp: self.unary,
            ast.BinOp: self.binary,
            ast.JoinedStr: self.joined,
        }

    def spend(self, node: Node) -> None:
        """Count a value as what it stands for, also where it is a name for something large."""
        self.budget.spend(node.value)
        children: Iterable[Node] = node.value if isinstance(node.value, list) else ()
        for child in node.value.values() if isinstance(node.value, dict) else children:
            self.spend(child)

    def constant(self, node: ast.Constant) -> Node:
        """A literal."""
        if not isinstance(node.value, str | int | float | bool | None):
            raise self.refuse(node, f"a {type(node.value).__name__} means nothing here", ACCEPTED)
        return Node(node.value, self.place(node))

    def mapping(self, node: ast.Dict) -> Node:
        """`{"key": value, **other}`."""
        found, written = dict[str, Node](), set[str]()
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                found |= self.mapped(value)
                continue
            if not isinstance(key, ast.Constant) or not isinstance(key.value, str):
                raise self.refuse(key, "a key is a text")
            if key.value in written:
                raise self.refuse(key, f"{key.value} is written twice")
            written.add(key.value)
            found[key.value] = replace(self.value(value), key=self.place(key))
        return Node(found, self.place(node))

    def call(self, node: ast.Call) -> Node:
        """`dict(other, key=value)`, and no other call but `float("inf")`."""
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name == "float" and len(node.args) == 1 and isinstance(node.args[0], ast.Constant) and not node.keywords:
            try:
                return Node(float(node.args[0].value), self.place(node))  # type: ignore[arg-type]
            except (TypeError, ValueError):
                raise self.refuse(node, "is no number") from None
        if name != "dict":
            raise self.refuse(node, "nothing is called but dict(...)", 'what is built is named: dict(type="Name", ...)')
        found: dict[str, Node] = {}
        for argument in node.args:
            found |= self.mapped(argument)
        for keyword in node.keywords:
            if keyword.arg is None:
                found |= self.mapped(keyword.value)
            else:
                key = replace(self.place(keyword), width=len(keyword.arg))
                found[keyword.arg] = replace(self.value(keyword.value), key=key)
        return Node(found, self.place(node))

    def mapped(self, node: ast.expr) -> dict[str, Node]:
        """The entries of a mapping."""
        found = self.value(node)
        if not isinstance(found.value, dict):
            raise self.refuse(node, "is no mapping")
        return found.value

    def sequence(self, node: ast.List | ast.Tuple) -> Node:
        """A list, or a tuple, which is one too."""
        items = [list(self.listed(item)) if isinstance(item, ast.Starred) else [self.value(item)] for item in node.elts]
        return Node([one for several in items for one in several], self.place(node))

    def listed(self, node: ast.Starred) -> list[Node]:
        """The items of `*other`."""
        found = self.value(node.value)
        if not isinstance(found.value, list):
            raise self.refuse(node, "is no list")
        return found.value

    def name(self, node: ast.Name) -> Node:
        """What a name was assigned; `_base_.key` is read as a reference."""
        if node.id not in self.names:
            near = nearest(node.id, self.names)
            raise self.refuse(node, f"there is no {node.id} before", *([f"did you mean {near}?"] if near else []))
        return replace(self.names[node.id], place=self.place(node))

    def part(self, node: ast.Attribute | ast.Subscript) -> Node:
        """`value.key`, `value["key"]`, `items[0]`."""
        dotted = ast.unparse(node)
        if dotted.startswith("_base_."):  # what stands there in the end, as in YAML
            return Node(f"${{{dotted.removeprefix('_base_.')}}}", self.place(node))
        whole, key = self.whole(node.value), self.key_of(node)
        if isinstance(whole.value, dict) and key in whole.value:
            return replace(whole.value[str(key)], place=self.place(node))
        if isinstance(whole.value, list) and isinstance(key, int) and -len(whole.value) <= key < len(whole.value):
            return replace(whole.value[key], place=self.place(node))
        if isinstance(whole.value, str) and isinstance(node, ast.Attribute) and _root(node) in self.imported:
            return Node(f"{whole.value}.{node.attr}", self.place(node))  # torch.optim.SGD
        near = nearest(str(key), whole.value) if isinstance(whole.value, dict) else None
        raise self.refuse(node, f"there is no {key!r} in it", *([f"did you mean {near}?"] if near else []))

    def key_of(self, node: ast.Attribute | ast.Subscript) -> str | int:
        """The key of a part."""
        if isinstance(node, ast.Attribute):
            return node.attr
        found = self.value(node.slice).value
        if not isinstance(found, str | int) or isinstance(found, bool):
            raise self.refuse(node.slice, "a part is named by a key or a number")
        return found

    def number(self, node: ast.expr, value: Node) -> float:
        """A number for arithmetic."""
        if isinstance(value.value, bool) or not isinstance(value.value, int | float):
            raise self.refuse(node, "arithmetic is done with numbers; texts and lists are put together with +")
        return value.value

    def unary(self, node: ast.UnaryOp) -> Node:
        """A sign, or `not`."""
        inner = self.value(node.operand)
        if isinstance(node.op, ast.Not) and isinstance(inner.value, bool):
            return Node(not inner.value, self.place(node))
        if not isinstance(node.op, ast.USub | ast.UAdd):
            raise self.refuse(node, "is not done here", ACCEPTED)
        number = self.number(node.operand, inner)
        return Node(-number if isinstance(node.op, ast.USub) else number, self.place(node))

    def binary(self, node: ast.BinOp) -> Node:
        """Arithmetic with numbers; `+` of texts and of lists."""
        left, right = self.value(node.left), self.value(node.right)
        if isinstance(node.op, ast.Add) and isinstance(left.value, str) and isinstance(right.value, str):
            return Node(left.value + right.value, self.place(node))
        if isinstance(node.op, ast.Add) and isinstance(left.value, list) and isinstance(right.value, list):
            return Node([*left.value, *right.value], self.place(node))
        if type(node.op) not in BINARY:
            raise self.refuse(node, "is not done here; accepted: + - * / // %")
        numbers = self.number(node.left, left), self.number(node.right, right)
        try:
            found = BINARY[type(node.op)](*numbers)
        except ZeroDivisionError:
            raise self.refuse(node, "divides by zero") from None
        except OverflowError:
            raise self.refuse(node, "is too large a number") from None
        if not math.isfinite(found) or abs(found) > LARGEST:
            raise self.refuse(node, "is too large a number")
        return Node(found, self.place(node))

    def joined(self, node: ast.JoinedStr) -> Node:
        """An f-string of plain values, without formats."""
        texts = []
        for part in node.values:
            if isinstance(part, ast.Constant):
                texts.append(str(part.value))
                continue
            assert isinstance(part, ast.FormattedValue)
            found = self.value(part.value).value
            if part.format_spec is not None or part.conversion != -1 or isinstance(found, dict | list):
                raise self.refuse(node, "an f-string holds plain values, without formats")
            texts.append(str(found))
        return Node("".join(texts), self.place(node))


def _root(node: ast.expr) -> str:
    """The name that a chain of attributes begins with."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""
