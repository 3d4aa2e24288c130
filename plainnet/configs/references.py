"""References from one key to another: `${optim.lr}`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace

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
    written out. `$${` is a plain `${`. A key that does not exist and a circle are problems. `known` are
    keys with a default, for the hint.
    """
    return _Resolver(tree, problems, default, tuple(known)).node(tree, "", ())


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

    def node(self, node: Node, key: str, within: tuple[str, ...]) -> Node:
        value = node.value
        if isinstance(value, dict):
            return replace(node, value={k: self.node(v, f"{key}.{k}".lstrip("."), within) for k, v in value.items()})
        if isinstance(value, list):
            return replace(node, value=[self.node(v, f"{key}.{i}".lstrip("."), within) for i, v in enumerate(value)])
        if isinstance(value, str) and "${" in value:
            return self.text(node, value, key, within)
        return node

    def text(self, node: Node, text: str, key: str, within: tuple[str, ...]) -> Node:
        whole = REFERENCE.fullmatch(text)
        if whole and whole.group(1) is not None:
            target = self.target(whole.group(1), node, key, within)
            return node if target is None else replace(target, place=node.place, key=node.key)

        def written(match: re.Match[str]) -> str:
            if match.group(1) is None:
                return "${"
            target = self.target(match.group(1), node, key, within)
            if target is None:
                return match.group(0)
            if isinstance(target.value, dict | list):
                self.problems.append(ConfigProblem(key, f"{match.group(1)} is not a single value", node.place))
                return match.group(0)
            return "null" if target.value is None else str(target.value)

        return replace(node, value=REFERENCE.sub(written, text))

    def target(self, name: str, node: Node, key: str, within: tuple[str, ...]) -> Node | None:
        if name in within or name == key or key.startswith(f"{name}."):
            circle = " -> ".join(dict.fromkeys([*within, key, name]))
            self.problems.append(ConfigProblem(key, f"references in a circle: {circle}", node.place))
            return None
        found = lookup(self.tree, name)
        if found is None:
            found = self.default(name)
        if found is None:
            near = nearest(name, [*_keys(self.tree, ""), *self.known])
            hints = (f"did you mean ${{{near}}}?",) if near else ()
            self.problems.append(ConfigProblem(key, f"there is no key {name} to refer to", node.place, hints))
            return None
        return self.node(found, name, (*within, key))


def _keys(node: Node, prefix: str) -> list[str]:
    children = node.value.items() if isinstance(node.value, dict) else ()
    return [name for key, child in children for name in (f"{prefix}{key}", *_keys(child, f"{prefix}{key}."))]
