"""A block as a short program over mean-field states.

Rows of the walk become operations; a convolution and the batch norm behind it become one. What a block does to a state
(`Transfer`) is remembered, so that a known block in a known state costs a look-up; and so is what each of its segments
does, because blocks that differ in a depth or a stride share their repeated body.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Sequence
from typing import NamedTuple

from plainnet.blocks import Shape, Variant
from plainnet.blocks.base import PlainNetBasicBlockClass
from plainnet.blocks.rows.block import Block
from plainnet.blocks.rows.gates import gate_rows
from plainnet.blocks.rows.layers import (
    Act,
    AdaptivePool,
    Add,
    Conv,
    Flatten,
    Join,
    Layer,
    Layers,
    Linear,
    Norm,
    Repeat,
    Sum,
)
from plainnet.blocks.rows.map_layers import Zero
from plainnet.blocks.rows.walk import Row, walk
from plainnet.proxies.closed.meanfield.correlated import added_at_last, added_in_block
from plainnet.proxies.closed.meanfield.joins import GateLink
from plainnet.proxies.closed.meanfield.mean_field_layers import Link
from plainnet.proxies.closed.meanfield.steps import Links, Operation
from plainnet.proxies.known_layers import need_theory

__all__ = [
    "Program",
    "Segment",
    "Segments",
    "Transfer",
    "behind",
    "compile_block",
    "correlation_at",
    "level_of",
]


class Transfer(NamedTuple):
    """What a segment, or a whole block, does to one state."""

    definition: float
    """the sum of 1/2 log V over the batch norms, V the batch variance"""
    zennas: float
    """the sum of 1/2 log (0.81 + 0.19 V)"""
    state: int
    """the number of the state behind it"""
    links: list[Links]
    parts: tuple[Transfer, ...]
    """of a block: its segments' transfers, one after the other"""
    levels: dict[int, int]
    """level of the correlation before it -> behind it, as far as known"""


LEVELS = 128
"""A correlation c is remembered as round(128 * -log(1 - c))."""


def level_of(c: float) -> int:
    """The level of a correlation."""
    return round(-LEVELS * math.log(1 - c)) if c < 1 else 40 * LEVELS


def correlation_at(level: int) -> float:
    """The correlation of a level."""
    return 1 - math.exp(-level / LEVELS)


def behind(transfer: Transfer, level: int) -> int:
    """The level of the correlation behind a segment or a block."""
    found = transfer.levels.get(level)
    if found is not None:
        return found
    if transfer.parts:
        found = level
        for part in transfer.parts:
            after = part.levels.get(found)
            found = behind(part, found) if after is None else after
    else:
        values = [correlation_at(level)]
        for parts in transfer.links:
            values.append(sum([share * _linked(link, at, values) for share, link, at in parts]))
        found = level_of(values[-1])
    transfer.levels[level] = found
    return found


def _linked(link: Link | GateLink | None, at: int, values: Sequence[float]) -> float:
    if link is None:
        return values[at + 1]
    return link(values[at + 1]) if isinstance(link, Link) else link(values[at + 1], values[link.at + 1])


class Segment(NamedTuple):
    """Layers at an input shape, ready to be applied to states."""

    operations: tuple[Operation, ...]
    out_shape: Shape
    ends: bool
    """whether the feature map ends here (global pooling, flattening or a linear layer)"""
    has_map: bool
    """whether there is a convolution in front of that"""
    transfers: dict[int, Transfer]


class Program(NamedTuple):
    """A block at an input shape: its segments (a repeated body stands once), and how often each runs."""

    segments: tuple[tuple[Segment, int], ...]
    out_shape: Shape
    ends: bool
    has_map: bool
    transfers: dict[int, Transfer]


Segments = dict[tuple[Layers, Shape], Segment]


def compile_block(block: PlainNetBasicBlockClass, shape: Shape, network: Variant, known: Segments) -> Program:
    """The program of a block for an input of `shape`; `WalkError` where it does not fit. Segments that are `known` are
    not compiled again.
    """
    segments: list[tuple[Segment, int]] = []
    here = shape
    runs = _runs(block)
    is_one = len(runs) == 1 and runs[0][1] == 1
    for body, times in runs:
        segment = known.get((body, here))
        if segment is None:
            rows = added_in_block(block, here, network) if is_one else _added(body, here, network)
            segment = known[body, here] = _compiled(rows, here)
        segments.append((segment, times))
        here = segment.out_shape
        if segment.ends:
            break
    return Program(tuple(segments), here, segments[-1][0].ends, any(segment.has_map for segment, _ in segments), {})


