"""What the name of an objective says: its direction, what it is, and its options.

zen    min:macs    madnas(ratios=[0, 0, 1, 1, 6])    max:my_file.py:score
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from plainnet.errors import UsageError
from plainnet.proxies.calibrated.names import is_calibrated

__all__ = ["ObjectiveName", "absolute", "bare_name", "is_function", "may_be_slow", "read_objective"]

AT_ONCE = {
    "zen", "composite", "composite_fitted", "residual_sensitivity", "madnas", "deepmad", "rho", "params", "macs",
    "layers", "activations", "peak_activation", "latency_ms", "convolutions", "depth",
}  # fmt: skip
"""Objectives that take microseconds."""


class ObjectiveName(NamedTuple):
    """A text taken apart."""

    direction: str
    """max, min, or empty for the usual one"""
    name: str
    options: Mapping[str, Any]


def read_objective(text: str) -> ObjectiveName:
    """The parts of an objective's text; `UsageError` for options that cannot be read."""
    direction, name = (text[:3], text[4:]) if text.startswith(("max:", "min:")) else ("", text)
    before, bracket, _ = name.partition("(")
    if is_calibrated(name) or not bracket or not before.isidentifier():
        return ObjectiveName(direction, name, {})
    try:
        call = ast.parse(name.strip(), mode="eval").body
        if not isinstance(call, ast.Call) or call.args or any(each.arg is None for each in call.keywords):
            raise ValueError
        return ObjectiveName(direction, before, {str(each.arg): _value(each.value) for each in call.keywords})
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        raise UsageError(
            f"the objective {text!r} cannot be read; options are written as in deepmad(ratios=[1, 1, 1, 1, 8], alpha1=1)"
        ) from None


def _value(node: ast.expr) -> Any:
    """A number, a list of numbers, a word; a word needs no quotes."""
    return node.id if isinstance(node, ast.Name) else ast.literal_eval(node)


def bare_name(text: str) -> str:
    """The name alone, without direction and options."""
    return read_objective(text).name


def is_function(objective: str) -> bool:
    """Whether an objective is named as a function of the user's."""
    name = bare_name(objective)
    return ":" in name and not is_calibrated(name)


def may_be_slow(objective: str) -> bool:
    """Whether a value may take much longer than microseconds: a function of the user's, a proxy that builds networks."""
    return bare_name(objective) not in AT_ONCE


def absolute(objective: str) -> str:
    """A function of a file with the file's whole path, so that workers and a resumed run find it."""
    source, sign, name = objective.rpartition(":")
    direction = source[:4] if source.startswith(("max:", "min:")) else ""
    file = source.removeprefix(direction)
    if sign and not direction == f"{source}:" and not (file and name):
        raise UsageError(f"no objective {objective!r}; a function is named FILE.py:FUNCTION or MODULE:FUNCTION")
    return f"{direction}{Path(file).resolve()}{sign}{name}" if file.endswith(".py") else objective
