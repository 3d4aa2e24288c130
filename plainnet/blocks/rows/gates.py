"""Which rows of a table stand inside of gates (squeeze-excite)."""

from __future__ import annotations

from collections.abc import Sequence

from plainnet.blocks.rows.layers import Scale
from plainnet.blocks.rows.walk import Row

__all__ = ["gate_rows"]


def gate_rows(rows: Sequence[Row]) -> set[int]:
    """The numbers of the rows inside of gates: what a gate's second input is made of, down to its first."""
    inside: set[int] = set()
    for row in rows:
        if isinstance(row.layer, Scale):
            main, value = row.inputs
            waiting = [value]
            while waiting:
                value = waiting.pop()
                if value not in (main, -1) and value not in inside:
                    inside.add(value)
                    waiting.extend(rows[value].inputs)
    return inside
