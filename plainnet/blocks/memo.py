"""A dictionary of remembered results that cannot grow without bound."""

from __future__ import annotations

from itertools import islice
from typing import TypeVar

__all__ = ["BoundedMemo"]

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
