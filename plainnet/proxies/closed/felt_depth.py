"""Felt depth: how much of a network's output, at initialisation, is no longer linear in its input.

A network with random weights and batch norm is a sum of parts of every degree in its input. The share of the output's
variance that is of degree one only shrinks where a function bends the signal, and every operation scales it by a known
factor (docs/proxies/composite.md derives them):

    convolution, linear layer, batch norm    variance 1, mean 0, share kept
    activation                               share times its first Hermite coefficient (`plainnet.proxies.closed.responses`)
    sum of branches                          variances and linear parts add (independent weights)
    concatenation                            the mean over channels
    gate                                     the product of two independent signals
    pooling, dropout, flattening             kept: neighbouring positions of images are alike

A residual body therefore counts by its part of the stream's variance: the tenth identity shortcut of a stage adds less
than the first. `loss` is -log(share) in nats; divided by that of one centred ReLU it is a depth in layers as they are felt.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from plainnet.blocks.rows.layers import (
    Act,
    AdaptivePool,
    Add,
    Concat,
    Conv,
    Dropout,
    Flatten,
    Linear,
    Norm,
    Pool,
    Scale,
    Sum,
)
from plainnet.blocks.rows.shapes import Shape
from plainnet.blocks.rows.walk import INPUT, Row
from plainnet.proxies.closed.responses import NON_NEGATIVE, respond

__all__ = ["INPUT_SIGNAL", "Signal", "propagate"]


class Signal(NamedTuple):
    """What is known of a value at initialisation, over inputs and weights."""

    mean: float
    variance: float
    loss: float
    """-log of the share of the variance that is linear in the network's input, in nats"""
    non_negative: bool = False


INPUT_SIGNAL = Signal(0.0, 1.0, 0.0)
"""A normalised image."""

_Branches = list[tuple[Signal, Shape]]


def propagate(rows: Sequence[Row], shape: Shape, signal: Signal) -> Signal:
    """The signal behind `rows` (an expanded table) for one that comes in with `shape`."""
    signals: list[Signal] = []
    for row in rows:
        branches = [
            (signal, shape) if source == INPUT else (signals[source], rows[source].out_shape) for source in row.inputs
        ]
        signals.append(_RULES[type(row.layer)](row.layer, branches))
    return signals[-1] if signals else signal


def _normalised(layer: object, branches: _Branches) -> Signal:  # noqa: ARG001
    return Signal(0.0, 1.0, branches[0][0].loss)


def _kept(layer: object, branches: _Branches) -> Signal:  # noqa: ARG001
    return branches[0][0]


def _act(layer: Act, branches: _Branches) -> Signal:
    signal = branches[0][0]
    if layer.kind == "identity" or (layer.kind == "relu" and signal.non_negative):
        return signal
    mean, variance, share = respond(layer.kind, signal.mean, signal.variance)
    loss = signal.loss - math.log(share) if share > 0 else math.inf
    return Signal(mean, variance, loss, layer.kind in NON_NEGATIVE)


def _sum(layer: Add | Sum, branches: _Branches) -> Signal:  # noqa: ARG001
    return _mixture([(signal, 1.0) for signal, _ in branches])


def _concat(layer: Concat, branches: _Branches) -> Signal:  # noqa: ARG001
    channels = sum(shape.channels for _, shape in branches)
    return _mixture([(signal, shape.channels / channels) for signal, shape in branches])


def _mixture(parts: list[tuple[Signal, float]]) -> Signal:
    mean = sum(weight * signal.mean for signal, weight in parts)
    variance = sum(weight * signal.variance for signal, weight in parts)
    linear = [(weight * signal.variance, signal.loss) for signal, weight in parts]
    return Signal(mean, variance, _loss(linear, variance), all(signal.non_negative for signal, _ in parts))


def _scale(layer: Scale, branches: _Branches) -> Signal:  # noqa: ARG001
    (x, _), (gate, _) = branches
    mean = x.mean * gate.mean
    variance = (x.variance + x.mean**2) * (gate.variance + gate.mean**2) - mean**2
    linear = [(gate.mean**2 * x.variance, x.loss), (x.mean**2 * gate.variance, gate.loss)]
    return Signal(mean, variance, _loss(linear, variance), x.non_negative and gate.non_negative)


def _loss(linear: list[tuple[float, float]], variance: float) -> float:
    """-log(sum of weight * exp(-loss) / variance), which neither a thousand layers nor a dead branch overflows."""
    alive = [(weight, loss) for weight, loss in linear if weight > 0 and loss < math.inf]
    if not alive:
        return math.inf
    least = min(loss for _, loss in alive)
    return least - math.log(sum(weight * math.exp(least - loss) for weight, loss in alive) / variance)


_RULES: dict[type, Callable[[Any, _Branches], Signal]] = {
    Conv: _normalised,
    Linear: _normalised,
    Norm: _normalised,
    Act: _act,
    Pool: _kept,
    AdaptivePool: _kept,
    Flatten: _kept,
    Dropout: _kept,
    Add: _sum,
    Sum: _sum,
    Concat: _concat,
    Scale: _scale,
}
