"""What an activation function does to a normally distributed signal: its mean, its variance, and how much of it stays linear.

For z ~ N(0, 1) and a signal m + s z with s^2 = v, the response y = f(m + s z) has a mean E y, a variance Var y and a part
that is linear in z, of variance (E y z)^2 (its first Hermite coefficient). The share (E y z)^2 / Var y is what is left of
the linear part after the function. For ReLU all three are closed (Phi, phi: the normal distribution and density, t = m/s):

    E y = s (phi + t Phi),   E y^2 = s^2 ((1 + t^2) Phi + t phi),   E y z = s Phi

A centred ReLU keeps the share (1/4) / (1/2 - 1/(2 pi)) = 0.7336. The other functions are integrated by the trapezoidal rule.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

__all__ = ["NATS_PER_RELU", "NON_NEGATIVE", "Response", "respond"]

NATS_PER_RELU = -math.log(0.25 / (0.5 - 0.5 / math.pi))
"""What one centred ReLU takes from the logarithm of the linear share: 0.3100."""

NON_NEGATIVE = frozenset({"relu", "relu6", "sigmoid", "hardsigmoid"})
"""The functions that put out nothing negative; a ReLU behind one of them changes nothing."""

_REACH, _STEPS_PER_UNIT = 9, 64


class Response(NamedTuple):
    """The distribution of f(m + s z), and the share of its variance that is linear in z."""

    mean: float
    variance: float
    linear_share: float


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def _relu6(x: float) -> float:
    return min(max(x, 0.0), 6.0)


_FUNCTIONS: dict[str, Callable[[float], float]] = {
    "relu6": _relu6,
    "leaky_relu": lambda x: x if x > 0 else 0.01 * x,
    "silu": lambda x: x * _sigmoid(x),
    "hardswish": lambda x: x * _relu6(x + 3) / 6,
    "gelu": lambda x: x * 0.5 * math.erfc(-x / math.sqrt(2)),
    "sigmoid": _sigmoid,
    "hardsigmoid": lambda x: _relu6(x + 3) / 6,
    "tanh": math.tanh,
}


def _relu(mean: float, variance: float) -> Response:
    deviation = math.sqrt(variance)
    t = mean / deviation
    below = 0.5 * math.erfc(-t / math.sqrt(2))
    density = math.exp(-0.5 * t * t) / math.sqrt(2 * math.pi)
    first = deviation * (density + t * below)
    spread = variance * ((1 + t * t) * below + t * density) - first * first
    if spread <= 0:  # nothing gets through, up to rounding
        return Response(first, 0.0, 0.0)
    return Response(first, spread, min(1.0, variance * below * below / spread))


@lru_cache(maxsize=4096)
def respond(kind: str, mean: float, variance: float) -> Response:
    """The response of an activation function (a name of `plainnet.blocks.rows.layers.ACTIVATIONS`) to N(mean, variance)."""
    if variance <= 0:
        return Response(mean if kind == "identity" else _at(kind, mean), 0.0, 0.0)
    if kind == "identity":
        return Response(mean, variance, 1.0)
    if kind == "relu":
        return _relu(mean, variance)
    return _integrate(_FUNCTIONS[kind], mean, math.sqrt(variance))


def _at(kind: str, value: float) -> float:
    return max(value, 0.0) if kind == "relu" else _FUNCTIONS[kind](value)


def _integrate(function: Callable[[float], float], mean: float, deviation: float) -> Response:
    total = first = second = linear = 0.0
    for step in range(-_REACH * _STEPS_PER_UNIT, _REACH * _STEPS_PER_UNIT + 1):
        z = step / _STEPS_PER_UNIT
        weight = math.exp(-0.5 * z * z)
        y = function(mean + deviation * z)
        total += weight
        first += weight * y
        second += weight * y * y
        linear += weight * y * z
    first, second, linear = first / total, second / total, linear / total
    variance = second - first * first
    if variance <= 1e-14 * max(second, 1e-300):
        return Response(first, 0.0, 0.0)
    return Response(first, variance, min(1.0, linear * linear / variance))
