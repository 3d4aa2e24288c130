"""A torch module of the user's own, from `path/to/file.py:function`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from plainnet.blocks.user import load_python_file
from plainnet.errors import UsageError, nearest

if TYPE_CHECKING:
    from torch import nn

__all__ = ["is_module_reference", "load_module"]


def is_module_reference(text: str) -> bool:
    """Whether a text names a function in a Python file."""
    path, _, function = text.rpartition(":")
    return path.endswith(".py") and function.isidentifier()


def load_module(reference: str) -> nn.Module:
    """What a function (or a module class without arguments) in a Python file returns; `UsageError` if that is no module."""
    path, _, name = reference.rpartition(":")
    namespace = vars(load_python_file(path))
    functions = [key for key, value in namespace.items() if callable(value) and not key.startswith("_")]
    if name not in namespace:
        near = nearest(name, functions)
        raise UsageError(f"{path} holds no {name}" + (f"; did you mean {near}?" if near else ""))
    return _call(namespace[name], reference)


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