def _runs(block: PlainNetBasicBlockClass) -> list[tuple[Layers, int]]:
    """The block's layers, cut where a repeated body begins and ends."""
    runs: list[tuple[Layers, int]] = []
    chunk: list[Layer | Block] = []
    for layer in (*block.layers(), Repeat(0, ())):
        if not isinstance(layer, Repeat):
            chunk.append(layer)
            continue
        if chunk:
            runs.append((tuple(chunk), 1))
            chunk = []
        if layer.times > 0:
            runs.append((layer.body, layer.times))
    return runs


def _added(body: Layers, shape: Shape, network: Variant) -> list[Row]:
    return added_at_last(walk(body, shape, variant=network, expand=True)[0])


def _compiled(rows: list[Row], shape: Shape) -> Segment:
    """The segment of an expanded table of rows for an input of `shape`, in which sums take what is added at last."""
    need_theory(rows)
    out = rows[-1].out_shape if rows else shape
    rows = _without_zeros(rows)
    gates = gate_rows(rows)
    end = next((i for i, row in enumerate(rows) if i not in gates and _ends(row)), None)
    if end is not None:
        rows, out = rows[:end], rows[end].in_shape
    users = _users(rows)
    operations: list[Operation] = []
    place = {-1: -1}
    for number, row in enumerate(rows):
        if number in place:
            continue
        place[number] = len(operations)
        norm = _follower(rows, users, number, Norm) if isinstance(row.layer, Conv) else None
        act = _follower(rows, users, number + 1, Act) if norm else None
        if norm:
            place[number + 1] = len(operations)
        if isinstance(act, Act):
            place[number + 2] = len(operations)
        channels = tuple([(rows[value].out_shape if value >= 0 else shape).channels for value in row.inputs])
        inputs = tuple([place[value] for value in row.inputs])
        kind = act.kind if isinstance(act, Act) else None
        operations.append(Operation(row, norm is not None, kind, inputs, channels))
    has_map = any(isinstance(row.layer, Conv) for row in rows)
    return Segment(tuple(_each_once(operations)), out, end is not None, has_map, {})


def _each_once(operations: Sequence[Operation]) -> Iterator[Operation]:
    """The operations, each told which earlier one does the same to values in the same state.

    A sum of one value taken twice is another one than that of two values alike.
    """
    first: dict[Hashable, int] = {}
    alike = [-1]
    for number, operation in enumerate(operations):
        row, norm, activation, inputs, channels, _ = operation
        kind = type(row.layer) if isinstance(row.layer, Join) else row.layer
        taken = tuple([(alike[value + 1], inputs.index(value)) for value in inputs])
        found = first.setdefault((kind, row.in_shape, row.out_shape, norm, activation, channels, taken), number)
        alike.append(found)
        yield operation._replace(like=found) if found != number else operation


def _without_zeros(rows: list[Row]) -> list[Row]:
    """The rows with sums that do not take a `Zero`, and without those that nothing takes any more."""
    zeros = {number for number, row in enumerate(rows) if isinstance(row.layer, Zero)}
    if not zeros:
        return rows
    kept: list[Row] = []
    place = {-1: -1}
    for number, row in enumerate(rows):
        inputs = tuple([value for value in row.inputs if value not in zeros])
        if isinstance(row.layer, (Add, Sum)) and inputs and inputs != row.inputs:
            if len(inputs) == 1:
                place[number] = place[inputs[0]]
                continue
            row = row._replace(inputs=inputs)
        elif (
            number in zeros
            and all(
                isinstance(other.layer, (Add, Sum)) and not zeros.issuperset(other.inputs)
                for other in rows
                if number in other.inputs
            )
            and number != len(rows) - 1
        ):
            continue
        place[number] = len(kept)
        kept.append(row._replace(inputs=tuple([place[value] for value in row.inputs])))
    return kept


def _follower(rows: Sequence[Row], users: Sequence[Sequence[int]], number: int, kind: type) -> object | None:
    """The layer behind a row, if it is of a kind and nothing else reads the row."""
    if users[number] != [number + 1] or not isinstance(rows[number + 1].layer, kind):
        return None
    return rows[number + 1].layer


def _ends(row: Row) -> bool:
    layer = row.layer
    return isinstance(layer, (Flatten, Linear)) or (isinstance(layer, AdaptivePool) and layer.output_size == 1)


def _users(rows: Sequence[Row]) -> list[list[int]]:
    users: list[list[int]] = [[] for _ in rows]
    for number, row in enumerate(rows):
        for value in row.inputs:
            if value >= 0:
                users[value].append(number)
    return users
