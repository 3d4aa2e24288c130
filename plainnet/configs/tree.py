"""YAML read into a tree of values that know where they are written."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from plainnet.configs.bounds import MAX_BYTES, Budget, TooMuchError
from plainnet.configs.foreign import PLAIN_TAGS, STANDARD_TAGS, key_hints, short_tag, tag_hints
from plainnet.configs.place import Place
from plainnet.configs.problems import ConfigProblem
from plainnet.configs.reading import compose

__all__ = ["Node", "Place", "Scalar", "from_plain", "is_add", "read_text", "to_plain"]

Scalar = str | int | float | bool | None


@dataclass(frozen=True)
class Node:
    """A value of a configuration: a mapping or list of nodes, or a scalar; `place` is the value's, `key`
    its key's.

    over: the values that this one was laid over, the last first. home: the folder that a relative path belongs to, where
    it is not the place's (the value was referred to).
    """

    value: dict[str, Node] | list[Node] | Scalar
    place: Place
    key: Place | None = None
    over: tuple[Node, ...] = ()
    home: str | None = None

    @property
    def folder(self) -> str:
        """The folder that a relative path here belongs to; "" for the one that the program runs in."""
        return self.place.folder if self.home is None else self.home


def is_add(key: str) -> bool:
    """Whether a key adds to the end of a list: `+`, which the reader numbers where it stands more than once."""
    return key[:1] == "+" and (len(key) == 1 or key[1:].isdecimal())


def read_text(text: str, source: str, *, problems: list[ConfigProblem], folder: str = "") -> Node:
    """The tree of a YAML text (YAML 1.2); what is wrong with it is added to `problems`.

    An empty text is an empty mapping. A key that stands twice, a key that is not text, a merge key (`<<`), a tag (`!x`)
    and a text over the bounds are problems. `folder` is the one that its relative paths belong to.
    """
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    start = Place(source, text, 0, 0, folder=folder)
    if len(text) > MAX_BYTES:
        problems.append(ConfigProblem("", f"more than {MAX_BYTES:,} characters", Place(source)))
        return Node({}, start)
    try:
        root, constructor = compose(text)
        return Node({}, start) if root is None else _Reader(constructor, text, source, problems, folder).node(root, "")
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(source, text, mark.line, mark.column) if mark else Place(source)
        problems.append(ConfigProblem("", f"not valid YAML: {error.problem or error.context}", place))
    except TooMuchError as error:
        problems.append(ConfigProblem("", str(error), Place(source)))
    except (YAMLError, ValueError) as error:
        first = str(error).splitlines() or [type(error).__name__]
        problems.append(ConfigProblem("", f"not valid YAML: {first[0]}", Place(source)))
    return Node({}, start)


class _Reader:
    """Turns ruamel.yaml's nodes into ours."""

    def __init__(self, constructor: Any, text: str, source: str, problems: list[ConfigProblem], folder: str) -> None:
        self.constructor, self.text, self.source, self.problems = constructor, text, source, problems
        self.folder = folder
        self.lines = text.splitlines()
        self.open: set[int] = set()
        self.budget = Budget()

    def node(self, node: Any, key: str, key_place: Place | None = None) -> Node:
        place = self.place(node)
        if id(node) in self.open:
            self.problems.append(ConfigProblem(key, "an alias that contains itself", place))
            return Node(None, place, key_place)
        if node.tag and node.tag not in STANDARD_TAGS:
            self.problems.append(
                ConfigProblem(key, f"the tag {short_tag(node.tag)} means nothing here", place, tag_hints(node.tag))
            )
            return Node(None, place, key_place)
        self.open.add(id(node))
        try:
            with self.budget:
                return Node(self.value(node, key), place, key_place)
        finally:
            self.open.discard(id(node))

    def value(self, node: Any, key: str) -> Any:
        if node.id == "mapping":
            return self.mapping(node, key)
        if node.id == "sequence":
            return [self.node(item, f"{key}.{index}".lstrip(".")) for index, item in enumerate(node.value)]
        value = self.scalar(node, key)
        self.budget.spend(value)
        return value

    def mapping(self, node: Any, parent: str) -> dict[str, Node]:
        values: dict[str, Node] = {}
        for key_node, value_node in node.value:
            place = self.place(key_node)
            if key_node.id != "scalar" or key_node.tag.endswith(":merge"):
                self.problems.append(ConfigProblem(parent, "a key is a plain word", place, key_hints(key_node)))
                continue
            name = str(key_node.value)
            self.budget.spend(name)
            path = f"{parent}.{name}".lstrip(".")
            if name in values and is_add(name.rpartition(".")[2]):  # as often as there is something to add
                name = f"{name}{len(values)}"
            elif name in values:
                first = values[name].key
                self.problems.append(
                    ConfigProblem(path, f"written twice, first on line {first.line + 1 if first else '?'}", place)
                )
            values[name] = self.node(value_node, path, place)
        return values

    def scalar(self, node: Any, key: str) -> Scalar:
        from ruamel.yaml.error import YAMLError

        if node.tag in PLAIN_TAGS:
            return str(node.value)
        try:
            value = self.constructor.construct_object(node, deep=True)
        except (YAMLError, ValueError) as error:
            first = (str(error).splitlines() or [type(error).__name__])[0]
            self.problems.append(
                ConfigProblem(key, f"no value of its kind: {first.partition(';')[0]}", self.place(node))
            )
            return None
        return value if isinstance(value, str | int | float | bool | None) else str(node.value)

    def place(self, node: Any) -> Place:
        start, end = node.start_mark, node.end_mark
        line = self.lines[start.line] if start.line < len(self.lines) else ""
        width = end.column - start.column if end.line == start.line else len(line.rstrip()) - start.column
        return Place(self.source, self.text, start.line, start.column, max(1, width), self.folder)


def from_plain(value: Any, source: str = "python") -> Node:
    """The tree of plain Python data, whose places name only `source`; paths become texts. Raises `TooMuchError`."""
    return _from_plain(value, Place(source), Budget())


def _from_plain(value: Any, place: Place, budget: Budget) -> Node:
    budget.spend(value)
    with budget:
        if isinstance(value, Mapping):
            return Node({str(key): _from_plain(item, place, budget) for key, item in value.items()}, place, place)
        if isinstance(value, Sequence) and not isinstance(value, str | bytes):
            return Node([_from_plain(item, place, budget) for item in value], place, place)
    return Node(os.fspath(value) if isinstance(value, os.PathLike) else value, place, place)


def to_plain(node: Node) -> Any:
    """The plain Python data of a tree."""
    if isinstance(node.value, dict):
        return {key: to_plain(item) for key, item in node.value.items()}
    if isinstance(node.value, list):
        return [to_plain(item) for item in node.value]
    return node.value
