"""A configuration and the files that it inherits from, in the order in which they are laid over each other."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from plainnet.configs.bounds import MAX_BYTES, MAX_DEPTH, MAX_FILES
from plainnet.configs.merge import Merger, no_default
from plainnet.configs.place import Place
from plainnet.configs.problems import ConfigProblem
from plainnet.configs.python_text import read_python
from plainnet.configs.references import lookup
from plainnet.configs.tree import Node, is_add, read_text
from plainnet.errors import nearest

__all__ = ["read_file", "with_bases"]

BASE = "_base_"


@dataclass
class _File:
    """What one file says, and the bases that it names, with the place of each name."""

    path: Path | None
    tree: Node
    bases: list[tuple[_File, Node]] = field(default_factory=list)

    def below(self) -> list[_File]:
        """Every file under this one."""
        found: dict[int, _File] = {}
        waiting = [base for base, _ in self.bases]
        while waiting:
            file = waiting.pop()
            if id(file) not in found:
                found[id(file)] = file
                waiting += [base for base, _ in file.bases]
        return list(found.values())


def read_file(
    path: str | Path,
    *,
    problems: list[ConfigProblem],
    named: Mapping[str, Path] | None = None,
    default: Callable[[str], Node | None] = no_default,
) -> Node:
    """The tree of a file over its bases; `named` are the files that `_base_` may name without a path."""
    reader = _Reader(problems, named or {})
    root = reader.file(Path(path), Place(str(path)), within=())
    return reader.merged(root, default)


def with_bases(
    tree: Node, *, problems: list[ConfigProblem], named: Mapping[str, Path], default: Callable[[str], Node | None]
) -> Node:
    """A tree that is in no file over its bases."""
    reader = _Reader(problems, named)
    return reader.merged(reader.connected(_File(None, tree), Path(), within=()), default)


class _Reader:
    """Reads each file once, however often it is named."""

    def __init__(self, problems: list[ConfigProblem], named: Mapping[str, Path]) -> None:
        self.problems, self.named = problems, named
        self.files: dict[Path, _File] = {}
        self.shipped = {path.resolve() for path in named.values()}

    def file(self, path: Path, where: Place, within: tuple[Path, ...]) -> _File:
        real = path.resolve()
        if real in self.files:
            return self.files[real]
        if len(self.files) >= MAX_FILES:
            self.problems.append(ConfigProblem(BASE, f"more than {MAX_FILES} files", where))
            return _File(path, Node({}, where))
        folder = "" if real in self.shipped else str(path.parent.absolute())  # what ships says no path of its own
        tree = self.tree(path, folder)
        self.files[real] = file = _File(real, tree)
        return self.connected(file, path.parent, (*within, real))

    def tree(self, path: Path, folder: str) -> Node:
        """What a file says; an empty mapping, with a problem, where that cannot be read."""
        empty = Node({}, Place(str(path)))
        try:
            with path.open("rb") as stream:
                content = stream.read(MAX_BYTES + 1)
            text = content.decode("utf-8")
        except (OSError, UnicodeDecodeError, ValueError) as error:
            reason = (error.strerror or str(error)) if isinstance(error, OSError) else "it is not UTF-8 text"
            self.problems.append(ConfigProblem("", f"cannot be read: {reason}", Place(str(path))))
            return empty
        if len(content) > MAX_BYTES:
            self.problems.append(ConfigProblem("", f"more than {MAX_BYTES:,} bytes", Place(str(path))))
            return empty
        read = read_python if path.suffix == ".py" else read_text
        tree = read(text, str(path), problems=self.problems, folder=folder)
        if isinstance(tree.value, dict):
            return tree
        self.problems.append(ConfigProblem("", "a configuration is a mapping of keys to values", tree.place))
        return replace(tree, value={})

    def connected(self, file: _File, folder: Path, within: tuple[Path, ...]) -> _File:
        """The file with its bases, in their order; `_base_` is taken out of what it says."""
        assert isinstance(file.tree.value, dict)
        values = dict(file.tree.value)
        said = values.pop(BASE, None)
        file.tree = replace(file.tree, value=values)
        for name in [] if said is None else said.value if isinstance(said.value, list) else [said]:
            path = self.find(name, folder)
            if path is None:
                continue
            if path.resolve() in within:
                self.problems.append(ConfigProblem(BASE, f"{name.value} is a base of itself", name.place))
                continue
            base = self.file(path, name.place, within)
            above = next((before for before, _ in file.bases if base is before or base in before.below()), None)
            if above is not None:
                message = f"{name.value} lies below {above.path.name if above.path else above} already"
                hint = "a base that another one inherits from is laid before it; leave it out here"
                self.problems.append(ConfigProblem(BASE, message, name.place, (hint,)))
                continue
            file.bases.append((base, name))
        return file

    def find(self, base: Node, folder: Path) -> Path | None:
        """The file that a base names, or None with a problem."""
        if not isinstance(base.value, str):
            message = "is the name or path of a configuration, or a list of them"
            self.problems.append(ConfigProblem(BASE, message, base.place))
            return None
        if base.value in self.named:
            return self.named[base.value]
        path = folder / os.path.expanduser(base.value)
        if "\0" not in base.value and path.is_file():
            return path
        near = nearest(
            base.value, [*self.named, *(file.name for file in sorted([*folder.glob("*.y*ml"), *folder.glob("*.py")]))]
        )
        hints = [f"did you mean {near}?"] if near else []
        hints += [f"shipped: {', '.join(self.named)}"] if self.named else []
        where = folder if folder != Path() else "this folder"
        self.problems.append(ConfigProblem(BASE, f"there is no {base.value} in {where}", base.place, tuple(hints)))
        return None

    def merged(self, root: _File, default: Callable[[str], Node | None]) -> Node:
        """What all files say, laid over each other: those that are further below first, and in the order of `_base_`."""
        merger = Merger(self.problems, default)
        tree = Node({}, root.tree.place)
        for file in _order(root):
            tree = _laid_over(merger, tree, file.tree)
        return tree


def _order(root: _File) -> list[_File]:
    """Each file once: after everything that it inherits from, and after the bases that are named before it.

    A file's level is the longest way down to it, and the deepest level comes first. So what a file inherits lies below what
    its neighbours say themselves: [a, b] is what a and b inherit, then a, then b.
    """
    level = {id(root): 0}
    for file in _downwards(root):
        for base, _ in file.bases:
            level[id(base)] = max(level.get(id(base), 0), level[id(file)] + 1)
    rows: list[dict[int, _File]] = [{} for _ in range(max(level.values()) + 1)]
    rows[0][id(root)] = root
    for row in rows:
        for file in row.values():
            for base, _ in file.bases:  # a base that is named again counts at its last place
                rows[level[id(base)]].pop(id(base), None)
                rows[level[id(base)]][id(base)] = base
    return [file for row in reversed(rows) for file in row.values()]


def _downwards(root: _File) -> list[_File]:
    """Every file before all that it inherits from."""
    found: dict[int, _File] = {}

    def visit(file: _File) -> None:
        if id(file) not in found:
            for base, _ in file.bases:
                visit(base)
            found[id(file)] = file

    visit(root)
    return list(reversed(found.values()))


def _laid_over(merger: Merger, tree: Node, said: Node) -> Node:
    """`said` over `tree`; a dotted key, as on the command line, after the nested ones."""
    assert isinstance(said.value, dict)
    nested = {key: node for key, node in said.value.items() if "." not in key}
    tree = merger.merge(tree, replace(said, value=nested))
    for key, node in said.value.items():
        if "." not in key:
            continue
        path, where = key.split("."), node.key or node.place
        if len(path) > MAX_DEPTH:
            merger.problems.append(ConfigProblem(key[:40], f"more than {MAX_DEPTH} levels inside each other", where))
            continue
        twice = None if any(map(is_add, path)) else lookup(replace(said, value=nested), key)
        if twice is not None:
            line = (twice.key or twice.place).line + 1
            merger.problems.append(ConfigProblem(key, f"written twice, first on line {line}", where))
        tree = merger.at(tree, path, node, where)
    return tree
