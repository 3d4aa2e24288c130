"""Every exception that plainnet raises on purpose.

PlainnetError                     the root: `except PlainnetError` catches what a user can cause
 ├── StructureError               a network string, or a size that it cannot be run at
 ├── UsageError                   an argument or option that does not make sense here
 │    ├── MissingExtraError       an optional dependency that is not installed
 │    ├── NoFeatureMapError       a score of feature maps, asked of a network that has none
 │    ├── UnknownScoreError       a score that its theory does not say for this network
 │    └── UnknownNetworkError     a text that names no network (a StructureError, too)
 ├── ConfigError                  a YAML file: search space, training config
 ├── RunError                     a search or training run that cannot go on
 │    └── DivergedError           a training whose loss is not finite any more
 └── RegistrationError            two blocks (or proxies) of one name, or a declaration that cannot work

The command line prints the message and exits with 2, with 1 for `RunError`.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = [
    "ConfigError",
    "DivergedError",
    "MissingExtraError",
    "NoFeatureMapError",
    "PlainnetError",
    "Problem",
    "RegistrationError",
    "RunError",
    "StructureError",
    "UnknownNetworkError",
    "UnknownScoreError",
    "UsageError",
    "nearest",
    "not_written",
]


class PlainnetError(Exception):
    """The root of every error that plainnet raises on purpose."""


class UsageError(PlainnetError, ValueError):
    """An argument or option that does not make sense here."""


class NoFeatureMapError(UsageError):
    """A score of feature maps, asked of a network that has none."""


class UnknownScoreError(UsageError):
    """A score that its theory does not say for this network."""


class ConfigError(PlainnetError, ValueError):
    """A configuration file that cannot be used; the message holds file, line and key."""


class RunError(PlainnetError, RuntimeError):
    """A search or training run that cannot start or go on."""


class DivergedError(RunError):
    """A training whose loss is not finite any more."""


class RegistrationError(PlainnetError, TypeError):
    """A declaration that cannot work: two of one name, or a field of an unknown kind."""


class MissingExtraError(UsageError, ImportError):
    """An optional dependency is not installed; the message names the extra that brings it."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is needed here: pip install 'plainnet[{extra}]'")


_WRONG_NAMES = {
    errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.EEXIST, errno.ENOTEMPTY, errno.EINVAL,
}  # fmt: skip


def not_written(path: object, error: OSError, *, done: str = "written") -> PlainnetError:
    """What is raised for a place that cannot be written, or made: `UsageError` where the name is wrong, `RunError` where the
    system refuses (permissions, a full disk, a limit).
    """
    kind = UsageError if error.errno in _WRONG_NAMES else RunError
    # a folder that is to be made is in no other's way than that of a file
    why = "it is a file" if done == "made" and error.errno == errno.EEXIST else error.strerror or error
    return kind(f"{path} cannot be {done}: {why}")


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a structure: what, where (`start` and `end` are offsets in the text), and the way out."""

    message: str
    start: int = 0
    end: int = 0
    hints: tuple[str, ...] = ()


SHOWN_PROBLEMS = 5
"""So many problems of a structure are written out; all of them are in `problems`."""


class StructureError(PlainnetError, ValueError):
    """A network string that cannot be read or built, with each problem's place, what is accepted and the nearest name.

    `problems` holds them one by one, the message the first of them; `text` is the string that they point into ("" where
    there is none).
    """

    def __init__(self, problems: Iterable[Problem] | str, *, text: str = "") -> None:
        self.problems = (Problem(problems),) if isinstance(problems, str) else tuple(problems)
        self.text = text
        more = len(self.problems) - SHOWN_PROBLEMS
        rest = [f"and {more} more problem{'' if more == 1 else 's'}"] if more > 0 else []
        shown = [render_problem(problem, text) for problem in self.problems[:SHOWN_PROBLEMS]]
        super().__init__("\n".join([*shown, *rest]))

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild_structure_error, (self.problems, self.text))


class UnknownNetworkError(UsageError, StructureError):
    """A text that names no network: no string, nothing on the disk, and no published name."""

    def __reduce__(self) -> tuple[object, ...]:
        return (UnknownNetworkError, (str(self),))


def _rebuild_structure_error(problems: tuple[Problem, ...], text: str) -> StructureError:
    return StructureError(problems, text=text)


WINDOW = 72
"""Characters of the text that are shown around a problem."""


def render_problem(problem: Problem, text: str) -> str:
    """The problem as a person reads it: the message with its place, the line of text, a caret line, the hints."""
    hints = [f"    {hint}" for hint in problem.hints]
    if not text:
        return "\n".join([problem.message, *hints])
    start = min(max(problem.start, 0), len(text))
    line_start = text.rfind("\n", 0, start) + 1
    line_end = text.find("\n", start)
    line = text[line_start : line_end if line_end >= 0 else len(text)]
    column = start - line_start
    width = max(1, min(problem.end - start, len(line) - column))
    first = max(0, min(column - WINDOW // 3, len(line) - WINDOW))
    shown = line[first : first + WINDOW]
    shown = "".join(character if character.isprintable() else "?" for character in shown)
    lead, tail = "…" if first else "", "…" if first + WINDOW < len(line) else ""
    caret = " " * (len(lead) + column - first) + "^" * min(width, WINDOW - (column - first) + 1)
    where = (
        f"column {column + 1}" if "\n" not in text else f"line {text.count(chr(10), 0, start) + 1}, column {column + 1}"
    )
    return "\n".join([f"{problem.message} at {where}", f"    {lead}{shown}{tail}", f"    {caret}", *hints])


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate most like `name` (the first of equals, in the candidates' order), or None if none comes near."""
    import difflib

    best, best_ratio = None, 0.6
    for candidate in candidates:
        matcher = difflib.SequenceMatcher(None, name.lower()[:200], candidate.lower())
        if matcher.quick_ratio() <= best_ratio:
            continue
        ratio = matcher.ratio()
        if ratio > best_ratio:
            best, best_ratio = candidate, ratio
    return best
