"""Methods of a user's subclass that nobody would ever call, by a slip in their names, or that nobody could call as they are."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Sequence
from typing import Any

from plainnet.errors import UsageError, nearest

__all__ = ["check_methods"]

BY_PLACE = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def check_methods(thing: object, names: Sequence[str], *, called: str = "event") -> None:
    """Raise `UsageError` for a method of a user's subclass that is one of `names` but for a slip: it would never be called. And
    for one that does not take what its base is called with, which may otherwise be found out after hours.

    Whatever begins with `before_` or `after_` is meant to be one of them; of other methods only a single wrong, missing, further
    or exchanged letter is taken for a slip.
    """
    theirs = list(itertools.takewhile(lambda kind: not kind.__module__.startswith("plainnet."), type(thing).__mro__))
    base = type(thing).__mro__[len(theirs)]
    for kind in theirs:
        for name, value in vars(kind).items():
            if name.startswith("_") or not callable(value):
                continue
            if hasattr(base, name):
                if name in names:
                    _check_parameters(thing, name, getattr(base, name))
                continue
            near = nearest(name, names)
            if name.startswith(("before_", "after_")) or (near is not None and _one_slip(name, near)):
                hint = f"; did you mean {near}?" if near else f"; there are {', '.join(names)}"
                raise UsageError(f"{kind.__name__}.{name} is no {called}{hint}")


def _check_parameters(thing: object, name: str, base: Any) -> None:
    """`UsageError` where a method cannot be called with the parameters of the base's that have no default."""
    try:
        theirs, known = inspect.signature(getattr(thing, name)), inspect.signature(base)
    except (TypeError, ValueError):
        return
    wanted = [each.name for each in known.parameters.values() if each.default is each.empty and each.kind in BY_PLACE]
    try:
        theirs.bind(*wanted[1:])  # but for self
    except TypeError:
        own = [str(each.replace(annotation=each.empty)) for each in theirs.parameters.values()]
        taken, given = ", ".join(own), ", ".join(wanted[1:])
        raise UsageError(f"{type(thing).__name__}.{name} takes ({taken}); it is called with ({given})") from None


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
