"""Which layers scores of untrained networks know: what they do not know is refused, and no number is made of it."""

from __future__ import annotations

from collections.abc import Iterable

from plainnet.blocks.rows.layers import Leaf
from plainnet.blocks.rows.walk import Row
from plainnet.errors import UnknownScoreError

__all__ = ["need_theory"]


def need_theory(rows: Iterable[Row]) -> None:
    """`UnknownScoreError` with the first row whose layer no score of untrained networks says anything of."""
    for row in rows:
        if isinstance(row.layer, Leaf) and not row.layer.has_theory:
            raise UnknownScoreError(
                f"{row.path}: scores of untrained networks say nothing of {type(row.layer).__name__}; accepted: counts as scores"
                " (params, macs), and networks without it"
            )
