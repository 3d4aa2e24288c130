"""The activation functions as nonlinearities, and what pooling, gates and sums make of them.

ReLU is known in closed form (Cho & Saul 2009, the arc-cosine kernel); every other function comes from quadrature.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache, lru_cache

from plainnet.proxies.closed.meanfield.nonlinearity import Nonlinearity
from plainnet.proxies.closed.meanfield.quadrature import FUNCTIONS, from_function

__all__ = [
    "BOUNDED",
    "affine",
    "compose",
    "gated",
    "identity",
    "max_of",
    "mixture",
    "nonlinearity",
    "relu",
    "scaled",
    "standardised",
]

BOUNDED = frozenset({"relu6", "sigmoid", "hardsigmoid", "tanh"})
"""The activations that put out the same, however large the values are that they see."""
ROOT_2PI = math.sqrt(2 * math.pi)
CACHED = 4096
"""How many derived functions are remembered."""


def _relu_kernel(c: float) -> float:
    return (math.sqrt(1 - c * c) + c * (math.pi - math.acos(c))) / (2 * math.pi)


def _relu_difference(c: float) -> float:
    """2 E max(z, z', 0) - 2 E max(z, 0), by the mean of the largest of three centred normals."""
    return math.sqrt(2 - 2 * c) / ROOT_2PI


@cache
def relu() -> Nonlinearity:
    """max(z, 0), in closed form."""
    return Nonlinearity(
        "relu",
        (1 / ROOT_2PI, 0.5, 2 / ROOT_2PI, 1.5),
        (-1 / 8, 0.0, 3 / 8, 1.0),
        0.5,
        1.0,
        0.25,
        _relu_kernel,
        _relu_difference,
        True,
        lambda z: z * (z > 0),
    )


@cache
def identity() -> Nonlinearity:
    """z itself."""
    return Nonlinearity(
        "identity",
        (0.0, 1.0, 0.0, 3.0),
        (0.0, 0.0, 0.0, 1.0),
        0.5,
        1.0,
        1.0,
        lambda c: c,
        lambda c: 2 * math.sqrt((1 - c) / math.pi),
        True,
        lambda z: z,
    )


@cache
def nonlinearity(kind: str) -> Nonlinearity:
    """The named activation function of a standard normal."""
    if kind == "relu":
        return relu()
    if kind == "identity":
        return identity()
    return from_function(kind, FUNCTIONS[kind], homogeneous=kind == "leaky_relu")


@lru_cache(CACHED)
def compose(outer: str, inner: Nonlinearity) -> Nonlinearity:
    """The activation `outer` of what `inner` puts out."""
    if inner is identity():
        return nonlinearity(outer)
    if outer == "identity":
        return inner
    first, second = inner.function, FUNCTIONS[outer]
    assert first is not None, f"{inner.name} is no function of one variable"
    return from_function(
        f"{outer}({inner.name})",
        lambda z: second(first(z)),
        window=inner.window,
        homogeneous=inner.homogeneous and outer in ("relu", "leaky_relu"),
    )


@lru_cache(CACHED)
def affine(mean: float, deviation: float) -> Nonlinearity:
    """mean + deviation * z: any sum of many independent parts, as the central limit theorem has it."""
    if mean == 0.0 and deviation == 1.0:
        return identity()
    m, v = mean, deviation * deviation
    fourth = m**4 + 6 * m * m * v + 3 * v * v
    return Nonlinearity(
        f"{mean:+g}{deviation:+g}z",
        (m, m * m + v, m**3 + 3 * m * v, fourth),
        (0.0, 0.0, 0.0, 3 * v * v / fourth),
        0.0 if m else 0.5,
        v / (m * m + v),
        v,
        lambda c: m * m + v * c,
        lambda c: 2 * deviation * math.sqrt((1 - c) / math.pi),
        not m,
        lambda z: m + deviation * z,
    )


@lru_cache(CACHED)
def max_of(window: int, inner: Nonlinearity) -> Nonlinearity:
    """The largest of `window` independent values of a function that never falls much: f of the largest z."""
    if window == 1:
        return inner
    assert inner.function is not None, f"{inner.name} is no function of one variable"
    name = f"max{window}({inner.name})"
    return from_function(name, inner.function, window=window * inner.window, homogeneous=inner.homogeneous)


@lru_cache(CACHED)
def gated(inner: Nonlinearity, gate: Nonlinearity) -> Nonlinearity:
    """f(z) * g(z'): an activation times an independent gate of the same correlation."""
    moments = [a * b for a, b in zip(inner.moments, gate.moments, strict=True)]
    return Nonlinearity(
        f"{inner.name}*{gate.name}",
        (moments[0], moments[1], moments[2], moments[3]),
        inner.exponents,
        inner.mean_power,
        inner.square_power,
        inner.slope * gate.mean**2,
        lambda c: inner.kernel(c) * gate.kernel(c),
        lambda c: inner.difference(c) * gate.mean,
        inner.homogeneous,
    )


@lru_cache(CACHED)
def mixture(parts: tuple[tuple[float, Nonlinearity], ...]) -> Nonlinearity:
    """Channels of several kinds side by side: (share, function) of each."""
    if len({unit for _, unit in parts}) == 1:
        return parts[0][1]

    def mean(of: Callable[[Nonlinearity], float]) -> float:
        return sum(share * of(unit) for share, unit in parts)

    moments = [mean(lambda unit, p=p: unit.moments[p]) for p in range(4)]  # type: ignore[misc]
    exponents = [mean(lambda unit, p=p: unit.exponents[p]) for p in range(4)]  # type: ignore[misc]
    return Nonlinearity(
        "|".join(unit.name for _, unit in parts),
        (moments[0], moments[1], moments[2], moments[3]),
        (exponents[0], exponents[1], exponents[2], exponents[3]),
        mean(lambda unit: unit.mean_power),
        mean(lambda unit: unit.square_power),
        mean(lambda unit: unit.slope),
        lambda c: mean(lambda unit: unit.kernel(c)),
        lambda c: mean(lambda unit: unit.difference(c)),
        all(unit.homogeneous for _, unit in parts),
    )


@lru_cache(CACHED)
def scaled(kind: str, inner: Nonlinearity, scale: float) -> Nonlinearity:
    """The activation `kind` of scale * inner, over scale: what it is without a batch norm before it."""
    first, second = inner.function, FUNCTIONS[kind]
    assert first is not None, f"{inner.name} is no function of one variable"
    return from_function(
        f"{kind}({scale:g}*{inner.name})", lambda z: second(scale * first(z)) / scale, window=inner.window
    )


@lru_cache(CACHED)
def standardised(inner: Nonlinearity) -> Nonlinearity:
    """f brought to mean 0 and variance 1; `identity` where f is no function of one variable."""
    function = inner.function
    if function is None:
        return identity()
    mean, deviation = inner.mean, math.sqrt(inner.variance)
    return from_function(f"norm({inner.name})", lambda z: (function(z) - mean) / deviation, window=inner.window)
