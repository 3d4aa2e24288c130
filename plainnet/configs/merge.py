"""Inheritance between configuration files, and overrides on top of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from plainnet.configs.place import Place
from plainnet.configs.problems import ConfigProblem
from plainnet.configs.tree import Node, read_text
from plainnet.errors import nearest

__all__ = ["assign", "merge", "read_file"]

COMMAND_LINE = "command line"


def read_file(
    path: Path,
    *,
    problems: list[ConfigProblem],
    named: Mapping[str, Path] | None = None,
    within: tuple[Path, ...] = (),
) -> Node:
    """The tree of a file merged over its `_base_` files; `named` are the files that a base may name without
    a path."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        problems.append(ConfigProblem("", f"cannot be read: {reason}", Place(str(path))))
        return Node({}, Place(str(path)))
    tree = read_text(text, str(path), problems=problems)
    if not isinstance(tree.value, dict):
        problems.append(ConfigProblem("", "a configuration is a mapping of keys to values", tree.place))
        return Node({}, tree.place)
    return apply_bases(tree, path.parent, problems=problems, named=named or {}, within=(*within, path.resolve()))


def apply_bases(
    tree: Node,
    folder: Path,
    *,
    problems: list[ConfigProblem],
    named: Mapping[str, Path],
    within: tuple[Path, ...] = (),
) -> Node:
    """`tree` merged over the files that its `_base_` names."""
    assert isinstance(tree.value, dict)
    values = dict(tree.value)
    bases = values.pop("_base_", None)
    merged: Node | None = None
    for base in [] if bases is None else bases.value if isinstance(bases.value, list) else [bases]:
        path = _find_base(base, folder, named, problems)
        if path is None:
            continue
        if path.resolve() in within:
            problems.append(ConfigProblem("_base_", f"{base.value} is a base of itself", base.place))
            continue
        parent = read_file(path, problems=problems, named=named, within=within)
        merged = parent if merged is None else merge(merged, parent)
    own = replace(tree, value=values)
    return merge(merged, own) if merged is not None else merge(Node({}, tree.place), own)


def _find_base(base: Node, folder: Path, named: Mapping[str, Path], problems: list[ConfigProblem]) -> Path | None:
    if not isinstance(base.value, str):
        problems.append(
            ConfigProblem("_base_", "is the name or path of a configuration, or a list of them", base.place)
        )
        return None
    if base.value in named:
        return named[base.value]
    path = folder / base.value
    if path.is_file():
        return path
    near = nearest(base.value, [*named, *(file.name for file in sorted(folder.glob("*.y*ml")))])
    hints = [f"did you mean {near}?"] if near else []
    hints += [f"shipped: {', '.join(named)}"] if named else []
    problems.append(ConfigProblem("_base_", f"there is no {base.value} in {folder}", base.place, tuple(hints)))
    return None


def merge(base: Node, over: Node) -> Node:
    """`over` laid over `base`: mappings key by key, everything else replaced. `_delete_: true` replaces a
    mapping too."""
    if not isinstance(over.value, dict):
        return over
    drop = over.value.get("_delete_")
    below = base.value if isinstance(base.value, dict) and not (drop is not None and drop.value is True) else {}
    merged = dict(below)
    for key, node in over.value.items():
        if key != "_delete_":
            merged[key] = merge(below.get(key, Node(None, node.place)), node)
    return replace(over, value=merged)


def assign(tree: Node, overrides: Iterable[str], *, problems: list[ConfigProblem]) -> Node:
    """`tree` with overrides such as `optim.lr=1e-3` laid over it, left to right; values are YAML.

    A number in the key is a position in a list, `+` adds to its end.
    """
    for text in overrides:
        key, sign, _ = text.partition("=")
        if not sign or not key.strip():
            place = Place(COMMAND_LINE, text, 0, 0, len(text))
            problems.append(ConfigProblem("", "an override is written key=value", place, ("such as optim.lr=1e-3",)))
            continue
        value = read_text(" " * (len(key) + 1) + text[len(key) + 1 :], COMMAND_LINE, problems=problems)
        if not text[len(key) + 1 :].strip():
            value = Node(None, Place(COMMAND_LINE, text, 0, len(key)))
        tree = _assign(
            tree,
            key.strip().split("."),
            _placed(value, text),
            Place(COMMAND_LINE, text, 0, 0, len(key)),
            problems,
        )
    return tree


def _placed(node: Node, text: str) -> Node:
    """The node with places in the whole override instead of in its value alone."""
    value = node.value
    if isinstance(value, dict):
        value = {key: _placed(item, text) for key, item in value.items()}
    elif isinstance(value, list):
        value = [_placed(item, text) for item in value]
    return Node(value, replace(node.place, text=text), replace(node.key, text=text) if node.key else None)


def _assign(tree: Node, path: list[str], value: Node, key: Place, problems: list[ConfigProblem]) -> Node:
    if not path:
        return replace(merge(tree, value), key=key)
    name, rest = path[0], path[1:]
    missing = Node({} if rest else None, key, key)
    if isinstance(tree.value, list):
        items = list(tree.value)
        if name == "+":
            items.append(missing)
            name = str(len(items) - 1)
        if not name.isdecimal() or int(name) >= len(items):
            hint = (
                f"positions are 0 to {len(items) - 1}, or + to add one" if items else "the list is empty: + adds to it"
            )
            problems.append(ConfigProblem(key.text[: key.width], f"{name} is not a position in the list", key, (hint,)))
            return tree
        items[int(name)] = _assign(items[int(name)], rest, value, key, problems)
        return replace(tree, value=items)
    values = dict(tree.value) if isinstance(tree.value, dict) else {}
    values[name] = _assign(values.get(name, missing), rest, value, key, problems)
    return Node(values, tree.place if isinstance(tree.value, dict) else key, tree.key)
