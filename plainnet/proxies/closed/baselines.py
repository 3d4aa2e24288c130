"""Scores that any proxy has to beat: depth, MACs and parameters, from the string alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from plainnet.blocks.registry import on_change
from plainnet.blocks.rows.block_rows import block_rows
from plainnet.blocks.rows.layers import Act, Scale
from plainnet.blocks.rows.memo import BoundedMemo
from plainnet.blocks.rows.shapes import Shape, as_input_shape
from plainnet.blocks.rows.variants import PLAIN, Variant
from plainnet.blocks.rows.walk import INPUT, Row
from plainnet.blocks.structure import Structure
from plainnet.network.network_names import at_its_size
from plainnet.proxies.closed.meanfield.correlated import closed_units

__all__ = ["BASELINES", "depth", "macs", "params"]

_depths: BoundedMemo[tuple[str, Shape, Variant], int] = BoundedMemo(100_000)
on_change(_depths.clear)


def depth(structure: Any, resolution: int | tuple[int, int] | None = None, *, variant: Variant = PLAIN) -> int:
    """The number of activation functions on the longest way through the network, gates left out."""
    network, shape, variant = _at_its_shape(structure, resolution, variant)
    total = 0
    for block, here in closed_units(network.at(shape, variant=variant)):
        key = (block.text, here, variant)
        found = _depths.get(key)
        if found is None:
            rows, _ = block_rows(block, here, variant, expand=True)
            found = _depths[key] = _longest(rows)
        total += found
    return total


def _at_its_shape(
    structure: Any, resolution: int | tuple[int, int] | None, variant: Variant
) -> tuple[Structure, Shape, Variant]:
    """What is asked about: a network as `plainnet.resolve` takes it, at its size or 32."""
    network, size, variant = at_its_size(structure, resolution, otherwise=32, variant=variant)
    return network, as_input_shape(network.in_channels, size), variant


def _longest(rows: Sequence[Row]) -> int:
    depths: list[int] = []
    for row in rows:
        sources = row.inputs[:1] if isinstance(row.layer, Scale) else row.inputs
        before = max((0 if source == INPUT else depths[source] for source in sources), default=0)
        depths.append(before + isinstance(row.layer, Act))
    return depths[-1] if depths else 0


def macs(structure: Any, resolution: int | tuple[int, int] | None = None, *, variant: Variant = PLAIN) -> int:
    """Multiply-accumulates for one image, without classifier."""
    network, shape, variant = _at_its_shape(structure, resolution, variant)
    return sum(totals.sums.macs for totals in network.totals(shape, variant=variant))


def params(structure: Any, resolution: int | tuple[int, int] | None = None, *, variant: Variant = PLAIN) -> int:
    """Learnable scalars, without classifier."""
    network, shape, variant = _at_its_shape(structure, resolution, variant)
    return sum(totals.sums.params for totals in network.totals(shape, variant=variant))


BASELINES: dict[str, Callable[..., int]] = {"depth": depth, "macs": macs, "params": params}
