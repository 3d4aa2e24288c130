"""Peak activation memory: a liveness pass over the rows.

A value lives from the row that puts it out to the last row that takes it. Batch norm, activations, dropout, reshaping,
additions and gates write over an input that nothing needs afterwards, as inference runtimes do; every other row needs
its inputs and its output at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from plainnet.blocks.rows.layers import Act, Add, Dropout, Flatten, Norm, Scale, Sum
from plainnet.blocks.rows.live_rows import INPUT, Row, last_uses
from plainnet.blocks.rows.shapes import Shape

__all__ = ["elements_alive", "peak_elements"]

_IN_PLACE = frozenset((Norm, Act, Dropout, Flatten, Add, Sum, Scale))


def peak_elements(rows: Sequence[Row], shape: Shape) -> int:
    """The most elements that are alive at once while the rows run on an input of `shape`; the input counts until its
    last use, and not at all where nothing takes it.
    """
    return max(elements_alive(rows, shape), default=shape.elements)


def elements_alive(rows: Sequence[Row], shape: Shape) -> Iterator[int]:
    """The elements that are alive at once while each row runs."""
    last_use = last_uses([row.inputs for row in rows])
    size = {INPUT: shape.elements}
    alive = shape.elements if INPUT in last_use else 0
    for number, row in enumerate(rows):
        out = size[number] = row.out_shape.elements
        freed, in_place = 0, False
        for value in set(row.inputs):
            if last_use[value] == number:
                freed += size[value]
                in_place = in_place or size[value] == out
        yield alive if in_place and type(row.layer) in _IN_PLACE else alive + out
        alive += out - freed
