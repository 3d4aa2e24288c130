"""Integers that remember which arguments they were computed from.

A block's `layers()` is called with such integers in place of its arguments, so that the layers say not only *which*
number stands somewhere but *why*: `Conv(self.bottleneck_channels)` gives a 16 that is called `bottleneck_channels`, and
`Repeat(2 * self.sub_layers - 1, ...)` a 5 that is called `2 * sub_layers - 1`. Arithmetic that is not followed (floats,
rounding) gives a plain integer, which is right all the same: it only has no name. As text a symbol is its number.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, Self

__all__ = ["Symbol", "expression"]

_SUM, _PRODUCT, _ATOM = 1, 2, 3


class Symbol(int):
    """An integer and the expression that it is the value of."""

    expression: str
    binding: int
    """how tightly the expression's outermost operation binds"""

    def __new__(cls, value: int, expression: str, binding: int = _ATOM) -> Self:
        symbol = super().__new__(cls, value)
        symbol.expression, symbol.binding = expression, binding
        return symbol

    def __getnewargs__(self) -> tuple[int, str, int]:  # type: ignore[override]  # for copies and pickles
        return int(self), self.expression, self.binding

    def __add__(self, other: int) -> Any:
        return self if _is(other, 0) else _combine(self, "+", other)

    def __radd__(self, other: int) -> Any:
        return self if _is(other, 0) else _combine(other, "+", self)

    def __sub__(self, other: int) -> Any:
        return self if _is(other, 0) else _combine(self, "-", other)

    def __rsub__(self, other: int) -> Any:
        return _combine(other, "-", self)

    def __mul__(self, other: int) -> Any:
        return self if _is(other, 1) else _combine(self, "*", other)

    def __rmul__(self, other: int) -> Any:
        return self if _is(other, 1) else _combine(other, "*", self)

    def __floordiv__(self, other: int) -> Any:
        return self if _is(other, 1) else _combine(self, "//", other)


_OPERATIONS: dict[str, tuple[Callable[[int, int], int], int]] = {
    "+": (operator.add, _SUM),
    "-": (operator.sub, _SUM),
    "*": (operator.mul, _PRODUCT),
    "//": (operator.floordiv, _PRODUCT),
}


def _is(other: object, value: int) -> bool:
    return type(other) is int and other == value


def _combine(left: int, sign: str, right: int) -> Any:
    if not (isinstance(left, int) and isinstance(right, int)):
        return NotImplemented
    compute, binding = _OPERATIONS[sign]
    text = f"{_operand(left, binding)} {sign} {_operand(right, binding + 1)}"
    return Symbol(compute(int(left), int(right)), text, binding)


def _operand(value: int, binding: int) -> str:
    if not isinstance(value, Symbol):
        return str(int(value))
    return value.expression if value.binding >= binding else f"({value.expression})"


def expression(value: int) -> str | None:
    """What the number is the value of; None for a plain number."""
    return value.expression if isinstance(value, Symbol) else None
