"""Remembered results that cannot grow without bound."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from itertools import islice
from typing import TypeVar

__all__ = ["BoundedMemo", "shared"]

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


def shared(function: Callable[..., Value]) -> Callable[..., Value]:
    """A function of integers whose results are values: equal arguments give the same object, as long as it is remembered.

    The bodies of units are made so. They do not depend on what comes in or on how often they run, so there are few of
    them, and a search knows one by its identity. Integers that carry a name (`plainnet.export.source.symbols`) are equal
    to plain ones and mean more, so they get a result of their own.
    """
    remembered = lru_cache(maxsize=16_384)(function)

    @wraps(function)
    def call(*arguments: int) -> Value:
        return remembered(*arguments) if {*map(type, arguments)} == {int} else function(*arguments)

    return call
