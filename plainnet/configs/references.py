"""References from one key to another: `${optim.lr}`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import islice

from plainnet.configs.arithmetic import calculate, looks_like_arithmetic
from plainnet.configs.bounds import MAX_CHARACTERS, MAX_SHOWN, Budget, TooMuchError
from plainnet.configs.foreign import reference_hints
from plainnet.configs.problems import ConfigProblem
from plainnet.configs.tree import Node
from plainnet.errors import nearest

__all__ = ["lookup", "resolve"]

REFERENCE = re.compile(r"\$\$\{|\$\{([^{}]*)\}")


def resolve(
    tree: Node,
    *,
    problems: list[ConfigProblem],
    default: Callable[[str], Node | None] = lambda _: None,
    known: Iterable[str] = (),
) -> Node:
    """The tree with every `${key}` replaced by what stands at `key`, or by its default where nothing does.

    A reference that is the whole text takes the value with its type (a mapping too); inside text it is
    written out. Numbers with operators between them, spaces around, are calculated: `${data.batch_size} / 640`.
    `$${` is a plain `${`. A key that does not exist, a circle and a tree over the bounds are problems. `known` are
    keys with a default, for the hint.
    """
    try:
        return _Resolver(tree, problems, default, tuple(known)).node(tree, "", ())
    except TooMuchError as error:
        problems.append(ConfigProblem("", str(error), tree.place))
        return replace(tree, value={})


def lookup(tree: Node, key: str) -> Node | None:
    """The node at a dotted key, or None."""
    node = tree
    for name in key.split("."):
        if isinstance(node.value, dict) and name in node.value:
            node = node.value[name]
        elif isinstance(node.value, list) and name.isdecimal() and int(name) < len(node.value):
            node = node.value[int(name)]
        else:
            return None
    return node


class _Resolver:
    def __init__(
        self, tree: Node, problems: list[ConfigProblem], default: Callable[[str], Node | None], known: tuple[str, ...]
    ) -> None:
        self.tree, self.problems, self.default, self.known = tree, problems, default, known
        self.budget, self.missed = Budget(), 0

    def node(self, node: Node, key: str, within: tuple[str, ...]) -> Node:
        value = node.value
        self.budget.spend(value)
        with self.budget:
            if isinstance(value, dict):
                items = {k: self.node(v, f"{key}.{k}".lstrip("."), within) for k, v in value.items()}
                return replace(node, value=items)
            if isinstance(value, list):
                return replace(
                    node, value=[self.node(v, f"{key}.{i}".lstrip("."), within) for i, v in enumerate(value)]
                )
            if isinstance(value, str) and "${" in value:
                return self.text(node, value, key, within)
            return node

    def text(self, node: Node, text: str, key: str, within: tuple[str, ...]) -> Node:
        whole = REFERENCE.fullmatch(text)
        if whole and whole.group(1) is not None:
            target = self.target(whole.group(1), node, key, within)
            if target is None:
                return node
            return replace(target, place=node.place, key=node.key, over=node.over, home=target.folder)
        targets = {
            match.group(1): self.target(match.group(1), node, key, within)
            for match in REFERENCE.finditer(text)
            if match.group(1) is not None
        }
        if "${" in REFERENCE.sub("", text):
            hint = ("a ${ that is none is written $${",)
            self.problems.append(ConfigProblem(key, "a reference is written ${key}", node.place, hint))
            return node
        if None in targets.values():
            return node
        found = {name: target for name, target in targets.items() if target is not None}
        if (number := self.calculated(text, found, node, key)) is not None:
            return replace(node, value=number)
        return self.written(text, found, node, key)

    def calculated(self, text: str, targets: dict[str, Node], node: Node, key: str) -> float | None:
        """The number that the text comes to, or None where it is no arithmetic."""
        if not all(type(target.value) in (int, float) for target in targets.values()) or "$${" in text:
            return None
        expression = REFERENCE.sub(lambda match: f"({targets[match.group(1)].value!r})", text)
        if not targets or not looks_like_arithmetic(expression):
            return None
        try:
            return calculate(expression)
        except ValueError as error:
            self.problems.append(ConfigProblem(key, f"{text} {error}", node.place))
            return None

    def written(self, text: str, targets: dict[str, Node], node: Node, key: str) -> Node:
        """The text with what is referred to written out; a path that begins with another stays in that one's folder."""
        for name, target in targets.items():
            if isinstance(target.value, dict | list):
                self.problems.append(ConfigProblem(key, f"{name} is not a single value", node.place))
                return node

        def out(match: re.Match[str]) -> str:
            if match.group(1) is None:
                return "${"
            value = targets[match.group(1)].value
            return "null" if value is None else str(value)

        length = sum(len(str(targets[match.group(1)].value)) for match in REFERENCE.finditer(text) if match.group(1))
        self.budget.spend(length * " " if length <= MAX_CHARACTERS else (MAX_CHARACTERS + 1) * " ")
        first = REFERENCE.match(text)
        home = targets[first.group(1)].folder if first and first.group(1) is not None else node.home
        return replace(node, value=REFERENCE.sub(out, text), home=home)

    def target(self, name: str, node: Node, key: str, within: tuple[str, ...]) -> Node | None:
        if name in within or name == key or key.startswith(f"{name}."):
            circle = " -> ".join(dict.fromkeys([*within, key, name]))
            self.problems.append(ConfigProblem(key, f"references in a circle: {circle}", node.place))
            return None
        found = lookup(self.tree, name)
        if found is None:
            found = self.default(name)
        if found is None:
            self.missed += 1
            near = nearest(name, self.names()) if self.missed <= MAX_SHOWN else None
            hints = reference_hints(name) or ((f"did you mean ${{{near}}}?",) if near else ())
            self.problems.append(ConfigProblem(key, f"there is no key {name} to refer to", node.place, hints))
            return None
        return self.node(found, name, (*within, key))

    def names(self) -> list[str]:
        """Keys that could be meant; the first thousand, because comparing takes its time."""
        return [*islice(_keys(self.tree, ""), 1000), *self.known]


def _keys(node: Node, prefix: str) -> Iterator[str]:
    for key, child in node.value.items() if isinstance(node.value, dict) else ():
        yield f"{prefix}{key}"
        yield from _keys(child, f"{prefix}{key}.")
