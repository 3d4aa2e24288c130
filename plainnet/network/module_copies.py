"""Deep copies of modules, part by part: what `copy.deepcopy` does, without asking for each of the dozen empty dicts of a part."""

from __future__ import annotations

import copy
import copyreg
from collections import OrderedDict
from collections.abc import Collection, Sequence
from typing import Any

from torch import nn

__all__ = ["copied_module"]

_ATOMS = frozenset({int, float, bool, str, bytes, complex, type(None)})
"""What is its own copy."""


def copied_module(module: nn.Module, parts: Sequence[nn.Module], memo: dict[int, Any]) -> nn.Module:
    """A deep copy. parts: `module.modules()`; memo: identity -> the copy of what has one already, as `copy.deepcopy` takes it.

    A part whose class says how it is copied or pickled is left to `copy.deepcopy`.
    """
    kinds = {kind for kind in set(map(type, parts)) if _is_usual(kind)}
    states: list[tuple[nn.Module, Any]] = [
        (part, part.__getstate__())  # type: ignore[no-untyped-call]
        for part in parts
        if type(part) in kinds and id(part) not in memo
    ]
    usual = [(part, state) for part, state in states if type(state) is dict]
    for part, _ in usual:
        memo[id(part)] = object.__new__(type(part))
    for part, state in usual:
        memo[id(part)].__setstate__(
            {name: value if type(value) in _ATOMS else _copied(value, memo) for name, value in state.items()}
        )
    return copy.deepcopy(module, memo)


def _is_usual(kind: type[nn.Module]) -> bool:
    """Whether its instances are copied by what `__getstate__` gives and `__setstate__` takes."""
    says_nothing = not hasattr(kind, "__deepcopy__") and kind.__new__ is object.__new__
    as_object = kind.__reduce_ex__ is object.__reduce_ex__ and kind.__reduce__ is object.__reduce__
    return (
        says_nothing
        and as_object
        and not hasattr(kind, "__getnewargs_ex__")
        and not hasattr(kind, "__getnewargs__")
        and kind not in copyreg.dispatch_table
    )


def _copied(value: Any, memo: dict[int, Any]) -> Any:
    kind = type(value)
    if kind in _ATOMS or (kind is tuple and _holds_atoms(value)):
        return value
    found = memo.get(id(value))
    if found is not None:
        return found
    if kind in (list, set) and _holds_atoms(value):
        memo[id(value)] = copy.copy(value)
        return memo[id(value)]
    if kind not in (dict, OrderedDict):
        return copy.deepcopy(value, memo)
    made = memo[id(value)] = kind()
    for key, part in value.items():
        made[key if type(key) in _ATOMS else _copied(key, memo)] = _copied(part, memo)
    return made


def _holds_atoms(values: Collection[Any]) -> bool:
    return all(type(value) in _ATOMS for value in values)
