"""Remembered results that cannot grow without bound."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from itertools import islice
from typing import Any, TypeVar

__all__ = ["BoundedMemo", "Interned", "MemoFamily", "shared"]

Key = TypeVar("Key")
Value = TypeVar("Value")


class BoundedMemo(dict[Key, Value]):
    """A dict that forgets the older half of its entries when it is full: reading costs what reading a dict costs."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit

    def __setitem__(self, key: Key, value: Value) -> None:
        if len(self) >= self.limit:
            for old in list(islice(self, self.limit // 2)):
                del self[old]
        super().__setitem__(key, value)


class MemoFamily(dict[Any, BoundedMemo[Key, Value]]):
    """Memos of one size, one for each variant of networks; each is made when it is first asked for."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit

    def __missing__(self, variant: Any) -> BoundedMemo[Key, Value]:
        found = self[variant] = BoundedMemo(self.limit)
        return found


def shared(function: Callable[..., Value]) -> Callable[..., Value]:
    """A function of integers whose results are values: equal arguments give the same object, as long as it is remembered.

    The bodies of units are made so. They do not depend on what comes in or on how often they run, so there are few of
    them, and a search knows one by its identity. Integers that carry a name (`plainnet.export.source.symbols`) are equal
    to plain ones and mean more, so they get a result of their own.
    """
    remembered = lru_cache(maxsize=16_384)(function)

    @wraps(function)
    def call(*arguments: int) -> Value:
        return remembered(*arguments) if _INTEGERS.issuperset(map(type, arguments)) else function(*arguments)

    return call


class Interned(type):
    """A class of values: equal plain arguments give one object. A search writes the same layers a million times.

    An argument of another type makes an object of its own: an integer may carry a name (`plainnet.export.source.symbols`).
    """

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if _PLAIN.issuperset(map(type, args)) and (not kwargs or _PLAIN.issuperset(map(type, kwargs.values()))):
            return _interned(cls, *args, **kwargs)
        return type.__call__(cls, *args, **kwargs)


_INTEGERS, _PLAIN = frozenset({int}), frozenset({int, str, bool, float})
_interned = lru_cache(maxsize=65_536, typed=True)(type.__call__)  # typed: True is no number of channels, 1 is
