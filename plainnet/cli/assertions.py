"""`--assert 'params<1e6'`: a network's budget as a check that can fail in CI."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import Any

from plainnet.errors import UsageError, nearest
from plainnet.profiler.analysis import Analysis

__all__ = ["failed_assertions"]

_EXPRESSION = re.compile(
    r"\s*([a-z_0-9]+)\s*(<=|>=|==|!=|<|>)\s*([0-9.]+(?:e[+-]?[0-9]+)?)\s*([kMG]?)\s*", re.IGNORECASE
)
_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
_SUFFIXES = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9}


def quantities(result: Analysis) -> dict[str, float]:
    """Every number of an analysis that can be asserted, by name."""
    found: dict[str, float] = {name: value for name, value in vars(result).items() if isinstance(value, int)}
    found["flops"] = result.flops
    found.update(result.operations)
    if result.latency:
        found.update(latency_ms=result.latency["median_ms"], **_numbers(result.latency))
    if result.zen:
        found["zen"] = result.zen["mean"]
    return found


def _numbers(record: dict[str, Any]) -> dict[str, float]:
    return {name: value for name, value in record.items() if name.endswith("_ms") and isinstance(value, (int, float))}


def failed_assertions(expressions: tuple[str, ...], result: Analysis) -> list[str]:
    """What does not hold, one message each; `UsageError` for an expression that cannot be read."""
    known = quantities(result)
    failures = []
    for expression in expressions:
        match = _EXPRESSION.fullmatch(expression)
        if match is None:
            raise UsageError(
                f"--assert {expression!r} cannot be read; accepted: NAME<NUMBER such as 'params<1e6' or 'macs<=400M'"
            )
        name, sign, number, suffix = match.groups()
        if name not in known:
            near = nearest(name, known)
            hint = f"; did you mean {near}?" if near else ""
            raise UsageError(f"--assert {expression!r}: no quantity {name!r} here; accepted: {', '.join(known)}{hint}")
        try:
            bound = float(number) * _SUFFIXES[suffix.lower()]
        except ValueError:
            raise UsageError(f"--assert {expression!r}: {number!r} is no number") from None
        if not _OPERATORS[sign](known[name], bound):
            failures.append(f"assertion failed: {name} is {known[name]:,}, not {sign} {bound:,.12g}")
    return failures
