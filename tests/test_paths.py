"""Every public Python entry takes a path as text too."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

MADE_BY_US = {"plainnet.search.SearchResult", "plainnet.search.RunStore"}
"""Classes that nobody makes by hand: a search and `RunStore.open` return them."""
CALLED_BY_US = {"plainnet.engine.Writer.open"}
"""Methods that a person writes, and a trainer calls with a path."""
ROOMS = ("plainnet", "plainnet.blocks", "plainnet.configs", "plainnet.engine", "plainnet.export", "plainnet.search")


def entries() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Every public function, constructor and public method of a public class."""
    for room in ROOMS:
        module = import_module(room)
        for name in module.__all__:
            value = getattr(module, name)
            if inspect.isclass(value):
                if f"{room}.{name}" not in MADE_BY_US:
                    yield f"{room}.{name}", value.__init__
                for method, found in inspect.getmembers(value):
                    if not method.startswith("_") and callable(found):
                        yield f"{room}.{name}.{method}", getattr(found, "__func__", found)
            elif callable(value):
                yield f"{room}.{name}", value


def only_paths(function: Callable[..., Any]) -> list[str]:
    """The parameters whose annotation has `Path` and not `str`."""
    try:
        hints = typing.get_type_hints(function)
    except Exception:
        return []
    kinds = {name: typing.get_args(hint) or (hint,) for name, hint in hints.items() if name != "return"}
    return [name for name, kind in kinds.items() if Path in kind and str not in kind]


def test_a_path_may_be_a_text_everywhere() -> None:
    found = {name: only for name, function in entries() if name not in CALLED_BY_US and (only := only_paths(function))}
    assert found == {}
