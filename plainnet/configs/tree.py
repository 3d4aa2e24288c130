"""YAML read into a tree of values that know where they are written."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from plainnet.configs.place import Place
from plainnet.configs.problems import ConfigProblem

__all__ = ["Node", "Place", "Scalar", "from_plain", "read_text", "to_plain"]

Scalar = str | int | float | bool | None


@dataclass(frozen=True)
class Node:
    """A value of a configuration: a mapping or list of nodes, or a scalar; `place` is the value's, `key`
    its key's."""

    value: dict[str, Node] | list[Node] | Scalar
    place: Place
    key: Place | None = None


def read_text(text: str, source: str, *, problems: list[ConfigProblem]) -> Node:
    """The tree of a YAML text (YAML 1.2); what is wrong with it is added to `problems`.

    An empty text is an empty mapping. A key that stands twice, a key that is not text and a merge key
    (`<<`) are problems.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    yaml = YAML(typ="safe", pure=True)
    try:
        root = yaml.compose(text)
        if root is None:
            return Node({}, Place(source, text, 0, 0))
        return _Reader(yaml, text, source, problems).node(root, "")
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(source, text, mark.line, mark.column) if mark else Place(source)
        problems.append(ConfigProblem("", f"not valid YAML: {error.problem or error.context}", place))
    except (YAMLError, RecursionError, ValueError) as error:
        first = str(error).splitlines() or [type(error).__name__]
        problems.append(ConfigProblem("", f"not valid YAML: {first[0]}", Place(source)))
    return Node({}, Place(source, text, 0, 0))


class _Reader:
    """Turns ruamel.yaml's nodes into ours."""

    def __init__(self, yaml: Any, text: str, source: str, problems: list[ConfigProblem]) -> None:
        self.yaml, self.text, self.source, self.problems = yaml, text, source, problems
        self.lines = text.splitlines()
        self.open: set[int] = set()

    def node(self, node: Any, key: str, key_place: Place | None = None) -> Node:
        place = self.place(node)
        if id(node) in self.open:
            self.problems.append(ConfigProblem(key, "an alias that contains itself", place))
            return Node(None, place, key_place)
        self.open.add(id(node))
        try:
            if node.id == "mapping":
                return Node(self.mapping(node, key), place, key_place)
            if node.id == "sequence":
                items = [self.node(item, f"{key}.{index}".lstrip(".")) for index, item in enumerate(node.value)]
                return Node(items, place, key_place)
            return Node(self.scalar(node), place, key_place)
        finally:
            self.open.discard(id(node))

    def mapping(self, node: Any, parent: str) -> dict[str, Node]:
        values: dict[str, Node] = {}
        for key_node, value_node in node.value:
            place = self.place(key_node)
            if key_node.id != "scalar" or key_node.tag.endswith(":merge"):
                self.problems.append(
                    ConfigProblem(parent, "a key is a plain word", place, ("to inherit, write _base_",))
                )
                continue
            name = str(key_node.value)
            path = f"{parent}.{name}".lstrip(".")
            if name in values:
                first = values[name].key
                self.problems.append(
                    ConfigProblem(path, f"written twice, first on line {first.line + 1 if first else '?'}", place)
                )
            values[name] = self.node(value_node, path, place)
        return values

    def scalar(self, node: Any) -> Scalar:
        value = self.yaml.constructor.construct_object(node, deep=True)
        if isinstance(value, datetime.date | bytes):
            return str(node.value)
        return value if isinstance(value, str | int | float | bool | None) else str(node.value)

    def place(self, node: Any) -> Place:
        start, end = node.start_mark, node.end_mark
        line = self.lines[start.line] if start.line < len(self.lines) else ""
        width = end.column - start.column if end.line == start.line else len(line.rstrip()) - start.column
        return Place(self.source, self.text, start.line, start.column, max(1, width))


def from_plain(value: Any, source: str = "python") -> Node:
    """The tree of plain Python data, whose places name only `source`."""
    place = Place(source)
    if isinstance(value, Mapping):
        return Node({str(key): from_plain(item, source) for key, item in value.items()}, place, place)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return Node([from_plain(item, source) for item in value], place, place)
    return Node(value, place, place)


def to_plain(node: Node) -> Any:
    """The plain Python data of a tree."""
    if isinstance(node.value, dict):
        return {key: to_plain(item) for key, item in node.value.items()}
    if isinstance(node.value, list):
        return [to_plain(item) for item in node.value]
    return node.value
