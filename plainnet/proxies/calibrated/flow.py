"""What happens to a signal and to its gradient on the way through a random network, value by value.

Forward, each value has a mean m (over weights, the same in all channels), a variance v, the second moment g of a small change,
and the number of activations that it passed. Backward, each value has the share of the output's variance that came
through it, and the total second moment t of the gradient. Per layer:

    convolution    m, v, g times the fan-in (weights of variance 1 / fan-in leave them as they are);  t E x^2 = t' E y^2
    batch norm     (m, v, g) -> (0, 1, g / v);   t = t' / v
    activation     moments of f(m + sqrt(v) z);  g times E f'^2;  t = t' E f'^2
    sum            means, variances and changes add up;  t goes to every branch
    larger maps    means of neighbours:  t times the sum of the squares of their weights;  transposed, a convolution for
                   each place of its window:  m to m / stride, the rest of m^2 is variance between places
    gate           products of independent values

Where a value has several readers its gradients add up.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from statistics import pstdev
from typing import NamedTuple

from plainnet.blocks.rows.layers import Act, AdaptivePool, Add, Concat, Conv, Linear, Norm, Pool, Scale, Sum
from plainnet.blocks.rows.map_layers import ConvTranspose, Resize, Zero
from plainnet.blocks.rows.walk import INPUT, Row
from plainnet.proxies.closed.responses import respond

__all__ = ["Flow", "flow"]


class Flow(NamedTuple):
    """What the features of a network take from its flow."""

    activations: float
    """the expected number of activations on a way through the network, ways weighed by their share of the variance"""
    narrowness: float
    """the sum over activations of (share of the output's variance that passes) / channels"""
    sensitivity: float
    """log of how much more two nearly equal inputs differ at the end, relative to the variance, than at the beginning"""
    gradient_spread: float
    """the standard deviation over convolutions of the log of the gradient with respect to the weights' scale"""


class _Value(NamedTuple):
    mean: float
    variance: float
    change: float
    passed: float


_IMAGE = _Value(0.0, 1.0, 1.0, 0.0)
_TINY = 1e-12


def flow(rows: Sequence[Row], gates: set[int]) -> Flow:
    """The flow through an expanded table of rows; `gates` are the rows inside of gates."""
    values: dict[int, _Value] = {INPUT: _IMAGE}
    for number, row in enumerate(rows):
        values[number] = _forward(row, [values[source] for source in row.inputs], _channels(row, rows))
    last = len(rows) - 1
    end = values[last]
    shares, gradients = _backward(rows, values, gates)
    narrowness = sum(
        shares[number] / row.out_shape.channels
        for number, row in enumerate(rows)
        if isinstance(row.layer, Act) and row.layer.kind != "identity" and number not in gates
    )
    logs = [
        math.log(gradients[number] * _square(values[number]))
        for number, row in enumerate(rows)
        if isinstance(row.layer, (Conv, ConvTranspose)) and number not in gates and gradients[number] > 0
    ]
    return Flow(
        end.passed,
        narrowness,
        math.log(max(end.change, _TINY) / max(end.variance, _TINY)),
        pstdev(logs) if logs else 0.0,
    )


def _channels(row: Row, rows: Sequence[Row]) -> list[int]:
    return [rows[value].out_shape.channels if value >= 0 else row.in_shape.channels for value in row.inputs]


def _square(value: _Value) -> float:
    return max(value.variance + value.mean**2, _TINY)


def _forward(row: Row, inputs: Sequence[_Value], channels: Sequence[int]) -> _Value:
    layer = row.layer
    if isinstance(layer, Zero):
        return _Value(0.0, 0.0, 0.0, 0.0)
    first = inputs[0]
    if isinstance(layer, Norm):
        return _Value(0.0, 1.0, first.change / max(first.variance, _TINY), first.passed)
    if isinstance(layer, Act):
        if layer.kind == "identity":
            return first
        mean, variance, _ = respond(layer.kind, _grain(first.mean), _grain(first.variance))
        return _Value(mean, variance, first.change * _slope(layer.kind, first), first.passed + 1)
    if isinstance(layer, (Add, Sum)):
        return _mixture(inputs, [1.0] * len(inputs))
    if isinstance(layer, Concat):
        return _mixture(inputs, [count / sum(channels) for count in channels])
    if isinstance(layer, ConvTranspose):  # each place of its window has weights, and so a mean, of its own
        own = first.mean / layer.stride
        return _Value(own, _square(first) - own * own, first.change, first.passed)
    if isinstance(layer, Scale):
        gate = inputs[1]
        mean = first.mean * gate.mean
        variance = _square(first) * _square(gate) - mean * mean
        return _Value(mean, variance, first.change * _square(gate) + _square(first) * gate.change, first.passed)
    return first


def _mixture(inputs: Sequence[_Value], weights: Sequence[float]) -> _Value:
    mean, variance, change = (
        sum(weight * value[at] for weight, value in zip(weights, inputs, strict=True)) for at in range(3)
    )
    passed = sum(weight * value.variance * value.passed for weight, value in zip(weights, inputs, strict=True))
    return _Value(mean, variance, change, passed / max(variance, _TINY))


def _backward(rows: Sequence[Row], values: dict[int, _Value], gates: set[int]) -> tuple[list[float], list[float]]:
    """(share of the output's variance, second moment of the gradient) of every row's value."""
    shares, gradients = [0.0] * len(rows), [0.0] * len(rows)
    if rows:
        shares[-1] = gradients[-1] = 1.0
    for number in range(len(rows) - 1, -1, -1):
        row, share, gradient = rows[number], shares[number], gradients[number]
        if number in gates or not row.inputs or not (share or gradient):
            continue
        channels = _channels(row, rows)
        parts = _parts(row, [values[source] for source in row.inputs], channels)
        for source, part, factor in zip(row.inputs, parts, _factors(row, values, channels), strict=True):
            if source != INPUT:
                shares[source] += share * part
                gradients[source] += gradient * factor
    return shares, gradients


def _parts(row: Row, inputs: Sequence[_Value], channels: Sequence[int]) -> list[float]:
    """Which part of a row's variance each input brings."""
    if isinstance(row.layer, Scale):
        return [1.0, 0.0]
    if len(inputs) == 1:
        return [1.0]
    weights = channels if isinstance(row.layer, Concat) else [1] * len(inputs)
    brought = [weight * value.variance for weight, value in zip(weights, inputs, strict=True)]
    return [part / max(sum(brought), _TINY) for part in brought]


def _factors(row: Row, values: dict[int, _Value], channels: Sequence[int]) -> list[float]:
    """What the gradient of a row's value is multiplied by on its way to each input."""
    layer, before = row.layer, values[row.inputs[0]]
    if isinstance(layer, Norm):
        return [1 / max(before.variance, _TINY)]
    if isinstance(layer, Act):
        return [1.0 if layer.kind == "identity" else _slope(layer.kind, before)]
    if isinstance(layer, Concat):
        return [count / sum(channels) for count in channels]
    if isinstance(layer, Scale):
        return [_square(values[row.inputs[1]]), 0.0]
    if isinstance(layer, Pool) and layer.kind == "avg":
        return [1 / layer.kernel_size**2]
    if isinstance(layer, AdaptivePool):
        return [row.out_shape.elements / max(row.in_shape.elements, 1)]
    if isinstance(layer, Resize) and layer.mode == "bilinear":
        return [_bilinear_share(layer.scale) ** 2]
    if isinstance(layer, (Add, Sum)):
        return [1.0] * len(row.inputs)
    assert len(row.inputs) == 1 or not isinstance(layer, (Conv, Linear))
    return [1.0] * len(row.inputs)


def _bilinear_share(scale: int) -> float:
    """The mean over an axis' places of the sum of the squares of their two weights."""
    further = [((place + 0.5) / scale + 0.5) % 1 for place in range(scale)]
    return sum((1 - each) ** 2 + each**2 for each in further) / scale


def _grain(value: float) -> float:
    """A value rounded to three digits, so that few responses are worked out."""
    return float(f"{value:.3g}")


def _slope(kind: str, value: _Value) -> float:
    """E f'(m + s z)^2."""
    return _mean_square_slope(kind, _grain(value.mean), _grain(value.variance))


_REACH, _STEPS_PER_UNIT = 7, 32


@lru_cache(maxsize=4096)
def _mean_square_slope(kind: str, mean: float, variance: float) -> float:
    deviation = math.sqrt(max(variance, _TINY))
    if kind == "relu":
        return 0.5 * math.erfc(-mean / deviation / math.sqrt(2))
    total = weights = 0.0
    for step in range(-_REACH * _STEPS_PER_UNIT, _REACH * _STEPS_PER_UNIT + 1):
        z = step / _STEPS_PER_UNIT
        weight = math.exp(-0.5 * z * z)
        at = mean + deviation * z
        slope = (respond(kind, at + 1e-4, 0.0).mean - respond(kind, at - 1e-4, 0.0).mean) / 2e-4
        weights += weight
        total += weight * slope * slope
    return total / weights
