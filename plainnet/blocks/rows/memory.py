"""Peak activation memory: a liveness pass over the rows.

A value lives from the row that puts it out to the last row that takes it. Batch norm, activations, dropout, reshaping,
additions and gates write over an input that nothing needs afterwards, as inference runtimes do; every other row needs
its inputs and its output at once.
"""

from __future__ import annotations

from collections.abc import Sequence

from plainnet.blocks.rows.layers import Act, Add, Dropout, Flatten, Norm, Scale, Sum
from plainnet.blocks.rows.shapes import Shape
from plainnet.blocks.rows.walk import INPUT, Row

__all__ = ["peak_elements"]

_IN_PLACE = frozenset((Norm, Act, Dropout, Flatten, Add, Sum, Scale))


def peak_elements(rows: Sequence[Row], shape: Shape) -> int:
    """The most elements that are alive at once while the rows run on an input of `shape`; the input counts until its
    last use.
    """
    last_use = {value: number for number, row in enumerate(rows) for value in row.inputs}
    size = {INPUT: shape.elements}
    alive = peak = shape.elements
    for number, row in enumerate(rows):
        out = size[number] = row.out_shape.elements
        freed, in_place = 0, False
        for value in set(row.inputs):
            if last_use[value] == number:
                freed += size[value]
                in_place = in_place or size[value] == out
        needed = alive if in_place and type(row.layer) in _IN_PLACE else alive + out
        if needed > peak:
            peak = needed
        alive += out - freed
    return peak
