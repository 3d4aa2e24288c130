"""A torch module of the user's own, from `path/to/file.py:function`."""

from __future__ import annotations

import ast
from collections.abc import Callable
from os.path import isfile
from pathlib import Path
from typing import TYPE_CHECKING

from plainnet.blocks.formats.foreign import names_structures
from plainnet.blocks.text.literals import MAX_TEXT
from plainnet.blocks.user import load_python_file
from plainnet.errors import UsageError, nearest

if TYPE_CHECKING:
    from torch import nn

__all__ = ["is_module_reference", "load_module"]


def is_module_reference(text: str) -> bool:
    """Whether a text means a function in a Python file; the function may still be missing. A configuration that writes a
    structure down (TinyNAS's are such) is no module.
    """
    path, colon, function = text.rpartition(":")
    if colon:
        return path.endswith(".py") and "(" not in function and not function.isdigit()
    return text.endswith(".py") and not _is_configuration(Path(text))


def _is_configuration(path: Path) -> bool:
    if not isfile(path):
        return False
    try:
        with path.open("rb") as file:
            text = file.read(MAX_TEXT + 1).decode("utf-8-sig")
    except (OSError, ValueError):
        return False
    return names_structures(text)


def load_module(reference: str) -> nn.Module:
    """What a function (or a module class without arguments) in a Python file returns; `UsageError` if that is no module."""
    path, colon, name = reference.rpartition(":")
    if not colon or not name.isidentifier():
        raise UsageError(_without_function(path if colon else reference, name if colon else ""))
    namespace = vars(load_python_file(path))
    functions = [key for key, value in namespace.items() if callable(value) and not key.startswith("_")]
    if name not in namespace:
        near = nearest(name, functions)
        raise UsageError(f"{path} holds no {name}" + (f"; did you mean {near}?" if near else ""))
    return _call(namespace[name], reference)


def _without_function(path: str, name: str) -> str:
    """The message for a reference that names no function, with the functions that there are; the file is not run."""
    if not isfile(path):
        return f"no file {path}"
    try:
        tree = ast.parse(Path(path).read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return f"{path} is no Python file that can be read"
    kinds = (ast.FunctionDef, ast.ClassDef)
    found = [part.name for part in tree.body if isinstance(part, kinds) and not part.name.startswith("_")]
    there = f"; it holds {', '.join(found)}" if found else ""
    wrong = f"{name!r} is no name of a function" if name else "a Python file may hold several networks"
    return f"{path}: {wrong}; add :function, as in {path}:{found[0] if found else 'build'}{there}"


def _call(function: Callable[[], object], reference: str) -> nn.Module:
    from torch import nn

    if isinstance(function, nn.Module):
        return function
    if not callable(function):
        raise UsageError(
            f"{reference} is no function; accepted: a function without arguments that returns an nn.Module"
        )
    try:
        module = function()
    except Exception as error:
        raise UsageError(f"{reference}() failed: {type(error).__name__}: {error}") from error
    if not isinstance(module, nn.Module):
        raise UsageError(f"{reference}() returns {type(module).__name__}; accepted: an nn.Module")
    return module
