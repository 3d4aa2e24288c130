"""Felt depth: how much of a network's output, at initialisation, is no longer linear in its input.

A network with random weights and batch norm is a sum of parts of every degree in its input. The share of the output's
variance that is of degree one only shrinks where a function bends the signal, and every operation scales it by a known
factor (docs/proxies/composite.md derives them):

    convolution, linear layer, batch norm    variance 1, mean 0, share kept
    activation                               share times its first Hermite coefficient (`plainnet.proxies.closed.responses`)
    sum of branches                          variances and linear parts add (independent weights); what the branches have in
                                             common adds by its amplitude (`plainnet.proxies.closed.shared_ancestors`)
    concatenation                            the mean over channels
    gate                                     the product of two independent signals
    pooling, dropout, flattening             kept: neighbouring positions of images are alike

A residual body therefore counts by its part of the stream's variance: the tenth identity shortcut of a stage adds less
than the first. `loss` is -log(share) in nats; divided by that of one centred ReLU it is a depth in layers as they are felt.

Beside it goes the likeness of a map's neighbouring elements (`meanfield.likeness`), which takes the same way.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from plainnet.blocks.rows.channel_layers import PatchConv
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
from plainnet.blocks.rows.map_layers import ConvTranspose, Narrow, Resize, Shift, WindowConv, Zero
from plainnet.blocks.rows.shapes import Shape
from plainnet.blocks.rows.walk import Row
from plainnet.proxies.closed.meanfield.likeness import KNOWN, averaged, bent, mean_likeness, spread, strided
from plainnet.proxies.closed.responses import NON_NEGATIVE, respond
from plainnet.proxies.closed.shared_ancestors import MadeOf, Signal
from plainnet.proxies.known_layers import need_theory

__all__ = ["INPUT_SIGNAL", "Signal", "propagate", "signals"]


INPUT_SIGNAL = Signal(0.0, 1.0, 0.0)
"""A normalised image."""

_Branches = list[tuple[Signal, Shape]]


def propagate(rows: Sequence[Row], shape: Shape, signal: Signal) -> Signal:
    """The signal behind `rows` (an expanded table) for one that comes in with `shape`."""
    found = signals(rows, shape, signal)
    return found[-1] if found else signal


def signals(rows: Sequence[Row], shape: Shape, signal: Signal) -> list[Signal]:
    """The signal behind each of `rows`, an expanded table."""
    need_theory(rows)
    values = [(signal, shape)]  # that of row n is number n + 1: the input is -1
    made_of = MadeOf(signal)
    for row in rows:
        branches = [values[source + 1] for source in row.inputs]
        after = _RULES[type(row.layer)](row.layer, branches)
        values.append((made_of.enter(row, [each for each, _ in branches], after), row.out_shape))
    return [each for each, _ in values[1:]]


def _conv(layer: Conv, branches: _Branches) -> Signal:
    signal = branches[0][0]
    return Signal(0.0, 1.0, signal.loss, False, signal.likeness and strided(signal.likeness, layer.stride))


def _norm(layer: object, branches: _Branches) -> Signal:  # noqa: ARG001
    signal = branches[0][0]
    return Signal(0.0, 1.0, signal.loss, False, signal.likeness)


def _kept(layer: object, branches: _Branches) -> Signal:  # noqa: ARG001
    return branches[0][0]


def _pool(layer: Pool, branches: _Branches) -> Signal:
    signal = branches[0][0]
    if signal.likeness is None:
        return signal
    if layer.kind == "max":
        return signal._replace(likeness=strided(signal.likeness, layer.stride))
    return signal._replace(likeness=averaged(signal.likeness, layer.kernel_size, layer.stride))


def _adaptive_pool(layer: AdaptivePool, branches: _Branches) -> Signal:
    signal, shape = branches[0]
    if layer.output_size == 1 or signal.likeness is None:
        return signal._replace(likeness=None)
    window = max(1, shape.height // layer.output_size)
    return signal._replace(likeness=averaged(signal.likeness, window, window))


def _flatten(layer: object, branches: _Branches) -> Signal:  # noqa: ARG001
    return branches[0][0]._replace(likeness=None)


def _conv_transpose(layer: ConvTranspose, branches: _Branches) -> Signal:
    signal = branches[0][0]
    return Signal(0.0, 1.0, signal.loss, False, signal.likeness and spread(signal.likeness, layer.stride))


def _resize(layer: Resize, branches: _Branches) -> Signal:
    """A nearest place's value is a box over values that stand apart; a bilinear one a triangle, which is two boxes, and a third
    of two places where the centres of an even scale lie between places.
    """
    signal = branches[0][0]
    if signal.likeness is None:
        return signal
    likeness, scale = spread(signal.likeness, layer.scale), layer.scale
    boxes = [scale] if layer.mode == "nearest" else [scale, scale, 2 - scale % 2]
    for box in boxes:
        likeness = averaged(likeness, box, 1)
    return signal._replace(likeness=likeness)


def _zero(layer: object, branches: _Branches) -> Signal:  # noqa: ARG001
    return Signal(0.0, 0.0, math.inf)


def _act(layer: Act, branches: _Branches) -> Signal:
    signal = branches[0][0]
    if layer.kind == "identity" or (layer.kind == "relu" and signal.non_negative):
        return signal
    return _bent(layer.kind, signal)


@lru_cache(KNOWN)
def _bent(kind: str, signal: Signal) -> Signal:
    mean, variance, share = respond(kind, signal.mean, signal.variance)
    loss = signal.loss - math.log(share) if share > 0 else math.inf
    likeness = signal.likeness and bent(signal.likeness, share)
    return Signal(mean, variance, loss, kind in NON_NEGATIVE, likeness)


def _sum(layer: Add | Sum, branches: _Branches) -> Signal:  # noqa: ARG001
    return _mixture(tuple([(signal, 1.0) for signal, _ in branches]))


def _concat(layer: Concat, branches: _Branches) -> Signal:  # noqa: ARG001
    channels = sum(shape.channels for _, shape in branches)
    return _mixture(tuple([(signal, shape.channels / channels) for signal, shape in branches]))


@lru_cache(KNOWN)
def _mixture(parts: tuple[tuple[Signal, float], ...]) -> Signal:
    mean = sum(weight * signal.mean for signal, weight in parts)
    variance = sum(weight * signal.variance for signal, weight in parts)
    linear = [(weight * signal.variance, signal.loss) for signal, weight in parts]
    maps = [(weight * signal.variance, signal.likeness) for signal, weight in parts if signal.likeness is not None]
    likeness = mean_likeness(maps) if maps else None
    return Signal(mean, variance, _loss(linear, variance), all(signal.non_negative for signal, _ in parts), likeness)


def _scale(layer: Scale, branches: _Branches) -> Signal:  # noqa: ARG001
    (x, _), (gate, _) = branches
    mean = x.mean * gate.mean
    variance = (x.variance + x.mean**2) * (gate.variance + gate.mean**2) - mean**2
    linear = [(gate.mean**2 * x.variance, x.loss), (x.mean**2 * gate.variance, gate.loss)]
    non_negative = x.non_negative and gate.non_negative
    return Signal(mean, variance, _loss(linear, variance), non_negative, x.likeness)


def _loss(linear: list[tuple[float, float]], variance: float) -> float:
    """-log(sum of weight * exp(-loss) / variance), which neither a thousand layers nor a dead branch overflows."""
    alive = [(weight, loss) for weight, loss in linear if weight > 0 and loss < math.inf]
    if not alive:
        return math.inf
    least = min(loss for _, loss in alive)
    return least - math.log(sum(weight * math.exp(least - loss) for weight, loss in alive) / variance)


_RULES: dict[type, Callable[[Any, _Branches], Signal]] = {
    Conv: _conv,
    WindowConv: _conv,
    PatchConv: _conv,
    ConvTranspose: _conv_transpose,
    Resize: _resize,
    Narrow: _kept,
    Shift: _kept,
    Zero: _zero,
    Linear: _norm,
    Norm: _norm,
    Act: _act,
    Pool: _pool,
    AdaptivePool: _adaptive_pool,
    Flatten: _flatten,
    Dropout: _kept,
    Add: _sum,
    Sum: _sum,
    Concat: _concat,
    Scale: _scale,
}
