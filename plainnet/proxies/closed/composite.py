"""The composite: a closed form that ranks networks by what they compute, with nothing fitted. Two versions:

    version 2    log(felt depth) + the weighted mean over octaves j of log(w_j H_j),  w_j = j + 2
    version 1    log(felt depth) + log(live entropy)

* Felt depth: -log of the share of the output that is still linear in the input, in units of one ReLU: every
  non-linearity counts by its part of the stream that it stands on (`plainnet.proxies.closed.felt_depth`).
* Live entropy: the sum over convolutions and linear layers of (elements put out that anything reads) * log(fan-in).
  A feature made of n independent inputs is log(n) / 2 nats wider than one of them (its entropy under random weights);
  a feature of one input is no new feature, and one at a position that nothing reads is none at all.
* H_j: the same for the maps of one size, j octaves (halvings) below the image, where an element counts by its share of
  independent ones (`meanfield.likeness`) and by the 1 + log2(k) octaves that a k x k kernel combines. What has no
  extent, as the gates of squeeze-excite behind their global mean, is of no octave.
* w_j: the octaves of the image that a map of stride 2^j can tell apart: wavelengths of 2, 4, ... 2^(j + 1) pixels, and the mean.

`VERSION` is what the name composite means today; a search that was begun with version 1 goes on with it. Derivation,
measurements on six sets of trained networks and where it fails: docs/proxies/composite.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from plainnet.blocks.base import PlainNetBasicBlockClass
from plainnet.blocks.network_table import NetworkTable
from plainnet.blocks.registry import on_change
from plainnet.blocks.rows.block_rows import block_rows
from plainnet.blocks.rows.layers import Conv, Linear
from plainnet.blocks.rows.map_layers import ConvTranspose
from plainnet.blocks.rows.memo import BoundedMemo
from plainnet.blocks.rows.shapes import Shape, as_input_shape
from plainnet.blocks.rows.variants import PLAIN, Variant
from plainnet.blocks.rows.walk import Row
from plainnet.errors import UnknownScoreError, UsageError
from plainnet.network.network_names import at_its_size
from plainnet.proxies.closed.felt_depth import INPUT_SIGNAL, Signal, signals
from plainnet.proxies.closed.live_positions import Positions, all_positions, live_positions
from plainnet.proxies.closed.meanfield.correlated import closed_units
from plainnet.proxies.closed.meanfield.likeness import WHITE, independent_share
from plainnet.proxies.closed.responses import NATS_PER_RELU

__all__ = [
    "VERSION",
    "VERSIONS",
    "BlockParts",
    "CompositeParts",
    "Work",
    "block_parts",
    "check_version",
    "composite",
    "composite_of_rows",
    "composite_of_table",
    "composite_parts",
    "octave_of",
    "rows_work",
]

VERSIONS = (1, 2)
VERSION = 2
"""What the composite is unless a version is said."""

_WORKING = (Conv, ConvTranspose, Linear)
"""The layers whose elements are counted."""
Shares = tuple[float, ...]
"""For each row of a layer that is counted the share of its elements that are independent; 0 where they are no map's."""
Maps = tuple[tuple[int, float], ...]
"""(positions of a map, or its octave, and what the maps of that size hold)"""


class Work(NamedTuple):
    """What convolutions and linear layers put out at positions that are read."""

    entropy: float
    """elements * log(fan-in), in nats"""
    activations: int
    """elements"""
    macs: int
    """multiply-accumulates"""
    maps: Maps
    """independent elements * log(fan-in) * (1 + log2(kernel size)), by the size of the map"""


class CompositeParts(NamedTuple):
    """The composite score of a network and what it is made of."""

    score: float
    """-inf for a network with no non-linearity or no feature of two inputs"""
    live_entropy: float
    felt_depth: float
    """in centred ReLU layers"""
    live_activations: int
    live_macs: int
    octaves: Maps
    """(halvings below the image, H of the maps there), the finest first"""


class BlockParts(NamedTuple):
    """What a block adds to the parts of a composite where everything that it puts out is read."""

    signal: Signal
    """behind it, with what was lost inside of it"""
    reads_all: bool
    """whether every position of its input is read"""
    work: Work


