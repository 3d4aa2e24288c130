"""Layout of source: an expression in one line where it fits and reads well, one argument a line otherwise."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["WIDTH", "Call", "Expression", "lay_out", "wrapped_docstring"]

WIDTH = 100
"""Columns of the source that is written."""
_SHORT = 60
"""Columns up to which calls within calls are read in one line."""


@dataclass(frozen=True)
class Call:
    """A call. Arguments are texts or calls; `prefix` is what stands before it: "skip=", "*"."""

    function: str
    arguments: tuple[Expression, ...]
    prefix: str = ""
    comment: str = ""

    def __str__(self) -> str:
        return f"{self.prefix}{self.function}({', '.join(map(str, self.arguments))})"


Expression = str | Call


def _depth(expression: Expression) -> int:
    if isinstance(expression, str):
        return 0
    return 1 + max((_depth(argument) for argument in expression.arguments), default=0)


def lay_out(expression: Expression, *, indent: int, suffix: str = "", lead: str = "") -> list[str]:
    """The lines of an expression, `indent` spaces deep, with `lead` before and `suffix` behind it."""
    pad, comment = " " * indent, ""
    if isinstance(expression, Call) and expression.comment:
        comment = f"  # {expression.comment}"
    flat = f"{pad}{lead}{expression}{suffix}"
    simple = _depth(expression) < 3 or len(flat) <= _SHORT
    simple = simple and not (isinstance(expression, Call) and _many_calls(expression.arguments))
    if (len(flat) <= WIDTH and simple) or isinstance(expression, str) or not expression.arguments:
        return [flat + (comment if len(flat + comment) <= WIDTH else "")]
    lines = [f"{pad}{lead}{expression.prefix}{expression.function}("]
    inner = f"{pad}    {', '.join(map(str, expression.arguments))}"
    if _depth(expression) == 1 and len(inner) <= WIDTH:
        return [*lines, inner, f"{pad}){suffix}{comment}"]
    for argument in expression.arguments:
        lines.extend(lay_out(argument, indent=indent + 4, suffix=","))
    return [*lines, f"{pad}){suffix}{comment}"]


def _many_calls(arguments: Sequence[Expression]) -> bool:
    return sum(isinstance(argument, Call) for argument in arguments) > 2


def wrapped_docstring(text: str, *, indent: int) -> list[str]:
    """The lines of a docstring."""
    pad = " " * indent
    if len(text) + indent + 6 <= WIDTH:
        return [f'{pad}"""{text}"""']
    lines = textwrap.wrap(f'"""{text}', WIDTH - indent - 3)  # three columns less, so that a lone line cannot be joined
    return [f"{pad}{line}" for line in (*lines, '"""')]
