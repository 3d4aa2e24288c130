"""What every table of rows holds, checked apart from the walk that made it."""

from __future__ import annotations

from collections.abc import Sequence

from plainnet.blocks.rows.branch_joining import joined
from plainnet.blocks.rows.layers import Collect, Leaf
from plainnet.blocks.rows.live_rows import INPUT, NO_VALUE, Row
from plainnet.blocks.rows.shapes import Shape

__all__ = ["check_rows"]

AROUND = 10
"""Rows that a message shows before and behind the wrong one."""


def check_rows(rows: Sequence[Row], shape: Shape, out: Shape) -> None:
    """Raise `AssertionError` unless the rows are a network that maps `shape` to `out`: every value is put out before it is
    taken, every path stands for one row, shapes are what the layers make of them, and the last row depends on all others.
    """
    shapes = {INPUT: shape}
    paths: set[str] = set()
    taken = {len(rows) - 1}
    for number, row in enumerate(rows):
        unknown = [value for value in row.inputs if value not in shapes]
        _require(not unknown, rows, number, f"takes {unknown}, which no row before it puts out")
        _require(row.path not in paths, rows, number, "has the path of a row before it")
        given = [shapes[value] for value in row.inputs]
        fits = not (isinstance(row.layer, Leaf) and given) or given[0] == row.in_shape
        _require(fits, rows, number, f"is written for {row.in_shape}, and gets {given}")
        if isinstance(row.layer, Collect):
            _require(number == len(rows) - 1, rows, number, "collects values, and is not the last row")
            found = NO_VALUE
        elif isinstance(row.layer, Leaf):
            found = row.layer.out_shape(row.in_shape)
        else:
            found = joined(row.layer, given)
        _require(found == row.out_shape, rows, number, f"puts out {found}, and is written to put out {row.out_shape}")
        shapes[number] = found
        paths.add(row.path)
        taken.update(row.inputs)
    _require(shapes[len(rows) - 1] == out, rows, len(rows) - 1, f"is the last row, and {out} is to come out")
    dead = sorted(shapes.keys() - taken - {INPUT})
    _require(not dead, rows, dead[0] if dead else 0, "puts out what no row takes")


def _require(condition: bool, rows: Sequence[Row], number: int, what: str) -> None:
    if condition:
        return
    shown = [
        f"{'>' if place == number else ' '} {place:4} {row.path} {row.inputs} {row.in_shape} -> {row.out_shape}"
        for place, row in enumerate(rows)
        if abs(place - number) <= AROUND
    ]
    raise AssertionError("\n".join([f"row {number} {what}", *shown]))
