"""Tables as text that fits a terminal, as Markdown, HTML and CSV."""

from __future__ import annotations

import csv
import html
import io
import re
import shutil
import sys
import textwrap
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from plainnet.files.text_files import printable

__all__ = ["FULL", "Table", "csv_table", "is_terminal", "markdown_table", "terminal_width", "wrapped"]

_WORDS = re.compile(r"\s*[^\s)]*\)+(?=\w)|\s*\S+?(?:(?<=\))(?=\w)|(?=\s|$))\s*")
"""Words with the blanks around them; a network is a word for each block."""
Rows = Sequence[Sequence[str]]

GAP = 2
"""Blanks between two columns."""
FULL = "--full, or a pipe"
"""What shows the columns of a command's table that are left out."""
SHORTEST = 12
"""Characters that are left of a cell that is cut, at least."""


def is_terminal(*, err: bool = False) -> bool:
    """Whether standard output (or standard error) is a terminal."""
    stream = sys.stderr if err else sys.stdout
    return stream is not None and stream.isatty()


def terminal_width(*, err: bool = False) -> int | None:
    """The columns of the terminal that standard output (or standard error) is; None for a file or a pipe, which have no
    width.
    """
    return shutil.get_terminal_size().columns if is_terminal(err=err) else None


def wrapped(line: str, width: int | None, *, indent: int = 0) -> str:
    """A line broken between words and between the blocks of a network, its further lines indented. Nothing else is broken:
    a path that is longer than the width has a line of its own, to be copied. As it is without a width.
    """
    if width is None or len(line) <= width:
        return line
    further = " " * min(indent, width // 2)
    lines = [""]
    for word in _WORDS.findall(line):
        if lines[-1].strip() and len(lines[-1]) + len(word.rstrip()) > width:
            lines[-1] = lines[-1].rstrip()
            lines.append(further)
        lines[-1] += word
    return "\n".join(lines).rstrip()


@dataclass(frozen=True)
class Table:
    """Rows of cells under the names of their columns.

    left: how many columns stand to the left; the others hold numbers, which stand to the right.
    rule: whether the last row, a sum, stands under a rule of its own.
    drop: the columns that a narrow terminal does without, the first ones first.
    cut: the columns whose cells are shortened to fit, down to `SHORTEST` characters.
    paths: those of them that keep their ends, which tell the paths below one folder apart.
    wide: the columns that no terminal has room for, network strings for example; they are shown where there is no width.
    hint: what shows the columns that are left out.
    """

    columns: Sequence[str]
    rows: Rows
    left: int = 1
    rule: bool = False
    drop: tuple[str, ...] = ()
    cut: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    wide: tuple[str, ...] = ()
    hint: str = FULL

    def text(self, width: int | None) -> str:
        """Aligned columns, none of whose lines is longer than the width; all of them without a width. A row is one line: what a
        folder or a label has of line ends and other signs that are no characters is written as Python writes it.
        """
        if any(not cell.isprintable() for row in self.rows for cell in row):
            return replace(self, rows=[list(map(printable, row)) for row in self.rows]).text(width)
        if width is None or self.width <= width:
            return self._aligned()
        table, dropped = self.without(self.wide), []
        for name in self.drop:
            if table.shortened(width) is not None:
                break
            if name in table.columns:
                table = table.without((name,))
                dropped.append(name)
        fitting = table.shortened(width)
        if fitting is None:
            return table._stacked(width)
        text = fitting._aligned()
        if not dropped:
            return text
        note = f"(no room for {', '.join(dropped)}: {self.hint})"
        return f"{text}\n{wrapped(note, width)}"

    def _aligned(self) -> str:
        wide = [index for index, name in enumerate(self.columns) if name in self.wide]
        return _text_table(self.columns, self.rows, left={*range(self.left), *wide}, rule=self.rule)

    @property
    def width(self) -> int:
        """The columns of a terminal that the whole table takes."""
        return sum(self._widths()) + GAP * (len(self.columns) - 1)

    def _widths(self) -> list[int]:
        return [max(map(len, cells)) for cells in zip(self.columns, *self.rows, strict=True)]

    def without(self, names: Sequence[str]) -> Table:
        """The table without some columns."""
        kept = [index for index, name in enumerate(self.columns) if name not in names]
        return replace(
            self,
            columns=[self.columns[index] for index in kept],
            rows=[[row[index] for index in kept] for row in self.rows],
            left=sum(index < self.left for index in kept),
        )

    def shortened(self, width: int) -> Table | None:
        """The table with the longest of the cells that may be cut as short as it takes; None where that does not suffice."""
        widths = self._widths()
        mine = [index for index, name in enumerate(self.columns) if name in self.cut]
        least = {index: min(widths[index], max(SHORTEST, len(self.columns[index]))) for index in mine}
        while (over := sum(widths) + GAP * (len(widths) - 1) - width) > 0:
            longest = max(mine, key=lambda index: widths[index] - least[index], default=None)
            if longest is None or widths[longest] == least[longest]:
                return None
            widths[longest] = max(least[longest], widths[longest] - max(1, over // len(mine)))
        rows = [
            [
                _cut(cell, widths[index], is_path=self.columns[index] in self.paths) if index in mine else cell
                for index, cell in enumerate(row)
            ]
            for row in self.rows
        ]
        return replace(self, rows=rows)

    def _stacked(self, width: int) -> str:
        """Each row as lines of its own, where the table would be too wide without any column that it can do without."""
        entries = []
        for row in self.rows:
            cells = [f"{name} {cell}" for name, cell in zip(self.columns, row, strict=True) if cell]
            entries.append(_broken(", ".join(cells), width))
        return "\n".join(entries)

    def markdown(self) -> str:
        """A Markdown table with the same alignment."""
        return markdown_table(self.columns, self.rows, left=self.left)

    def html(self) -> str:
        """An HTML table with the same alignment."""
        sides = ["left" if index < self.left else "right" for index in range(len(self.columns))]

        def line(cells: Sequence[str], tag: str) -> str:
            parts = (
                f'<{tag} style="text-align:{side}">{html.escape(cell)}</{tag}>'
                for side, cell in zip(sides, cells, strict=True)
            )
            return f"<tr>{''.join(parts)}</tr>"

        body = "".join(line(row, "td") for row in self.rows)
        return f"<table><thead>{line(self.columns, 'th')}</thead><tbody>{body}</tbody></table>"


def _cut(cell: str, length: int, *, is_path: bool) -> str:
    if len(cell) <= length:
        return cell
    return f"…{cell[1 - length :]}" if is_path else f"{cell[: length - 1]}…"


def _broken(line: str, width: int) -> str:
    """A line in lines that are never longer than the width, words that are broken where nothing else helps."""
    return "\n".join(textwrap.wrap(line, width, subsequent_indent=" " * min(4, width // 4), break_on_hyphens=False))


def _text_table(header: Sequence[str], rows: Rows, *, left: Collection[int], rule: bool = False) -> str:
    """Aligned columns, as wide as they are: those whose numbers are in `left` to the left, the others to the right. rule: the
    last row stands under a rule of its own.
    """
    table = [list(header), *map(list, rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(header))]
    lines = [
        (" " * GAP)
        .join(cell.ljust(width) if column in left else cell.rjust(width) for column, (cell, width) in enumerate(pairs))
        .rstrip()
        for pairs in (list(zip(row, widths, strict=True)) for row in table)
    ]
    line = "-" * (sum(widths) + GAP * (len(widths) - 1))
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
