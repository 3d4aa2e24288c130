"""Rows, and those of them that something depends on.

A table in single-assignment form is read backwards once: a row lives if it puts out what is wanted, or what a living row
takes. What is left keeps its order, and values get new numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from plainnet.blocks.rows.shapes import Shape

if TYPE_CHECKING:
    from plainnet.blocks.rows.layers import Collect, Join, Leaf

__all__ = ["INPUT", "NO_VALUE", "Row", "depends_on", "last_uses", "live_rows"]

INPUT = -1
"""The number of the value that comes in."""
NO_VALUE = Shape(0, 0, 0)
"""The shape of what a row puts out that only collects values."""


class Row(NamedTuple):
    """One operation: where it stands, what it is, which values it takes, and the shapes of its (first) input and its
    output.
    """

    path: str
    layer: Leaf | Join | Collect
    inputs: tuple[int, ...]
    in_shape: Shape
    out_shape: Shape
    times: int
    """how often the row runs, one time after the other, in a compact table"""

    @property
    def block_number(self) -> int:
        """The number of the outermost block that it is in; of rows of a whole network."""
        return int(self.path.split(".", 1)[0])


def live_rows(rows: list[Row], wanted: Sequence[int]) -> tuple[list[Row], dict[int, int]]:
    """The rows that the values `wanted` depend on, and the new number of each value that is left."""
    live = {number for number in wanted if number != INPUT}
    for number in range(len(rows) - 1, -1, -1):
        if number in live:
            live.update(rows[number].inputs)
    live.discard(INPUT)
    places = {INPUT: INPUT}
    if len(live) == len(rows):
        places.update((number, number) for number in range(len(rows)))
        return rows, places
    kept: list[Row] = []
    for number in sorted(live):
        places[number] = len(kept)
        row = rows[number]
        kept.append(row._replace(inputs=tuple([places[value] for value in row.inputs])))
    return kept, places


def depends_on(rows: list[Row], value: int, source: int, *, first: int) -> bool:
    """Whether a value is, or is made of, the value `source`, by way of the rows from number `first` on."""
    made_of = {value}
    for number in range(len(rows) - 1, first - 1, -1):
        if number in made_of:
            made_of.update(rows[number].inputs)
    return source in made_of


def last_uses(inputs: Sequence[Sequence[int]], wanted: Sequence[int] = ()) -> dict[int, int]:
    """The last row that takes each value, from what each row takes; one that is `wanted` at the end is alive behind the last."""
    last = {value: number for number, values in enumerate(inputs) for value in values}
    return last | dict.fromkeys(wanted, len(inputs))