_Forward = BoundedMemo[tuple[str, Shape, Signal], tuple[Signal, float, Shares | None]]
_Backward = BoundedMemo[tuple[str, Shape, Positions, Shares | None], tuple[Positions, Work]]


class _Memos(NamedTuple):
    forward: _Forward
    backward: _Backward


_memos: dict[Variant, _Memos] = {}
on_change(_memos.clear)


def composite(
    structure: Any,
    resolution: int | tuple[int, int] | None = None,
    *,
    variant: Variant = PLAIN,
    version: int = VERSION,
) -> float:
    """The composite score of a network at an input size; higher is better.

    structure: whatever `plainnet.resolve` takes. resolution: R or (H, W); by default what is known of the network, 32 otherwise.

    >>> round(composite("SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,2,8,1)"), 4)
    13.045
    >>> round(composite("SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,2,8,1)", version=1), 4)
    11.9323
    """
    return composite_parts(structure, resolution, variant=variant, version=version).score


def composite_parts(
    structure: Any,
    resolution: int | tuple[int, int] | None = None,
    *,
    variant: Variant = PLAIN,
    version: int = VERSION,
) -> CompositeParts:
    """The composite score and its parts. `StructureError` where the network does not fit the input size, `UsageError` for
    a version that there is not.
    """
    network, size, variant = at_its_size(structure, resolution, otherwise=32, variant=variant)
    return composite_of_table(network.at(as_input_shape(network.in_channels, size), variant=variant), version)


def composite_of_table(table: NetworkTable, version: int = VERSION) -> CompositeParts:
    """The same of a network at an input shape."""
    check_version(version)
    variant, image = table.variant, table.shapes[0]
    memos = _memos.get(variant)
    if memos is None:
        memos = _memos[variant] = _Memos(BoundedMemo(100_000), BoundedMemo(100_000))
    shares, loss = _forward(table, memos.forward)
    return _together(_backward(table, shares, memos.backward), loss, image, version)


def composite_of_rows(rows: Sequence[Row], shape: Shape, version: int = VERSION) -> CompositeParts:
    """The same of an expanded table of rows for an image of `shape`: of any graph. Nothing is remembered."""
    check_version(version)
    behind = signals(rows, shape, INPUT_SIGNAL)
    live, _ = live_positions(rows, shape, all_positions(rows[-1].out_shape))
    return _together(rows_work(rows, live, _shares(rows, behind)), behind[-1].loss, shape, version)


def _together(work: Work, loss: float, image: Shape, version: int) -> CompositeParts:
    entropy, activations, macs, maps = work
    depth = loss / NATS_PER_RELU
    octaves = _by_octave(maps, image.height * image.width)
    features = _log(entropy) if version == 1 else _mean_over_octaves(octaves)
    return CompositeParts(features + _log(depth), entropy, depth, activations, macs, octaves)


def check_version(version: int) -> None:
    """`UsageError` for a version that there is not."""
    if version not in VERSIONS:
        raise UsageError(f"the composite has no version {version!r}; accepted: {', '.join(map(str, VERSIONS))}")


def _log(value: float) -> float:
    return math.log(value) if value > 0 else -math.inf


def _by_octave(maps: Maps, image: int) -> Maps:
    """What maps hold by octave, the finest first."""
    found: dict[int, float] = {}
    for size, held in maps:
        octave = octave_of(size, image)
        found[octave] = found.get(octave, 0.0) + held
    return tuple(sorted(found.items()))


@lru_cache(maxsize=4096)
def octave_of(size: int, image: int) -> int:
    """How many halvings of its sides a map of so many positions lies below the image, to the nearest; a larger one is of 0."""
    return max(0, round(math.log2(image / size) / 2))


def _mean_over_octaves(octaves: Maps) -> float:
    weights, total = 0, 0.0
    for octave, held in octaves:
        weight = octave + 2
        weights += weight
        total += weight * math.log(weight * held)
    return total / weights if weights else -math.inf


