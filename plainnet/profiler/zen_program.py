"""A block as a short program over mean-field states.

Rows of the walk become operations; a convolution and the batch norm behind it become one. What a block does to a state
(`Transfer`) is remembered, so that a known block in a known state costs a look-up; and so is what each of its segments
does, because blocks that differ in a depth or a stride share their repeated body.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from plainnet.blocks import Shape, Variant
from plainnet.blocks.base import PlainNetBasicBlockClass
from plainnet.blocks.layers import (
    Act,
    AdaptivePool,
    Add,
    Concat,
    Conv,
    Dropout,
    Flatten,
    Layer,
    Layers,
    Linear,
    Norm,
    Pool,
    Repeat,
    Scale,
    Sum,
)
from plainnet.blocks.walk import Row, walk
from plainnet.errors import UsageError
from plainnet.profiler import meanfield
from plainnet.profiler.meanfield import Link, State

__all__ = [
    "Program",
    "Segment",
    "Segments",
    "Transfer",
    "apply",
    "behind",
    "compile_block",
    "correlation_at",
    "level_of",
]

Links = tuple[tuple[float, Link | None, int], ...]
"""The correlation of a value: the weighted sum of links of earlier values (None: as it is)."""


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
            values.append(
                sum([share * (link(values[at + 1]) if link else values[at + 1]) for share, link, at in parts])
            )
        found = level_of(values[-1])
    transfer.levels[level] = found
    return found


class Operation(NamedTuple):
    """One row, or a convolution and its batch norm: the numbers of the values that it takes (-1: the block's
    input), and their channels.
    """

    row: Row
    norm: bool
    inputs: tuple[int, ...]
    channels: tuple[int, ...]


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
    for layers, times in _runs(block):
        segment = known.get((layers, here))
        if segment is None:
            segment = known[layers, here] = compile_layers(layers, here, network)
        segments.append((segment, times))
        here = segment.out_shape
        if segment.ends:
            break
    return Program(tuple(segments), here, segments[-1][0].ends, any(segment.has_map for segment, _ in segments), {})


def _runs(block: PlainNetBasicBlockClass) -> list[tuple[Layers, int]]:
    """The block's layers, cut where a repeated body begins and ends."""
    runs: list[tuple[Layers, int]] = []
    chunk: list[Layer | PlainNetBasicBlockClass] = []
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


def compile_layers(layers: Layers, shape: Shape, network: Variant) -> Segment:
    """The segment of some layers for an input of `shape`."""
    rows, out = walk(layers, shape, variant=network, expand=True)
    gates = _gate_rows(rows)
    end = next((i for i, row in enumerate(rows) if i not in gates and _ends(row)), None)
    if end is not None:
        rows, out = rows[:end], rows[end].in_shape
    users = _users(rows)
    operations: list[Operation] = []
    place = {-1: -1}
    for number, row in enumerate(rows):
        if number in place:
            continue
        norm = (
            isinstance(row.layer, Conv) and users[number] == [number + 1] and isinstance(rows[number + 1].layer, Norm)
        )
        channels = tuple([(rows[value].out_shape if value >= 0 else shape).channels for value in row.inputs])
        operations.append(Operation(row, norm, tuple([place[value] for value in row.inputs]), channels))
        place[number] = len(operations) - 1
        if norm:
            place[number + 1] = len(operations) - 1
    has_map = any(isinstance(row.layer, Conv) for row in rows)
    return Segment(tuple(operations), out, end is not None, has_map, {})


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


def _gate_rows(rows: Sequence[Row]) -> set[int]:
    """The rows inside of gates."""
    inside: set[int] = set()
    for row in rows:
        if isinstance(row.layer, Scale):
            main, value = row.inputs
            waiting = [value]
            while waiting:
                value = waiting.pop()
                if value not in (main, -1) and value not in inside:
                    inside.add(value)
                    waiting.extend(rows[value].inputs)
    return inside


