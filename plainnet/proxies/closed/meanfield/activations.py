"""The activation functions as nonlinearities, and what pooling, gates and sums make of them.

ReLU is known in closed form (Cho & Saul 2009, the arc-cosine kernel); every other function comes from quadrature.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache, lru_cache

from plainnet.proxies.closed.meanfield.nonlinearity import Nonlinearity
from plainnet.proxies.closed.meanfield.quadrature import FUNCTIONS, from_function, mean_size

__all__ = [
    "BOUNDED",
    "absolute",
    "affine",
    "compose",
    "gated",
    "identity",
    "inside_gates",
    "max_of",
    "mixture",
    "nonlinearity",
    "relu",
    "rescaled",
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
def inside_gates(kind: str, unit: Nonlinearity) -> Nonlinearity:
    """A homogeneous activation of a map behind gates that are not negative: the gates of the activation. The same function where
    that cannot be said.
    """
    if not unit.parts:
        return unit if unit.function is None else compose(kind, unit)
    inner, gate = unit.parts
    after = inside_gates(kind, inner) if math.isclose(absolute(gate), gate.mean, rel_tol=1e-3) else inner
    return unit if after is inner else gated(after, gate, unit.factor, unit.shared)


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
def absolute(unit: Nonlinearity) -> float:
    """E |f|."""
    if unit.parts:
        return unit.factor * math.prod(map(absolute, unit.parts))
    if unit.function is None:
        return math.sqrt(2 / math.pi * unit.square)
    return mean_size(unit.function, unit.window)


@lru_cache(CACHED)
def gated(inner: Nonlinearity, gate: Nonlinearity, scale: float = 1.0, shared: float = 0.0) -> Nonlinearity:
    """f(z) * g(z') * scale: an activation times an independent gate, whose z' has the correlation shared + (1 - shared) c where
    z has c: so much of it is the same for all images. Where the product changes, either factor does: the mean differences add
    as independent ones do.
    """
    sizes = absolute(inner) * scale, absolute(gate) * scale
    moments = [a * b * scale**p for p, a, b in zip((1, 2, 3, 4), inner.moments, gate.moments, strict=True)]
    mean = math.sqrt(gate.kernel(shared)) if shared else gate.mean  # over images: what they share is the channel's own
    moments[0] = inner.mean * mean * scale
    return Nonlinearity(
        f"{inner.name}*{gate.name}",
        (moments[0], moments[1], moments[2], moments[3]),
        inner.exponents,
        inner.mean_power,
        inner.square_power,
        inner.slope * (mean * scale) ** 2,
        lambda c: inner.kernel(c) * gate.kernel(shared + (1 - shared) * c) * scale * scale,
        lambda c: math.hypot(inner.difference(c) * sizes[1], gate.difference(shared + (1 - shared) * c) * sizes[0]),
        inner.homogeneous,
        parts=(inner, gate),
        factor=scale,
        shared=shared,
    )


@lru_cache(CACHED)
def rescaled(unit: Nonlinearity, factor: float) -> Nonlinearity:
    """factor * f, for a positive number."""
    if factor == 1.0:
        return unit
    function, square = unit.function, factor * factor
    moments = [moment * factor**p for p, moment in enumerate(unit.moments, 1)]
    return replace(
        unit,
        name=f"{factor:.3g}*{unit.name}",
        moments=(moments[0], moments[1], moments[2], moments[3]),
        slope=unit.slope * square,
        kernel=lambda c: square * unit.kernel(c),
        difference=lambda c: factor * unit.difference(c),
        function=None if function is None else lambda z: factor * function(z),
        factor=unit.factor * factor,
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
    """f brought to mean 0 and variance 1; `identity` where f is no function of one variable. Of a gated map it is the map, whose
    channels' scales a norm takes away.
    """
    if inner.parts:
        return standardised(inner.parts[0])
    function = inner.function
    if function is None or inner.is_affine:
        return identity()
    mean, deviation = inner.mean, math.sqrt(inner.variance)
    return from_function(f"norm({inner.name})", lambda z: (function(z) - mean) / deviation, window=inner.window)