def _forward(table: NetworkTable, memo: _Forward) -> tuple[list[Shares | None], float]:
    """The independent shares of each block's rows (None where all are 1), and the loss of linearity in nats. A block's loss
    depends on the mean and variance that come in, not on what was lost before it.
    """
    shares: list[Shares | None] = []
    total, signal = 0.0, INPUT_SIGNAL
    for number, (block, shape) in enumerate(closed_units(table)):
        key = (block.text, shape, signal)
        found = memo.get(key)
        if found is None:
            rows, _ = block_rows(block, shape, table.variant, expand=True)
            try:
                behind = signals(rows, shape, signal)
            except UnknownScoreError as error:  # the block alone is number 0
                raise UnknownScoreError(f"{number}.{str(error).removeprefix('0.')}") from None
            last = behind[-1] if behind else signal
            found = memo[key] = last._replace(loss=0.0), last.loss, _shares(rows, behind)
        signal, loss, independent = found
        total += loss
        shares.append(independent)
    return shares, total


def block_parts(block: PlainNetBasicBlockClass, shape: Shape, signal: Signal, variant: Variant = PLAIN) -> BlockParts:
    """What a block adds for an input of `shape` with a signal; everything that it puts out is read."""
    rows, out = block_rows(block, shape, variant, expand=True)
    behind = signals(rows, shape, signal._replace(loss=0.0))
    live, of_input = live_positions(rows, shape, all_positions(out))
    last = behind[-1] if behind else signal._replace(loss=0.0)
    return BlockParts(last, of_input == all_positions(shape), rows_work(rows, live, _shares(rows, behind)))


def _shares(rows: Sequence[Row], found: Sequence[Signal]) -> Shares | None:
    if all(each.likeness is WHITE for each in found):
        return None
    return tuple(
        1.0
        if not isinstance(row.layer, _WORKING)
        else 0.0
        if each.likeness is None
        else independent_share(each.likeness, row.out_shape)
        for row, each in zip(rows, found, strict=True)
    )


def _backward(table: NetworkTable, shares: list[Shares | None], memo: _Backward) -> Work:
    """The work at live positions; all positions of the last block's output are read."""
    read = all_positions(table.out_shape)
    entropy, activations, macs = 0.0, 0, 0
    maps: dict[int, float] = {}
    for (block, shape), independent in zip(reversed(closed_units(table)), reversed(shares), strict=True):
        key = (block.text, shape, read, independent)
        found = memo.get(key)
        if found is None:
            rows, _ = block_rows(block, shape, table.variant, expand=True)
            live, of_input = live_positions(rows, shape, read)
            found = memo[key] = of_input, rows_work(rows, live, independent)
        read, work = found
        entropy += work[0]
        activations += work[1]
        macs += work[2]
        for size, held in work[3]:
            maps[size] = maps.get(size, 0.0) + held
    return Work(entropy, activations, macs, tuple(maps.items()))


def rows_work(rows: Sequence[Row], live: Sequence[Positions | None], independent: Shares | None = None) -> Work:
    """The work of an expanded table of rows at the positions of each row that are read, `independent` being the share of each
    row's elements that are (None: all of them).
    """
    entropy, activations, macs = 0.0, 0, 0
    maps: dict[int, float] = {}
    for number, (row, positions) in enumerate(zip(rows, live, strict=True)):
        layer = row.layer
        if positions is None or not isinstance(layer, _WORKING):
            continue
        fan_in, taps = row.in_shape.channels, 1
        if isinstance(layer, Conv):
            taps = layer.taps
            fan_in = fan_in // layer.groups * taps
        elif isinstance(layer, ConvTranspose):  # each place meets one tap in stride^2, on average
            taps = max(1, layer.kernel_size**2 // layer.stride**2)
            fan_in = max(1, fan_in * layer.kernel_size**2 // layer.stride**2)
        elements = row.out_shape.channels * positions.size
        own = elements * math.log(fan_in)
        entropy += own
        activations += elements
        macs += elements * fan_in
        held = own * (1 + math.log2(taps) / 2) * (independent[number] if independent is not None else 1.0)
        if held > 0:
            size = row.out_shape.height * row.out_shape.width
            maps[size] = maps.get(size, 0.0) + held
    return Work(entropy, activations, macs, tuple(maps.items()))
