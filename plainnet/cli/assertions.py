"""`--assert 'params<1e6'`: a network's budget as a check that can fail in CI."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields

from plainnet.blocks.rows.counts import COLUMNS
from plainnet.errors import UsageError, nearest
from plainnet.profiler.analysis import Analysis

__all__ = ["Assertion", "read_assertions"]

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
_COUNTED = dict.fromkeys([field.name for field in fields(Analysis) if field.type in ("int", "int | None")] + ["flops"])
_OPERATIONS = dict.fromkeys(name for name in (*COLUMNS, "other_ops") if name not in _COUNTED)
_LATENCY = {"latency_ms": "median_ms"} | {
    name: name for name in ("median_ms", "p90_ms", "p99_ms", "min_ms", "mean_ms", "mad_ms")
}


@dataclass(frozen=True)
class Assertion:
    """One quantity of an analysis and the bound that it is to keep."""

    expression: str
    name: str
    sign: str
    bound: float

    def failure(self, result: Analysis) -> str | None:
        """What does not hold, in words; None if it holds. `UsageError` for a quantity that this network does not have."""
        value = _value(self.name, result)
        if value is None:
            raise UsageError(f"--assert {self.expression!r}: there is no {self.name} of this network")
        if _OPERATORS[self.sign](value, self.bound):
            return None
        return f"assertion failed: {self.name} is {value:,}, not {self.sign} {self.bound:,.12g}"


def read_assertions(
    expressions: Iterable[str], *, without_latency: str | None = None, without_zen: str | None = None
) -> list[Assertion]:
    """Read assertions; `UsageError` for one that cannot be read, or is about what is not known or not measured.

    without_latency, without_zen: why these are not measured, if they are not.
    """
    missing = dict.fromkeys(_LATENCY, without_latency) | {"zen": without_zen}
    return [_read(expression, missing) for expression in expressions]


def _read(expression: str, missing: dict[str, str | None]) -> Assertion:
    where = f"--assert {expression!r}"
    match = _EXPRESSION.fullmatch(expression)
    if match is None:
        raise UsageError(f"{where} cannot be read; accepted: NAME<NUMBER such as 'params<1e6' or 'macs<=400M'")
    name, sign, number, suffix = match.groups()
    known = [*_COUNTED, *_OPERATIONS, *missing]
    if name not in known:
        near = nearest(name, known)
        hint = f"; did you mean {near}?" if near else ""
        raise UsageError(f"{where}: no quantity {name!r}; accepted: {', '.join(known)}{hint}")
    if missing.get(name):
        raise UsageError(f"{where}: {name} {missing[name]}")
    try:
        bound = float(number) * _SUFFIXES[suffix.lower()]
    except ValueError:
        raise UsageError(f"{where}: {number!r} is no number") from None
    return Assertion(expression, name, sign, bound)


def _value(name: str, result: Analysis) -> float | None:
    if name in _LATENCY:
        return result.latency[_LATENCY[name]] if result.latency else None
    if name == "zen":
        return result.zen["mean"] if result.zen else None
    return result.operations[name] if name in result.operations else getattr(result, name, None)
