"""What no model looks for: numbers that are not finite or too large, words in underscores, and the syntax of other tools."""

from __future__ import annotations

import math

from plainnet.configs.foreign import reserved_hints, text_problem
from plainnet.configs.problems import ConfigProblem
from plainnet.configs.tree import Node

__all__ = ["find_strange"]

LARGEST = 2**63 - 1
"""The largest integer that torch takes: a larger one would be an `OverflowError` in the middle of a run."""


def find_strange(node: Node, problems: list[ConfigProblem], key: str = "") -> None:
    """Add what is strange in a tree to `problems`, each at its place."""
    value = node.value
    if isinstance(value, dict):
        for name, child in value.items():
            hints = reserved_hints(name)
            if hints is not None:
                message = "is known at the top of a file alone" if name == "_base_" else "means nothing here"
                problems.append(ConfigProblem(f"{key}.{name}".lstrip("."), message, child.key or child.place, hints))
            else:
                find_strange(child, problems, f"{key}.{name}".lstrip("."))
    elif isinstance(value, list):
        for number, child in enumerate(value):
            find_strange(child, problems, f"{key}.{number}")
    elif isinstance(value, float) and not math.isfinite(value):
        problems.append(ConfigProblem(key, f"must be a finite number, got {value}", node.place))
    elif isinstance(value, int) and not -LARGEST <= value <= LARGEST:
        problems.append(
            ConfigProblem(
                key,
                f"must lie between -2^63 and 2^63, as torch's integers are, got an integer of {value.bit_length()} bits",
                node.place,
            )
        )
    elif isinstance(value, str) and (foreign := text_problem(value)):
        problems.append(ConfigProblem(key, foreign[0], node.place, foreign[1]))
