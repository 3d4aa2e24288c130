"""What each kind of layer does to mean-field states: one step of a program."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from plainnet.blocks.rows.channel_layers import PatchConv
from plainnet.blocks.rows.layer_arguments import Axis
from plainnet.blocks.rows.layers import Act, AdaptivePool, Add, Concat, Conv, Dropout, Norm, Pool, Scale, Sum
from plainnet.blocks.rows.map_layers import ConvTranspose, Narrow, Resize, Shift, WindowConv, Zero
from plainnet.blocks.rows.shapes import Shape
from plainnet.blocks.rows.walk import Row
from plainnet.errors import UnknownScoreError, UsageError
from plainnet.proxies.closed.meanfield import joins
from plainnet.proxies.closed.meanfield import mean_field_layers as layers
from plainnet.proxies.closed.meanfield.convolutions import convolve, spread_of_channels
from plainnet.proxies.closed.meanfield.correlated import counted
from plainnet.proxies.closed.meanfield.mean_field_layers import Link, State

__all__ = ["Links", "Operation", "run"]

Links = tuple[tuple[float, Link | joins.GateLink | None, int], ...]
"""The correlation of a value: the weighted sum of links of earlier values (None: as it is)."""


class Operation(NamedTuple):
    """One row, or a convolution, its batch norm and its activation: the numbers of the values that it takes (-1: the block's
    input), and their channels.
    """

    row: Row
    norm: bool
    activation: str | None
    inputs: tuple[int, ...]
    channels: tuple[int, ...]
    like: int | None = None
    """an earlier operation that does the same to values in the same state: what comes out is in the same state, too"""


def run(operations: Sequence[Operation], state: State, batch_size: int) -> tuple[float, float, State, list[Links]]:
    """Run operations one after the other: the sums over batch norms, the state behind, the links."""
    states = [state]
    links: list[Links] = []
    definition = zennas = 0.0
    norms: list[float | None] = []
    for operation in operations:
        if operation.like is not None:
            states.append(states[operation.like + 1])
            links.append(((1.0, None, operation.like),))
            log_variance = norms[operation.like]
        else:
            inputs = [states[value + 1] for value in operation.inputs]
            after, parts, log_variance = _STEPS[type(operation.row.layer)](operation, inputs, batch_size)
            states.append(after)
            links.append(parts)
        norms.append(log_variance)
        if log_variance is not None:
            definition += log_variance / 2
            zennas += math.log(0.81 + 0.19 * math.exp(log_variance)) / 2
    return definition, zennas, states[-1], links


Step = tuple[State, Links, float | None]

MOST_SPREAD = 24
"""For each channel, E a^4 / (E a^2)^2 behind a gate: 6 behind a ReLU, and more behind each gate."""


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
    state, link, log_variance = convolve(
        states[0],
        channels // layer.groups,
        groups=layer.groups,
        axes=layer.axes(),
        norm_samples=samples,
    )
    if samples is not None:
        log_variance -= spread_of_channels(state, out.channels)
        state = layers.shrunk(state, log_variance)
    if operation.activation is not None:
        state = layers.activate(state, operation.activation)
    return state, ((1.0, link, operation.inputs[0]),), log_variance if operation.norm else None


def _conv_transpose(operation: Operation, states: Sequence[State], batch_size: int) -> Step:  # noqa: ARG001
    """Windows that do not overlap: a 1x1 convolution with weights of its own for every place of the window."""
    row, layer = operation.row, operation.row.layer
    assert isinstance(layer, ConvTranspose)
    if layer.kernel_size != layer.stride:
        raise UsageError(
            f"there is no closed form for a transposed convolution of kernel {layer.kernel_size} and stride {layer.stride};"
            " accepted: a kernel as large as the stride"
        )
    point = Axis(1, 1, 0)
    state, link, _ = convolve(states[0], row.in_shape.channels, groups=1, axes=(point, point), norm_samples=None)
    return joins.spaced(state, layer.stride), ((1.0, link, operation.inputs[0]),), None


def _resize(operation: Operation, states: Sequence[State], batch_size: int) -> Step:  # noqa: ARG001
    layer = operation.row.layer
    assert isinstance(layer, Resize)
    state, link = joins.resize(states[0], layer.scale, layer.mode)
    return state, ((1.0, link, operation.inputs[0]),), None


def _shift(operation: Operation, states: Sequence[State], batch_size: int) -> Step:  # noqa: ARG001
    return states[0]._replace(size=operation.row.out_shape[1:]), _same(operation), None


def _zero(operation: Operation, states: Sequence[State], batch_size: int) -> Step:  # noqa: ARG001
    raise UsageError(
        f"{operation.row.path}: there is no closed form for what takes nothing but zeros; accepted: Zero as one branch of a sum"
    )


def _norm(operation: Operation, states: Sequence[State], batch_size: int) -> Step:
    state, link, log_variance = layers.normalise(states[0], _samples(operation.row.in_shape, batch_size))
    return layers.shrunk(state, log_variance), ((1.0, link, operation.inputs[0]),), log_variance


def _act(operation: Operation, states: Sequence[State], batch_size: int) -> Step:  # noqa: ARG001
    layer = operation.row.layer
    assert isinstance(layer, Act)
    return layers.activate(states[0], layer.kind), _same(operation), None


def _pool(operation: Operation, states: Sequence[State], batch_size: int) -> Step:  # noqa: ARG001
    layer, out = operation.row.layer, operation.row.out_shape
    if isinstance(layer, AdaptivePool):
        if layer.output_size == 1:
            state, link = joins.global_average(states[0])
            return state, ((1.0, link, operation.inputs[0]),), None
        kernel_size = stride = max(1, operation.row.in_shape.height // layer.output_size)
        kind = "avg"
    else:
        assert isinstance(layer, Pool)
        kind, kernel_size, stride = layer.kind, layer.kernel_size, layer.stride
    size = (out.height, out.width)
    state, pooled_link = joins.pool(states[0], kind, size=size, kernel_size=kernel_size, stride=stride)
    return state, ((1.0, pooled_link, operation.inputs[0]),), None


def _dropout(operation: Operation, states: Sequence[State], batch_size: int) -> Step:  # noqa: ARG001
    return states[0], _same(operation), None


def _scale(operation: Operation, states: Sequence[State], batch_size: int) -> Step:  # noqa: ARG001
    state, channels = joins.gate(states[0], states[1]), operation.row.out_shape.channels
    link = joins.GateLink(states[0].unit, states[1].unit, state.unit.shared, operation.inputs[1])
    square, fourth = state.unit.moments[1], state.unit.moments[3]
    if fourth > MOST_SPREAD * channels * square * square:
        raise UnknownScoreError(
            f"{operation.row.path}: so many gates one behind the other leave less than one of {channels} channels, and mean-field"
            " theory is of many; accepted: a sampled score, such as zen_mc"
        )
    return state, ((1.0, link, operation.inputs[0]),), None


def _concat(operation: Operation, states: Sequence[State], batch_size: int) -> Step:  # noqa: ARG001
    state = joins.concatenate(states, operation.channels)
    whole = sum(operation.channels)
    return (
        state,
        tuple([(n / whole, None, at) for n, at in zip(operation.channels, operation.inputs, strict=True)]),
        None,
    )


def _sum(operation: Operation, states: Sequence[State], batch_size: int) -> Step:  # noqa: ARG001
    inputs: Sequence[int] = operation.inputs
    if len(set(inputs)) < len(inputs):  # a value that is added k times has k^2 times the variance
        terms = counted(inputs)
        states = [states[at]._replace(log_scale=states[at].log_scale + 2 * math.log(times)) for at, times in terms]
        inputs = [inputs[at] for at, _ in terms]
        if len(inputs) == 1:
            return states[0], ((1.0, None, inputs[0]),), None
    state, parts = joins.total(states)
    return state, tuple([(share, link, at) for (share, link), at in zip(parts, inputs, strict=True)]), None


def _same(operation: Operation) -> Links:
    return ((1.0, None, operation.inputs[0]),)


_STEPS: dict[type, Callable[[Operation, Sequence[State], int], Step]] = {
    Conv: _conv,
    WindowConv: _conv,
    PatchConv: _conv,
    ConvTranspose: _conv_transpose,
    Resize: _resize,
    Narrow: _dropout,
    Shift: _shift,
    Zero: _zero,
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
