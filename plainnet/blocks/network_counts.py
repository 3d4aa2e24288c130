"""Counts of a whole network: its blocks and its head."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from plainnet.blocks.rows.counts import Sums, Totals, add_rows
from plainnet.blocks.rows.layers import AdaptivePool, Flatten, Layers, Linear
from plainnet.blocks.rows.memo import BoundedMemo
from plainnet.blocks.rows.memory import peak_elements
from plainnet.blocks.rows.shapes import Shape
from plainnet.blocks.rows.variants import PLAIN, Variant
from plainnet.blocks.rows.walk import walk

if TYPE_CHECKING:
    from plainnet.blocks.structure import Structure

__all__ = ["NetworkCounts", "count_network", "head_layers", "head_totals", "network_counts"]


class NetworkCounts(NamedTuple):
    """What a network costs for one image of an input shape."""

    sums: Sums
    """params, macs, activations, layers, ... of blocks and head together"""
    peak_elements: int
    """the most elements of activations that are alive at once"""
    feature_shape: Shape
    """the map before pooling"""
    output_shape: Shape
    """what comes out of the head"""

    @property
    def params(self) -> int:
        return self.sums.params

    @property
    def macs(self) -> int:
        return self.sums.macs

    @property
    def flops(self) -> int:
        """2 * macs"""
        return 2 * self.sums.macs

    @property
    def layers(self) -> int:
        return self.sums.layers

    @property
    def activations(self) -> int:
        return self.sums.activations


def head_layers(feature_shape: Shape, num_classes: int | None) -> Layers:
    """The layers behind the blocks: global pooling and the classifier. A network that ends in a vector is its own head."""
    if feature_shape.is_vector:
        return ()
    pooling = (AdaptivePool(1), Flatten())
    return (*pooling, Linear(num_classes)) if num_classes else pooling


_heads: BoundedMemo[tuple[Shape, int | None], Totals] = BoundedMemo(10_000)


def head_totals(feature_shape: Shape, num_classes: int | None) -> Totals:
    """The totals of the head; it adds nothing to the number of layers, as in the published work."""
    found = _heads.get((feature_shape, num_classes))
    if found is None:
        rows, out = walk(head_layers(feature_shape, num_classes), feature_shape)
        found = Totals(out, Sums(*add_rows(rows)), peak_elements(rows, feature_shape))
        _heads[feature_shape, num_classes] = found
    return found


def count_network(
    structure: Structure, shape: Shape, *, num_classes: int | None = 1000, variant: Variant = PLAIN
) -> NetworkCounts:
    """The counts of a structure with its head for one image; `StructureError` if the image is too small for it."""
    return structure.at(shape, variant=variant).counts(num_classes)


def network_counts(blocks: Sequence[Totals], head: Totals) -> NetworkCounts:
    """The counts of a network from those of its blocks and its head."""
    totals = [*blocks, head]
    sums = Sums._make(map(sum, zip(*[part.sums for part in totals], strict=True)))
    peak = max([part.peak_elements for part in totals])
    return NetworkCounts(sums, peak, blocks[-1].out_shape, head.out_shape)
