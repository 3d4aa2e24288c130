"""Tables as text, Markdown and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

__all__ = ["csv_table", "markdown_table", "text_table"]

Rows = Sequence[Sequence[str]]


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
