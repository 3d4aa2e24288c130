"""Methods of a user's subclass that nobody would ever call: a slip in their names."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from plainnet.errors import UsageError, nearest

__all__ = ["check_methods"]


def check_methods(thing: object, names: Sequence[str], *, called: str = "event") -> None:
    """Raise `UsageError` for a method of a user's subclass that is one of `names` but for a slip: it would never be called.

    Whatever begins with `before_` or `after_` is meant to be one of them; of other methods only a single wrong, missing, further
    or exchanged letter is taken for a slip.
    """
    theirs = list(itertools.takewhile(lambda kind: not kind.__module__.startswith("plainnet."), type(thing).__mro__))
    base = type(thing).__mro__[len(theirs)]
    for kind in theirs:
        for name, value in vars(kind).items():
            if name.startswith("_") or not callable(value) or hasattr(base, name):
                continue
            near = nearest(name, names)
            if name.startswith(("before_", "after_")) or (near is not None and _one_slip(name, near)):
                hint = f"; did you mean {near}?" if near else f"; there are {', '.join(names)}"
                raise UsageError(f"{kind.__name__}.{name} is no {called}{hint}")


def _one_slip(one: str, other: str) -> bool:
    if one[0] != other[0] or len(other) < 6:
        return False
    start = 0
    while start < min(len(one), len(other)) and one[start] == other[start]:
        start += 1
    end = 0
    while end < min(len(one), len(other)) - start and one[-1 - end] == other[-1 - end]:
        end += 1
    left, right = one[start : len(one) - end], other[start : len(other) - end]
    return (len(left) <= 1 and len(right) <= 1) or (len(left) == 2 and left == right[::-1])