def apply(segment: Segment, state: State, batch_size: int) -> tuple[float, float, State, list[Links]]:
    """Run a segment: the two sums over batch norms, the state behind it, and the links of the correlation."""
    states = [state]
    links: list[Links] = []
    definition = zennas = 0.0
    for operation in segment.operations:
        inputs = [states[value + 1] for value in operation.inputs]
        after, parts, log_variance = _STEPS[type(operation.row.layer)](operation, inputs, batch_size)
        if log_variance is not None:
            definition += log_variance / 2
            zennas += math.log(0.81 + 0.19 * math.exp(log_variance)) / 2
        states.append(after)
        links.append(parts)
    return definition, zennas, states[-1], links


Step = tuple[State, Links, float | None]


def _samples(shape: Shape, batch_size: int) -> int:
    samples = batch_size * shape.height * shape.width
    if samples < 2:
        raise UsageError(f"a batch norm on a map of {shape} needs more than {batch_size} image")
    return samples


def _conv(operation: Operation, states: Sequence[State], batch_size: int) -> Step:
    row = operation.row
    layer = row.layer
    assert isinstance(layer, Conv)
    channels, out = row.in_shape.channels, row.out_shape
    samples = _samples(out, batch_size) if operation.norm else None
    state, link, log_variance = meanfield.convolve(
        states[0],
        channels // layer.groups,
        groups=layer.groups,
        kernel_size=layer.kernel_size,
        stride=layer.stride,
        norm_samples=samples,
    )
    if samples is not None:
        log_variance -= meanfield.spread_of_channels(state, out.channels)
    return state, ((1.0, link, operation.inputs[0]),), log_variance if operation.norm else None


def _norm(operation: Operation, states: Sequence[State], batch_size: int) -> Step:
    state, link, log_variance = meanfield.normalise(states[0], _samples(operation.row.in_shape, batch_size))
    return state, ((1.0, link, operation.inputs[0]),), log_variance


def _act(operation: Operation, states: Sequence[State], batch_size: int) -> Step:  # noqa: ARG001
    layer = operation.row.layer
    assert isinstance(layer, Act)
    return meanfield.activate(states[0], layer.kind), _same(operation), None


def _pool(operation: Operation, states: Sequence[State], batch_size: int) -> Step:  # noqa: ARG001
    layer, out = operation.row.layer, operation.row.out_shape
    if isinstance(layer, AdaptivePool):
        if layer.output_size == 1:
            state, link = meanfield.global_average(states[0])
            return state, ((1.0, link, operation.inputs[0]),), None
        kernel_size = stride = max(1, operation.row.in_shape.height // layer.output_size)
        kind = "avg"
    else:
        assert isinstance(layer, Pool)
        kind, kernel_size, stride = layer.kind, layer.kernel_size, layer.stride
    size = (out.height, out.width)
    state, pooled_link = meanfield.pool(states[0], kind, size=size, kernel_size=kernel_size, stride=stride)
    return state, ((1.0, pooled_link, operation.inputs[0]),), None


def _dropout(operation: Operation, states: Sequence[State], batch_size: int) -> Step:  # noqa: ARG001
    return states[0], _same(operation), None


def _scale(operation: Operation, states: Sequence[State], batch_size: int) -> Step:  # noqa: ARG001
    return meanfield.gate(states[0], states[1]), _same(operation), None


def _concat(operation: Operation, states: Sequence[State], batch_size: int) -> Step:  # noqa: ARG001
    state = meanfield.concatenate(states, operation.channels)
    whole = sum(operation.channels)
    return (
        state,
        tuple([(n / whole, None, at) for n, at in zip(operation.channels, operation.inputs, strict=True)]),
        None,
    )


def _sum(operation: Operation, states: Sequence[State], batch_size: int) -> Step:  # noqa: ARG001
    state, parts = meanfield.total(states)
    return state, tuple([(share, link, at) for (share, link), at in zip(parts, operation.inputs, strict=True)]), None


def _same(operation: Operation) -> Links:
    return ((1.0, None, operation.inputs[0]),)


_STEPS: dict[type, Callable[[Operation, Sequence[State], int], Step]] = {
    Conv: _conv,
    Norm: _norm,
    Act: _act,
    Pool: _pool,
    AdaptivePool: _pool,
    Dropout: _dropout,
    Scale: _scale,
    Concat: _concat,
    Sum: _sum,
    Add: _sum,
}
