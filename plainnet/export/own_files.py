"""The files of a user's own blocks, with the files beside them that they import."""

from __future__ import annotations

import ast
import shutil
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path

from plainnet.blocks.rows.block import Block
from plainnet.blocks.rows.layers import Join, Layers, Repeat
from plainnet.blocks.rows.walk import block_layers
from plainnet.blocks.structure import Structure
from plainnet.errors import UsageError

__all__ = ["copy_own_files"]

MAX_FILES = 500
"""A folder that is imported may hold so many files: what is larger is a package to install, not a helper."""
_NEVER = {"plainnet", "torch", "numpy", *sys.stdlib_module_names}
"""What is not taken from beside a file, whatever lies there."""


def copy_own_files(structure: Structure, folder: Path) -> list[str]:
    """Copy the files that a structure's own blocks need into `folder`, as they lie beside each other; what a configuration
    says under `imports`: the copies, and the names of modules of installed packages.

    A block's file, those of the classes that it derives from, and what they import from beside them, are needed. Files of
    one folder come into `folder` itself, those of several folders into `blocks_1`, `blocks_2`, ... `UsageError` for blocks
    that are in no file.
    """
    files: dict[Path, None] = {}
    modules: dict[str, None] = {}
    for block_class in dict.fromkeys(type(block) for block in _all_blocks(structure.blocks)):
        for cls in reversed([cls for cls in block_class.__mro__ if _is_own(cls)]):
            path = _file_of(cls, block_class)
            if _is_installed(path):
                modules[cls.__module__] = None
            else:
                files[path] = None
    roots = list(dict.fromkeys(path.parent for path in files))
    places = {root: folder if len(roots) == 1 else folder / f"blocks_{number}" for number, root in enumerate(roots, 1)}
    for path in files:
        for needed in _needed(path):
            copy = places[path.parent] / needed.relative_to(path.parent)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(needed, copy)
    return [*modules, *((places[path.parent] / path.name).relative_to(folder).as_posix() for path in files)]


def _all_blocks(layers: Layers) -> Iterator[Block]:
    """The blocks among layers, and those that they are made of."""
    for layer in layers:
        if isinstance(layer, Block):
            yield layer
            yield from _all_blocks(block_layers(layer))
        elif isinstance(layer, Repeat):
            yield from _all_blocks(layer.body)
        elif isinstance(layer, Join):
            for _, branch in layer.branches():
                yield from _all_blocks(branch)


def _is_own(cls: type) -> bool:
    return cls.__module__ != "builtins" and not f"{cls.__module__}.".startswith("plainnet.")


def _file_of(cls: type, block_class: type) -> Path:
    module = sys.modules.get(cls.__module__)
    found = getattr(module, "__file__", None)
    if found is None or not Path(found).is_file():
        raise UsageError(
            f"the block {block_class.__name__} is in no file that the configuration could import; put it into one, "
            "and give it with --blocks FILE"
        )
    return Path(found).resolve()


def _is_installed(path: Path) -> bool:
    """Whether a file belongs to Python or to an installed package."""
    homes = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    return any(path.is_relative_to(Path(home).resolve()) for home in homes)


def _needed(path: Path) -> Iterator[Path]:
    """The file, and what it imports from beside it, and so on."""
    waiting, seen = [path], {path}
    while waiting:
        file = waiting.pop()
        yield file
        for found in _beside(file, path.parent):
            if found not in seen:
                seen.add(found)
                waiting.append(found)


def _beside(file: Path, root: Path) -> Iterable[Path]:
    """The files under `root` that a file imports."""
    for name in _imported(file):
        top = name.partition(".")[0]
        if top in _NEVER:
            continue
        if (root / f"{top}.py").is_file():
            yield root / f"{top}.py"
        elif (root / top).is_dir():
            found = sorted(part for part in (root / top).rglob("*.py") if not _is_hidden(part.relative_to(root)))
            if len(found) > MAX_FILES:
                raise UsageError(
                    f"{file} imports {root / top}, which holds {len(found)} files; install it as a package"
                )
            yield from found


def _is_hidden(path: Path) -> bool:
    return any(part.startswith((".", "__pycache__")) for part in path.parts)


def _imported(file: Path) -> Iterator[str]:
    """The names of the modules that a file imports; an import relative to a package is an error in a file by itself."""
    for node in ast.walk(ast.parse(file.read_bytes(), str(file))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module or ""
