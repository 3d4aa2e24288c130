"""What a user's file imports: the modules of its own folder first, whenever it imports them, and none of another user's folder.

So two folders may each hold a `helper.py`. A file that plainnet loads, and the modules beside it, get an `__import__` of their
own by way of their `__builtins__`, which functions keep that run long after the file was loaded.
"""

from __future__ import annotations

import builtins
import importlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["imports_beside", "own_imports"]

_beside: dict[str, dict[str, ModuleType]] = {}
"""Folder of files that were loaded -> the modules there that they imported, by name."""


def own_imports(module: ModuleType, file: Path) -> None:
    """Give a module that is about to run the imports of a file's folder, for as long as its functions live."""
    vars(module)["__builtins__"] = {**vars(builtins), "__import__": _importer(str(file.parent))}


@contextmanager
def imports_beside(file: Path) -> Iterator[None]:
    """While a user's file is run: the modules in its folder are found first, and those beside other users' files not at all.

    Afterwards the folder stays at the end of the path, for `importlib.import_module` inside functions.
    """
    with _folder_first(str(file.parent)):
        yield


@contextmanager
def _folder_first(folder: str) -> Iterator[None]:
    own = _beside.setdefault(folder, {})
    aside = _put_aside(folder)
    path, before = list(sys.path), {_top(name) for name in sys.modules}
    tops = {_top(name) for name in aside}
    sys.modules.update((name, module) for name, module in own.items() if _top(name) in tops)
    sys.path[:] = [folder, *(entry for entry in path if entry == folder or entry not in _beside)]
    finder = _Finder(folder)
    sys.meta_path.insert(sys.meta_path.index(PathFinder) if PathFinder in sys.meta_path else 0, finder)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        found = {name: module for name, module in list(sys.modules.items()) if _top(name) not in before}
        own.update((name, module) for name, module in found.items() if _root(name) == folder)
        taken = {_top(name) for name in aside if _top(name) in sys.modules}
        sys.modules.update((name, module) for name, module in aside.items() if _top(name) not in taken)
        sys.path[:] = path if folder in path else [*path, folder]


def _put_aside(folder: str) -> dict[str, ModuleType]:
    """Take the modules of other folders away; a package goes with all its modules."""
    of = {
        _top(name): other
        for other, modules in _beside.items()
        for name, module in modules.items()
        if other != folder and sys.modules.get(name) is module
    }
    aside = {name: module for name, module in list(sys.modules.items()) if _top(name) in of}
    for name, module in aside.items():
        _beside[of[_top(name)]][name] = module
        del sys.modules[name]
    return aside


def _top(name: str) -> str:
    return name.partition(".")[0]


def _root(name: str) -> str | None:
    """The folder that a module, or the package that it is of, was found in."""
    top = sys.modules.get(_top(name))
    paths = list(getattr(top, "__path__", [])) or [getattr(top, "__file__", None)]
    return os.path.dirname(paths[0]) if isinstance(paths[0], str) else None


class _Finder:
    """Finds the modules of a folder, and gives them the folder's imports."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """As `importlib.abc.MetaPathFinder` says; None for what lies elsewhere."""
        if path is not None and _root(name) != self._folder:
            return None
        spec = PathFinder.find_spec(name, [self._folder] if path is None else path, target)
        if spec is not None and type(spec.loader) is SourceFileLoader:
            spec.loader = _Loader(spec.loader.name, str(spec.loader.path), self._folder)
        return spec


class _Loader(SourceFileLoader):
    """Python's own, for a module with a folder's imports."""

    def __init__(self, name: str, path: str, folder: str) -> None:
        super().__init__(name, path)
        self._folder = folder

    def exec_module(self, module: ModuleType) -> None:
        """Run the module."""
        own_imports(module, Path(self._folder, "x.py"))
        super().exec_module(module)


def _importer(folder: str) -> Any:
    """An `__import__` for the files of a folder."""

    def importing(
        name: str,
        globals: Mapping[str, Any] | None = None,
        locals: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> Any:
        top = _top(name if not level else str((globals or {}).get("__package__") or ""))
        if not _must_be_fetched(folder, top):
            return builtins.__import__(name, globals, locals, fromlist, level)
        with _folder_first(folder):
            return builtins.__import__(name, globals, locals, fromlist, level)

    return importing


def _must_be_fetched(folder: str, top: str) -> bool:
    """Whether a name means a module of the folder, and another one, or none, is known by it now. An import inside a function
    that runs a million times is to cost nothing else.
    """
    now, own = sys.modules.get(top), _beside.get(folder, {}).get(top)
    if now is not None and (now is own or all(modules.get(top) is not now for modules in _beside.values())):
        return False
    return own is not None or any(os.path.exists(os.path.join(folder, each)) for each in (f"{top}.py", top))
