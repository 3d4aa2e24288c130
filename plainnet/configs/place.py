"""A place in a text that a person wrote."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Place"]

WINDOW = 100
"""Characters of a line that are shown above a caret."""


@dataclass(frozen=True)
class Place:
    """Where something is written: `source` (a file, `command line` or `default`), `line` and `column`
    counted from 0, `width`; `folder` is the one that relative paths there belong to ("": where the program runs).

    A place without a text (a value that came from Python) has line -1.
    """

    source: str
    text: str = field(default="", repr=False)
    line: int = -1
    column: int = 0
    width: int = 1
    folder: str = ""

    def __str__(self) -> str:
        return f"{self.source}:{self.line + 1}:{self.column + 1}" if self.line >= 0 else self.source

    @property
    def origin(self) -> str:
        """The source, with the line for a file and the words for the command line."""
        if self.line < 0:
            return self.source
        return f"{self.source}: {self.text}" if self.source == "command line" else f"{self.source}:{self.line + 1}"

    def caret(self) -> list[str]:
        """The line of text and a line of carets under the place; nothing where there is no text."""
        lines = self.text.splitlines()
        if not 0 <= self.line < len(lines):
            return []
        line = lines[self.line]
        first = max(0, min(self.column - WINDOW // 3, len(line) - WINDOW))
        shown = "".join(c if c.isprintable() else " " for c in line[first : first + WINDOW])
        width = max(1, min(self.width, len(shown) - (self.column - first)))
        return [f"    {shown}", "    " + " " * (self.column - first) + "^" * width]
