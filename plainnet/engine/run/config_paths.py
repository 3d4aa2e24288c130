"""Where relative paths of a configuration belong: to the folder of the file that says them."""

from __future__ import annotations

import inspect
import os
import typing
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from plainnet.configs import Node
from plainnet.configs.references import lookup
from plainnet.engine.data.source import OR_NAME
from plainnet.engine.run.registry import Registry
from plainnet.errors import PlainnetError
from plainnet.store.layout import STORED, WEIGHTS, find_name, folder_of, store_root

__all__ = ["absolute_imports", "placed"]

KINDS = {
    "model": "model",
    "task": "task",
    "task.teacher": "model",
    "task.losses": "loss",
    "data": "data",
    "validate_also": "data",
    "data.filters": "filter",
    "data.sampler": "sampler",
    "data.targets": "maker",
    "data.augment": "transform",
    "data.late_augment": "transform",
    "optim": "optimizer",
    "schedule": "schedule",
    "schedule.schedulers": "schedule",
    "log.writers": "writer",
    "hooks": "hook",
}
"""Sections (or lists of sections) that name something by `type` -> the kind of it."""
FILES = ("model.weights", "task.teacher.weights")
"""Keys that are paths whatever the `type` is."""


def placed(tree: Node, imports: Sequence[str] = ()) -> Node:
    """The tree with absolute paths: imports, files in `type: mine.py:Net`, weights, and each argument that its function
    annotates as a `Path`. `imports` are those that no file says.

    A path in a file belongs to that file's folder, one on the command line or from Python to the folder of the process. The
    run folder is left alone there, so that it is shown as it was given. Where the two could be meant (`path` of a hub data
    set is a name or a folder), it is a path if it is there.
    """
    tree = _with_code(tree, "")
    root = _store_root(tree)
    for key in FILES:
        tree = _changed(tree, key.split("."), lambda node: _from_store(node, root))
    tree = _changed(tree, ["store"], _absolute)
    tree = _changed(tree, ["run"], lambda node: _absolute(node) if node.folder else node)
    try:
        registry = Registry([*_said_imports(tree), *imports])
    except PlainnetError:  # is reported with its place by the check of names
        return tree
    for path, kind in _sections(tree):
        for name, is_certain in _path_arguments(registry, kind, lookup(tree, ".".join(path))):
            tree = _changed(tree, [*path, name], _absolute if is_certain else _absolute_if_there)
    return tree


def _store_root(tree: Node) -> Path:
    """The store that `store:NAME` means in a configuration: the one that it names, or the usual one."""
    said = lookup(tree, "store")
    return store_root(str(_absolute(said).value) if said is not None and isinstance(said.value, str) else None)


def _from_store(node: Node, root: Path) -> Node:
    """The weights of a stored network, or a file."""
    if not isinstance(node.value, str) or not node.value.startswith(STORED):
        return _absolute(node)
    try:
        name = find_name(root, node.value.removeprefix(STORED))
    except PlainnetError:  # is reported with its place by the check of names
        return node
    return replace(node, value=str((folder_of(root, name) / WEIGHTS).absolute()))


def absolute_imports(names: Sequence[str]) -> list[str]:
    """Files (`mine.py`) with their whole paths, so that a run that keeps them can be taken up from anywhere."""
    return [os.path.abspath(os.path.expanduser(name)) if name.endswith(".py") else name for name in names]


def _with_code(node: Node, key: str) -> Node:
    """The files of code: in `imports`, and before the colon of every `type`."""
    if isinstance(node.value, dict):
        return replace(node, value={name: _with_code(child, name) for name, child in node.value.items()})
    if isinstance(node.value, list):
        return replace(node, value=[_with_code(child, key if key == "imports" else "") for child in node.value])
    if not isinstance(node.value, str):
        return node
    file, colon, name = node.value.rpartition(":")
    if key == "type" and colon and file.endswith(".py"):
        return replace(node, value=f"{_absolute(replace(node, value=file)).value}:{name}")
    return _absolute(node) if key == "imports" and node.value.endswith(".py") else node


def _said_imports(tree: Node) -> list[str]:
    found = lookup(tree, "imports")
    items = found.value if found is not None and isinstance(found.value, list) else []
    return [item.value for item in items if isinstance(item.value, str)]


def _sections(tree: Node) -> Iterator[tuple[list[str], str]]:
    """The path and kind of each mapping that names something by `type`."""
    for key, kind in KINDS.items():
        section = lookup(tree, key)
        if section is None:
            continue
        if isinstance(section.value, dict):
            yield key.split("."), kind
        elif isinstance(section.value, list):
            for number in range(len(section.value)):
                yield [*key.split("."), str(number)], kind


def _path_arguments(registry: Registry, kind: str, section: Node | None) -> Iterator[tuple[str, bool]]:
    """The arguments that are paths, each with whether it can be nothing else."""
    named = section.value.get("type") if section is not None and isinstance(section.value, dict) else None
    if named is None or not isinstance(named.value, str):
        return
    try:
        function = registry.find(kind, named.value)
    except PlainnetError:
        return
    for name, annotation in noted_annotations(function).items():
        annotated = typing.get_origin(annotation) is typing.Annotated
        inner, *notes = typing.get_args(annotation) if annotated else (annotation,)
        if inner is Path or Path in typing.get_args(inner):
            yield name, OR_NAME not in notes


def noted_annotations(function: Callable[..., Any]) -> dict[str, Any]:
    """The annotations of a callable's parameters with what `Annotated` adds; none where one of them cannot be read."""
    target: Any = function.__init__ if inspect.isclass(function) else function
    try:
        return typing.get_type_hints(target, include_extras=True)
    except Exception:  # an annotation may be any expression, of names that exist for type checkers alone
        return {}


def _changed(node: Node, path: Sequence[str], change: Callable[[Node], Node]) -> Node:
    """The tree with the node at `path` changed, where there is one."""
    if not path:
        return change(node)
    if isinstance(node.value, dict) and path[0] in node.value:
        inner = _changed(node.value[path[0]], path[1:], change)
        return replace(node, value={**node.value, path[0]: inner})
    if isinstance(node.value, list) and path[0].isdecimal() and int(path[0]) < len(node.value):
        number = int(path[0])
        inner = _changed(node.value[number], path[1:], change)
        return replace(node, value=[*node.value[:number], inner, *node.value[number + 1 :]])
    return node


def _absolute(node: Node) -> Node:
    if isinstance(node.value, list):
        return replace(node, value=[_absolute(item) for item in node.value])
    if not isinstance(node.value, str) or not node.value:
        return node
    return replace(node, value=os.path.abspath(os.path.join(node.folder, os.path.expanduser(node.value))))


def _absolute_if_there(node: Node) -> Node:
    found = _absolute(node)
    return found if isinstance(found.value, str) and Path(found.value).exists() else node
