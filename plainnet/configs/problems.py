"""What is wrong with a configuration, shown where it is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from plainnet.configs.bounds import MAX_SHOWN
from plainnet.configs.place import Place
from plainnet.errors import ConfigError

__all__ = ["ConfigProblem", "InvalidConfigError", "shortened"]


LENGTH = 200
"""Characters of a value in a message."""


def shortened(text: str) -> str:
    """A text for a message: its beginning, where it is long."""
    return text if len(text) <= LENGTH else f"{text[:LENGTH]}..."


@dataclass(frozen=True)
class ConfigProblem:
    """One thing that is wrong: the dotted `key` ("" for the file itself), what, where, and the way out."""

    key: str
    message: str
    place: Place | None = None
    hints: tuple[str, ...] = ()

    def __str__(self) -> str:
        subject = f"{self.key}: {self.message}" if self.key else self.message
        if self.place is None:
            return "\n".join([subject, *(f"  {hint}" for hint in self.hints)])
        return "\n".join([f"{self.place}: {subject}", *self.place.caret(), *(f"  {hint}" for hint in self.hints)])


class InvalidConfigError(ConfigError):
    """A configuration with at least one problem; `problems` holds all of them, in the order of the file."""

    def __init__(self, problems: Sequence[ConfigProblem]) -> None:
        self.problems = tuple(sorted(problems, key=_order))
        count = f"{len(self.problems):,} problems in the configuration\n" if len(self.problems) > 1 else ""
        rest = len(self.problems) - MAX_SHOWN
        more = f"\n... and {rest:,} more" if rest > 0 else ""
        super().__init__(count + "\n".join(str(problem) for problem in self.problems[:MAX_SHOWN]) + more)

    def __reduce__(self) -> tuple[object, ...]:
        return (InvalidConfigError, (self.problems,))


def _order(problem: ConfigProblem) -> tuple[str, int, int]:
    place = problem.place
    return (place.source, place.line, place.column) if place else ("", -1, -1)
