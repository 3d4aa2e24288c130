"""The rows of one block, which several questions in turn ask for: counts, receptive field, scores."""

from __future__ import annotations

from plainnet.blocks.registry import on_change
from plainnet.blocks.rows.block import Block
from plainnet.blocks.rows.layers import Add
from plainnet.blocks.rows.memo import BoundedMemo
from plainnet.blocks.rows.shapes import Shape
from plainnet.blocks.rows.variants import PLAIN, Variant
from plainnet.blocks.rows.walk import Row, walk

__all__ = ["block_rows", "is_plain_table"]

Rows = tuple[tuple[Row, ...], Shape]

_rows: BoundedMemo[tuple[type, str, Shape, Variant, bool], Rows] = BoundedMemo(512)
"""Rows are large, and the totals that are made of them are remembered for long: only the last ones are kept."""
on_change(_rows.clear)
_NO_RESLINK = Variant(no_reslink=True)


def block_rows(block: Block, shape: Shape, variant: Variant = PLAIN, *, expand: bool = False) -> Rows:
    """The rows of a block for an input shape, and the shape that it puts out; `WalkError` where it does not fit.

    Rows in which nothing is repeated are the same compact and expanded, and are walked once for both.
    """
    key = (type(block), block.text, shape, variant, expand)
    found = _rows.get(key)
    if found is None:
        other = _rows.get((*key[:-1], not expand))
        if other is not None and all(row.times == 1 for row in other[0]):
            return other
        plain = _rows.get((*key[:3], PLAIN, expand)) if variant == _NO_RESLINK else None
        if plain is not None and not any(isinstance(row.layer, Add) for row in plain[0]):
            return plain  # without shortcuts it is the same
        rows, out = walk((block,), shape, variant=variant, expand=expand)
        found = _rows[key] = tuple(rows), out
    return found


def is_plain_table(rows: tuple[Row, ...], block: Block, shape: Shape) -> bool:
    """Whether rows that `block_rows` gave for a variant are known to be those of the block as it is."""
    found = _rows.get((type(block), block.text, shape, PLAIN, False))
    return found is not None and found[0] is rows
