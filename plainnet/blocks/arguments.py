"""Numbers that callers hand over, checked where they come in."""

from __future__ import annotations

import operator
from typing import Any

from plainnet.errors import UsageError

__all__ = ["whole_number"]


def whole_number(name: str, value: Any, *, minimum: int | None = 1, accepted: str = "") -> int:
    """The value as an `int`, if it is an integer of at least `minimum`: one of Python's, NumPy's or any with `__index__`.

    Raises `UsageError` with the argument's name, its value and what is accepted; a `bool` is no number here.
    """
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except Exception:  # a foreign type may refuse in any way it likes: a tensor raises RuntimeError or ValueError
        number = None
    if number is None or (minimum is not None and number < minimum):
        at_least = {None: "an integer", 0: "0 or a positive integer", 1: "a positive integer"}.get(minimum)
        raise UsageError(f"{name} is {value!r}; accepted: {accepted or at_least or f'an integer from {minimum} on'}")
    return number
