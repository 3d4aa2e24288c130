"""Multiply-accumulates of the backward pass of training, as a fold over rows."""

from __future__ import annotations

from collections.abc import Iterable

from plainnet.blocks.rows.counts import row_sums
from plainnet.blocks.rows.walk import INPUT, Row

__all__ = ["backward_macs"]


def backward_macs(rows: Iterable[Row]) -> int:
    """The multiply-accumulates that gradients of all parameters take for one image; `rows` are expanded.

    Y = W X has dW = dY X' and dX = W' dY, each of as many products as Y itself, whatever the kernel, stride and groups. dX is
    worked out where something that is learned stands before the layer: not for layers that read the image itself.
    """
    total = 0
    learned = {INPUT: False}
    for number, row in enumerate(rows):
        assert row.times == 1, "what is learned before a row is read from expanded rows"
        params, macs, *_ = row_sums(row)
        before = any(learned[value] for value in row.inputs)
        learned[number] = before or params > 0
        total += macs * (1 + before)
    return total
