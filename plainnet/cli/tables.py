"""Tables as text, Markdown and CSV."""

from __future__ import annotations

import csv
import io
import shutil
import sys
import textwrap
from collections.abc import Sequence

__all__ = ["csv_table", "fit_columns", "markdown_table", "table_width", "terminal_width", "text_table", "wrapped"]

Rows = Sequence[Sequence[str]]


def terminal_width() -> int | None:
    """The columns of the terminal that standard output is; None for a file or a pipe, which have no width."""
    if sys.stdout is None or not sys.stdout.isatty():
        return None
    return shutil.get_terminal_size().columns


def table_width(header: Sequence[str], rows: Rows) -> int:
    """The columns that `text_table` takes."""
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    return sum(widths) + 2 * (len(widths) - 1)


def fit_columns(
    header: Sequence[str], rows: Rows, width: int, *, drop: Sequence[str]
) -> tuple[list[str], list[list[str]], list[str]]:
    """The table without as many of the columns in `drop` (the first ones first) as make it fit into a width: header, rows,
    and the names that were left out.
    """
    dropped: list[str] = []
    table = [list(header), *map(list, rows)]
    for name in drop:
        if table_width(table[0], table[1:]) <= width:
            break
        column = table[0].index(name)
        table = [[*row[:column], *row[column + 1 :]] for row in table]
        dropped.append(name)
    return table[0], table[1:], dropped


def wrapped(line: str, width: int | None, *, indent: int = 0) -> str:
    """A line broken between words, its further lines indented; as it is without a width."""
    if width is None or len(line) <= width:
        return line
    further = " " * min(indent, width // 2)
    return "\n".join(textwrap.wrap(line, width, subsequent_indent=further, break_on_hyphens=False))


def text_table(header: Sequence[str], rows: Rows, *, left: int = 1, rule: bool = True) -> str:
    """Aligned columns: the first `left` of them to the left, numbers to the right. The last row stands under a rule of
    its own.
    """
    table = [list(header), *map(list, rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(header))]
    lines = [
        "  ".join(
            cell.ljust(width) if column < left else cell.rjust(width) for column, (cell, width) in enumerate(pairs)
        ).rstrip()
        for pairs in (list(zip(row, widths, strict=True)) for row in table)
    ]
    line = "-" * (sum(widths) + 2 * (len(widths) - 1))
    lines.insert(1, line)
    if rule and len(rows) > 1:
        lines.insert(-1, line)
    return "\n".join(lines)


def markdown_table(header: Sequence[str], rows: Rows, *, left: int = 1) -> str:
    """A Markdown table with the same alignment."""
    marks = [":--" if column < left else "--:" for column in range(len(header))]
    return "\n".join("| " + " | ".join(row) + " |" for row in [header, marks, *rows])


def csv_table(header: Sequence[str], rows: Rows) -> str:
    """Comma separated values, quoted where needed."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue().rstrip("\n")
