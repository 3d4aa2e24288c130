"""A configuration that has been read: the checked values, and where each of them came from."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel

from plainnet.configs.bases import read_file, with_bases
from plainnet.configs.bounds import TooMuchError
from plainnet.configs.check import check, default_at, locate, model_at, model_keys
from plainnet.configs.dump import dump_values
from plainnet.configs.merge import Merger
from plainnet.configs.problems import ConfigProblem, InvalidConfigError
from plainnet.configs.python_dump import dump_python
from plainnet.configs.references import lookup, resolve
from plainnet.configs.strange import find_strange
from plainnet.configs.tree import Node, Place, from_plain, to_plain
from plainnet.errors import nearest

__all__ = ["Config", "Entry", "read_config"]

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class Entry:
    """One value of a configuration: its dotted key, the value, where it came from, and what the key means.

    over: the values (with their origins) that it was laid over, the last first.
    """

    key: str
    value: Any
    origin: str
    description: str
    over: tuple[tuple[Any, str], ...] = ()


class ConfigValues(dict[str, Any]):
    """A mapping of values whose keys are attributes as well, all the way down. It is a copy: changing it changes nothing."""

    def __getitem__(self, key: str) -> Any:
        if key not in self:
            near = nearest(key, self)
            raise KeyError(f"there is no key {key}" + (f"; did you mean {near}?" if near else ""))
        return _with_attributes(super().__getitem__(key))

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError as error:
            raise AttributeError(error.args[0]) from None


def _with_attributes(value: Any) -> Any:
    if isinstance(value, dict):
        return ConfigValues(value)
    return [_with_attributes(item) for item in value] if isinstance(value, list) else value


@dataclass(frozen=True)
class Config(Generic[M]):
    """A checked configuration: `value` is the pydantic model, `tree` what was written, with places."""

    value: M
    tree: Node

    def problem(
        self, path: tuple[str | int, ...], message: str, *, hints: Sequence[str] = (), on: str = "value"
    ) -> ConfigProblem:
        """A problem at `path`, for what a model alone cannot check."""
        place, _ = locate(self.tree, path, on=on)
        return ConfigProblem(".".join(map(str, path)), message, place, tuple(hints))

    def origin(self, path: tuple[str | int, ...]) -> str:
        """Where the value at `path` was written: `train.yaml:3`, `command line: seed=1`, or `default`."""
        node = lookup(self.tree, ".".join(map(str, path))) if path else self.tree
        return node.place.origin if node is not None else "default"

    def plain(self) -> dict[str, Any]:
        """The effective values, defaults included, as plain data."""
        return self.value.model_dump(mode="json")

    def dump(self, *, form: Literal["yaml", "python"] = "yaml") -> str:
        """The effective configuration as YAML, or as assignments in Python, that reads back as the same values, with the origin
        of each beside it.
        """
        dumped = dump_values if form == "yaml" else dump_python
        return dumped(self.plain(), origin=self.origin)

    def __getitem__(self, key: str) -> Any:
        """An effective value: `config["optim"]["lr"]`, as `config.optim.lr`; each change of it is an override."""
        return ConfigValues(self.plain())[key]

    def __getattr__(self, name: str) -> Any:
        """As an item. Raises `AttributeError` with the nearest key."""
        if name.startswith("_") or name in ("value", "tree"):  # while it is made or copied
            raise AttributeError(name)
        return getattr(ConfigValues(self.plain()), name)

    def entries(self) -> list[Entry]:
        """Every value with its origin and the description of its key."""
        found: list[Entry] = []
        self._collect(self.plain(), (), found)
        return found

    def _collect(self, value: Any, path: tuple[str | int, ...], found: list[Entry]) -> None:
        children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        if not value or not children:
            owner = model_at(type(self.value), path[:-1])
            field = owner.model_fields.get(str(path[-1])) if owner and path else None
            dotted = ".".join(map(str, path))
            node = lookup(self.tree, dotted)
            over = tuple((to_plain(below), below.place.origin) for below in (node.over if node else ()))
            found.append(Entry(dotted, value, self.origin(path), (field and field.description) or "", over))
            return
        for key, item in children:
            self._collect(item, (*path, key), found)


def read_config(
    source: str | Path | Mapping[str, Any],
    model: type[M],
    *,
    overrides: Sequence[str] = (),
    named: Mapping[str, Path] | None = None,
    settle: Callable[[Node], Node] | None = None,
    further: Callable[[Config[M]], Iterable[ConfigProblem]] | None = None,
    called: str = "python",
) -> Config[M]:
    """The configuration in a file (or in plain data) with its bases, `overrides` and references, checked by
    `model`.

    `named` are the files that `_base_` may name without a path; `settle` changes the tree before it is checked (paths are
    laid where they belong); `further` finds what a model cannot, and is given as much of the configuration as the model
    accepts; `called`: what plain data are called in errors. Raises `InvalidConfigError` with all problems at once.
    """
    problems: list[ConfigProblem] = []
    tree = _read(source, model, overrides, named or {}, problems, called)
    incomplete = any(problem.key in ("", "_base_") for problem in problems)
    if settle is not None and not incomplete:
        tree = settle(tree)
    said = {problem.key for problem in problems}  # a text with a bad reference is of the wrong type too
    more: list[ConfigProblem] = []
    value = None if incomplete else check(tree, model, problems=more)
    problems += [problem for problem in more if problem.key not in said]
    if further is not None and not incomplete:
        # what a model cannot check is checked on the good part too, so that all problems come at once
        rest = tree if value is not None else _without(tree, [problem.key for problem in problems])
        good = value if value is not None else check(rest, model, problems=[])
        problems += further(Config(good, rest)) if good is not None else []
    if problems or value is None:
        raise InvalidConfigError(list(dict.fromkeys(problems)))
    return Config(value, tree)


def _read(
    source: str | Path | Mapping[str, Any],
    model: type[M],
    overrides: Sequence[str],
    named: Mapping[str, Path],
    problems: list[ConfigProblem],
    called: str,
) -> Node:
    """Everything that is said, laid over each other, with its references."""

    def default(key: str) -> Node | None:
        return default_at(Node({}, Place("default")), model, key)

    if isinstance(source, str | os.PathLike):
        tree = read_file(Path(source), problems=problems, named=named, default=default)
    else:
        try:
            plain = from_plain(source, called)
        except TooMuchError as error:
            raise InvalidConfigError([ConfigProblem("", str(error), Place(called))]) from None
        tree = with_bases(plain, problems=problems, named=named, default=default)
    tree = Merger(problems, default).assign(tree, overrides)
    find_strange(tree, problems)
    written = tree
    return resolve(
        tree, problems=problems, default=lambda key: default_at(written, model, key), known=model_keys(model)
    )


def _without(tree: Node, keys: Iterable[str]) -> Node:
    """The tree without the nodes at these dotted keys; where one is missing, without the node that misses it."""
    left_out: _LeftOut = {}
    for key in keys:
        while "." in key and lookup(tree, key) is None:
            key = key.rpartition(".")[0]
        *around, last = key.split(".")
        inner: _LeftOut | None = left_out
        for name in around:
            inner = inner.setdefault(name, {}) if inner is not None else None
        if inner is not None:
            inner[last] = None
    return _pruned(tree, left_out)


_LeftOut = dict[str, "_LeftOut | None"]
"""What is left out of a node, by key or number: all of it where there is None."""


def _pruned(node: Node, left_out: _LeftOut) -> Node:
    """One pass, so that twenty thousand wrong keys do not copy a node as often."""
    if not left_out:
        return node
    values = node.value
    if isinstance(values, dict):
        kept = {name: left_out.get(name, {}) for name in values}
        return replace(node, value={name: _pruned(values[name], out) for name, out in kept.items() if out is not None})
    if isinstance(values, list):
        parts = [(each, left_out.get(str(number), {})) for number, each in enumerate(values)]
        return replace(node, value=[_pruned(each, out) for each, out in parts if out is not None])
    return node
