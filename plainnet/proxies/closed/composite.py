"""The composite: a closed form that ranks networks by what they compute, with nothing fitted.

    composite = log( live entropy * felt depth )

* Live entropy: the sum over convolutions and linear layers of (elements put out that anything reads) * log(fan-in).
  A feature made of n independent inputs is log(n) / 2 nats wider than one of them (its entropy under random weights);
  a feature of one input is no new feature, and one at a position that nothing reads is none at all.
* Felt depth: -log of the share of the output that is still linear in the input, in units of one ReLU: every
  non-linearity counts by its part of the stream that it stands on (`plainnet.proxies.closed.felt_depth`).

Both are extensive (they double when the thing that they count doubles), so that the product has no scale to choose.
Derivation, measurements and where it fails: docs/proxies/composite.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from plainnet.blocks.network_table import NetworkTable
from plainnet.blocks.registry import on_change
from plainnet.blocks.rows.block_rows import block_rows
from plainnet.blocks.rows.layers import Conv, Linear
from plainnet.blocks.rows.memo import BoundedMemo
from plainnet.blocks.rows.shapes import Shape, as_input_shape
from plainnet.blocks.rows.variants import PLAIN, Variant
from plainnet.blocks.rows.walk import Row
from plainnet.blocks.structure import Structure, parse
from plainnet.proxies.closed.felt_depth import INPUT_SIGNAL, Signal, propagate
from plainnet.proxies.closed.live_positions import Positions, all_positions, live_positions
from plainnet.proxies.closed.responses import NATS_PER_RELU

__all__ = ["CompositeParts", "composite", "composite_of_table", "composite_parts", "rows_work"]


class Work(NamedTuple):
    """What convolutions and linear layers put out at positions that are read."""

    entropy: float
    """elements * log(fan-in), in nats"""
    activations: int
    """elements"""
    macs: int
    """multiply-accumulates"""


class CompositeParts(NamedTuple):
    """The composite score of a network and what it is made of."""

    score: float
    """log(live_entropy * felt_depth); -inf for a network with no non-linearity or no feature of two inputs"""
    live_entropy: float
    felt_depth: float
    """in centred ReLU layers"""
    live_activations: int
    live_macs: int


_Forward = BoundedMemo[tuple[str, Shape, float, float, bool], Signal]
_Backward = BoundedMemo[tuple[str, Shape, Positions], tuple[Positions, Work]]


class _Memos(NamedTuple):
    forward: _Forward
    backward: _Backward


_memos: dict[Variant, _Memos] = {}
on_change(_memos.clear)


def composite(structure: str | Structure, resolution: int | tuple[int, int] = 32, *, variant: Variant = PLAIN) -> float:
    """The composite score of a network at an input size; higher is better.

    >>> round(composite("SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,2,8,1)"), 4)
    11.9323
    """
    return composite_parts(structure, resolution, variant=variant).score


def composite_parts(
    structure: str | Structure, resolution: int | tuple[int, int] = 32, *, variant: Variant = PLAIN
) -> CompositeParts:
    """The composite score and its parts. `StructureError` where the network does not fit the input size."""
    network = parse(structure)
    return composite_of_table(network.at(as_input_shape(network.in_channels, resolution), variant=variant))


def composite_of_table(table: NetworkTable) -> CompositeParts:
    """The same of a network at an input shape."""
    variant = table.variant
    memos = _memos.get(variant)
    if memos is None:
        memos = _memos[variant] = _Memos(BoundedMemo(100_000), BoundedMemo(100_000))
    loss = _forward(table, memos.forward)
    entropy, activations, macs = _backward(table, memos.backward)
    depth = loss / NATS_PER_RELU
    volume = entropy * depth
    return CompositeParts(math.log(volume) if volume > 0 else -math.inf, entropy, depth, activations, macs)


def _forward(table: NetworkTable, memo: _Forward) -> float:
    """The loss of linearity, in nats. A block's loss depends on the mean and variance that come in, not on what was lost
    before it.
    """
    total, signal = 0.0, INPUT_SIGNAL
    for block, shape in zip(table.blocks, table.shapes, strict=False):
        key = (block.text, shape, signal.mean, signal.variance, signal.non_negative)
        found = memo.get(key)
        if found is None:
            rows, _ = block_rows(block, shape, table.variant, expand=True)
            found = memo[key] = propagate(rows, shape, signal._replace(loss=0.0))
        signal = found
        total += signal.loss
    return total


def _backward(table: NetworkTable, memo: _Backward) -> Work:
    """The work at live positions; all positions of the last block's output are read."""
    read = all_positions(table.out_shape)
    entropy, activations, macs = 0.0, 0, 0
    for block, shape in zip(reversed(table.blocks), table.shapes[-2::-1], strict=True):
        key = (block.text, shape, read)
        found = memo.get(key)
        if found is None:
            rows, _ = block_rows(block, shape, table.variant, expand=True)
            live, of_input = live_positions(rows, shape, read)
            found = memo[key] = of_input, rows_work(rows, live)
        read, work = found
        entropy += work[0]
        activations += work[1]
        macs += work[2]
    return Work(entropy, activations, macs)


def rows_work(rows: Sequence[Row], live: Sequence[Positions | None]) -> Work:
    """The work of an expanded table of rows at the positions of each row that are read."""
    entropy, activations, macs = 0.0, 0, 0
    for row, positions in zip(rows, live, strict=True):
        layer = row.layer
        if positions is None or not isinstance(layer, (Conv, Linear)):
            continue
        fan_in = row.in_shape.channels
        if isinstance(layer, Conv):
            fan_in = fan_in // layer.groups * layer.kernel_size**2
        elements = row.out_shape.channels * positions.size
        entropy += elements * math.log(fan_in)
        activations += elements
        macs += elements * fan_in
    return Work(entropy, activations, macs)
