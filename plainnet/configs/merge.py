"""One tree laid over another: what a file says over its bases, what the command line says over the file."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from plainnet.configs.bounds import MAX_DEPTH
from plainnet.configs.place import Place
from plainnet.configs.problems import ConfigProblem, shortened
from plainnet.configs.tree import Node, is_add, read_text

__all__ = ["Merger", "no_default"]

COMMAND_LINE = "command line"
DELETE = "_delete_"


def no_default(_key: str) -> Node | None:
    """For a model that is not known: nothing has a default."""
    return None


@dataclass(frozen=True)
class Merger:
    """Lays trees over each other; what is wrong goes to `problems`.

    default: what stands at a key that nobody has written, so that a list can be added to that only has a default.
    """

    problems: list[ConfigProblem]
    default: Callable[[str], Node | None] = no_default

    def merge(self, base: Node | None, over: Node, key: str = "") -> Node:
        """`over` laid over `base`: mappings key by key, everything else replaced.

        `_delete_: true` in a mapping forgets what is below; without it a mapping over a single value is a problem, since that
        would be gone without a word. A mapping of positions (0, 1, ...) and `+` over a list changes and adds to it. Each value
        remembers what it was laid over.
        """
        if isinstance(over.value, list):
            items = [self.merge(None, node, f"{key}.{number}") for number, node in enumerate(over.value)]
            return _remembering(replace(over, value=items), base)
        if not isinstance(over.value, dict):
            return _remembering(over, base)
        said = {name: node for name, node in over.value.items() if name != DELETE}
        drop = self._drops(over, key)
        if not drop and self._has_no_keys(
            base, key, over.key or over.place, "_delete_: true in the mapping, to forget it"
        ):
            return over
        below = self._below(base, said, key)
        if isinstance(below, list):
            return replace(over, value=self._edited([] if drop else below, said, over, key), over=())
        merged = {} if drop or below is None else dict(below)
        for name, node in said.items():
            if is_add(name):
                self._adds_to_none(name, node.key or over.place, key)
                continue
            child = self.merge(merged.get(name), node, f"{key}.{name}".lstrip("."))
            merged[name] = _remembering(child, (below or {}).get(name)) if drop else child
        return replace(over, value=merged)

    def at(self, tree: Node | None, path: list[str], value: Node, where: Place, key: str = "") -> Node:
        """`tree` with `value` laid over what stands at `path`; `where` is the place of the key as it was written."""
        if not path:
            return replace(self.merge(tree, value, key), key=where)
        name, rest = path[0], path[1:]
        longer = f"{key}.{name}".lstrip(".")
        below = self._below(tree, {name: value}, key)
        if isinstance(below, list):
            items = list(below)
            number = self._position(name, items, where, key)
            if number is not None:
                old = items[number] if number < len(items) else None
                items[number:] = [self.at(old, rest, value, where, longer), *items[number + 1 :]]
            return Node(items, where if tree is None else tree.place, where if tree is None else tree.key)
        if tree is not None and self._has_no_keys(
            tree, key, where, f"{key}={{_delete_: true, KEY: VALUE}}, to forget it"
        ):
            return tree
        values = dict(below or {})
        if is_add(name):
            self._adds_to_none(name, where, key)
            return Node(values, where) if tree is None else tree
        values[name] = self.at(values.get(name), rest, value, where, longer)
        if tree is None or not isinstance(tree.value, dict):
            return Node(values, where, where if tree is None else tree.key)
        return replace(tree, value=values)

    def assign(self, tree: Node, overrides: Iterable[str]) -> Node:
        """`tree` with overrides such as `optim.lr=1e-3` laid over it, left to right; values are YAML.

        A number in the key is a position in a list, `+` adds to its end.
        """
        for text in overrides:
            key, sign, written = text.partition("=")
            path = key.strip().split(".")
            if not sign or not key.strip() or len(path) > MAX_DEPTH:
                place = Place(COMMAND_LINE, text, 0, 0, len(text))
                hint = ("such as optim.lr=1e-3",)
                self.problems.append(ConfigProblem("", "an override is written key=value", place, hint))
                continue
            value = read_text(" " * (len(key) + 1) + written, COMMAND_LINE, problems=self.problems)
            if not written.strip():
                value = Node(None, Place(COMMAND_LINE, text, 0, len(key)))
            tree = self.at(tree, path, _placed(value, text), Place(COMMAND_LINE, text, 0, 0, len(key)))
        return tree

    def _below(self, base: Node | None, said: dict[str, Node], key: str) -> dict[str, Node] | list[Node] | None:
        """What is below a mapping: a mapping, a list that the mapping's keys are positions of, or nothing."""
        adds = any(is_add(name) for name in said)
        numbers = bool(said) and all(is_add(name) or name.isdecimal() for name in said)
        if base is None and numbers:  # the list that is changed may be one that nobody has written
            base = self.default(key)
            if base is not None and not isinstance(base.value, list):
                base = None
        if base is None or base.value is None:
            return [] if adds else None
        if isinstance(base.value, list):
            return base.value if numbers else None
        return base.value if isinstance(base.value, dict) else None

    def _has_no_keys(self, base: Node | None, key: str, where: Place, accepted: str) -> bool:
        """Whether a single value was said where keys are laid over it now, which is a problem."""
        if base is None or base.value is None or isinstance(base.value, dict | list):
            return False
        message = f"{shortened(str(base.value))} was said before ({base.place.origin}), and has no keys"
        self.problems.append(ConfigProblem(key, message, where, (f"accepted: {accepted}",)))
        return True

    def _edited(self, items: list[Node], said: dict[str, Node], over: Node, key: str) -> list[Node]:
        items = list(items)
        for name, node in said.items():
            number = self._position(name, items, node.key or over.place, key)
            if number is not None:
                old = items[number] if number < len(items) else None
                items[number:] = [self.merge(old, node, f"{key}.{number}"), *items[number + 1 :]]
        return items

    def _position(self, name: str, items: list[Node], where: Place, key: str) -> int | None:
        """The number that a key of a list means (one past the end for `+`), or None with a problem."""
        if is_add(name):
            return len(items)
        if name.isdecimal() and len(name) < 10 and int(name) < len(items):
            return int(name)
        hint = f"positions are 0 to {len(items) - 1}, or + to add one" if items else "the list is empty: + adds to it"
        self.problems.append(ConfigProblem(f"{key}.{name}", f"{name} is not a position in the list", where, (hint,)))
        return None

    def _adds_to_none(self, name: str, where: Place, key: str) -> None:
        what = f"{key} is none" if key else "here is none"
        self.problems.append(ConfigProblem(f"{key}.{name}".lstrip("."), f"+ adds to a list, and {what}", where))

    def _drops(self, over: Node, key: str) -> bool:
        assert isinstance(over.value, dict)
        node = over.value.get(DELETE)
        if node is not None and not isinstance(node.value, bool):
            message = (
                f"is true, or left out; got {node.value!r}" if isinstance(node.value, str) else "is true, or left out"
            )
            self.problems.append(ConfigProblem(f"{key}.{DELETE}".lstrip("."), message, node.place))
        return node is not None and node.value is True


def _remembering(node: Node, below: Node | None) -> Node:
    """The node with what it was laid over, leaf by leaf."""
    if below is None:
        return node
    if isinstance(node.value, dict):
        old = below.value if isinstance(below.value, dict) else {}
        return replace(node, value={name: _remembering(child, old.get(name)) for name, child in node.value.items()})
    return replace(node, over=(*node.over, replace(below, over=()), *below.over))


def _placed(node: Node, text: str) -> Node:
    """The node with places in the whole override instead of in its value alone."""
    value = node.value
    if isinstance(value, dict):
        value = {key: _placed(item, text) for key, item in value.items()}
    elif isinstance(value, list):
        value = [_placed(item, text) for item in value]
    return Node(value, replace(node.place, text=text), replace(node.key, text=text) if node.key else None)
