"""What every answer of the package can do: print itself, stand in a notebook, become plain data or a data frame."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from plainnet.errors import MissingExtraError
from plainnet.results.tables import Table, terminal_width, wrapped

if TYPE_CHECKING:
    import pandas

__all__ = ["Result", "View"]

NAMES = 12
"""Columns that the names of lines take, at least."""


@dataclass(frozen=True)
class View:
    """A result as a person reads it: lines of a name and what it is, tables, and further such lines.

    A line without a name is text; one whose name is a blank goes on with the line before it.
    """

    before: Sequence[tuple[str, str]] = ()
    tables: Sequence[Table] = ()
    after: Sequence[tuple[str, str]] = ()

    def text(self, width: int | None) -> str:
        """The view in lines that fit a width; as long as they are without one."""
        tables = (table.text(width) for table in self.tables)
        parts = [self._lines(self.before, width), *tables, self._lines(self.after, width)]
        return "\n\n".join(part for part in parts if part)

    @staticmethod
    def _lines(lines: Sequence[tuple[str, str]], width: int | None) -> str:
        room = max((max(NAMES, len(name) + 2) for name, _ in lines if name), default=0)
        return "\n".join(
            wrapped(f"{name:{room}}{text}" if name else text, width, indent=room if name else 0) for name, text in lines
        )

    def html(self) -> str:
        """The view as HTML, for notebooks."""
        return "".join([self._list(self.before), *(table.html() for table in self.tables), self._list(self.after)])

    @staticmethod
    def _list(lines: Sequence[tuple[str, str]]) -> str:
        return "".join(
            f"<div><b>{html.escape(name)}</b> {html.escape(text)}</div>" if name else f"<div>{html.escape(text)}</div>"
            for name, text in lines
        )


class Result:
    """A result that shows itself.

    `print(result)` is a table that fits the terminal, a notebook shows one in HTML, `to_dict()` is plain data ready for JSON,
    and `to_pandas()` a data frame of `records()`, a line for each row of the table, unrounded.
    """

    def view(self) -> View:
        """What a person sees of it."""
        raise NotImplementedError

    def records(self) -> list[Mapping[str, Any]]:
        """The rows of its table as plain values."""
        raise NotImplementedError

    def as_dict(self) -> dict[str, Any]:
        """The versioned JSON form."""
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain data, ready for JSON: what the command prints with --json."""
        return self.as_dict()

    def to_pandas(self) -> pandas.DataFrame:
        """A data frame with a line for each row; `MissingExtraError` where pandas is not installed."""
        try:
            from pandas import DataFrame
        except ImportError:
            raise MissingExtraError("pandas", "notebook") from None
        return DataFrame.from_records(self.records())

    def __str__(self) -> str:
        return self.view().text(terminal_width())

    def _repr_html_(self) -> str:
        return self.view().html()
