"""Arithmetic with numbers alone: `64 / 640`. Nothing is run: the parsed expression is folded, operator by operator."""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable

__all__ = ["calculate", "looks_like_arithmetic"]

SHAPE = re.compile(r"[\d.eE_()*/%+\s-]+")
OPERATOR = re.compile(r"\s(?:[-+*/%]|//|\*\*)\s")
MAX_LENGTH = 500
LARGEST = 1e300

BINARY: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}


def looks_like_arithmetic(text: str) -> bool:
    """Whether a text is numbers and brackets, with at least one operator that has spaces around it."""
    return len(text) <= MAX_LENGTH and bool(SHAPE.fullmatch(text)) and bool(OPERATOR.search(text))


def calculate(text: str) -> float:
    """The number that an expression of `+ - * / // %`, brackets and numbers gives; `ValueError` says what is wrong."""
    try:
        value = _fold(ast.parse(text.strip(), mode="eval").body)
    except SyntaxError:
        raise ValueError("is no expression") from None
    except ZeroDivisionError:
        raise ValueError("divides by zero") from None
    except OverflowError:
        raise ValueError("is too large a number") from None
    return value


def _fold(node: ast.expr) -> float:
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        value = node.value
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = -_fold(node.operand)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.UAdd):
        value = _fold(node.operand)
    elif isinstance(node, ast.BinOp) and type(node.op) in BINARY:
        value = BINARY[type(node.op)](_fold(node.left), _fold(node.right))
    else:
        raise ValueError("is not done here; accepted: + - * / // % and brackets")
    assert isinstance(value, int | float)
    if not math.isfinite(value) or abs(value) > LARGEST:
        raise ValueError("is too large a number")
    return value
