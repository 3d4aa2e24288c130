"""What a function of one variable does to Gaussian numbers: moments, correlation map, mean difference.

A `Nonlinearity` is a function f on a standard normal z (or on the largest of several, for max pooling). Mean-field
theory needs of it the moments of f(z), how they move when the scale of z moves, its correlation map
E f(z) f(z') and the mean difference E |f(z) - f(z')| for z, z' of correlation c. For ReLU they are known in closed form
(Cho & Saul 2009, the arc-cosine kernel); for every other function they come from quadrature, once per process.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "FUNCTIONS",
    "Nonlinearity",
    "affine",
    "compose",
    "from_function",
    "gated",
    "identity",
    "max_of",
    "mixture",
    "nonlinearity",
    "relu",
    "scaled",
    "standardised",
]

ROOT_2PI = math.sqrt(2 * math.pi)
CorrelationFunction = Callable[[float], float]
Function = Callable[[Any], Any]
CACHED = 4096
"""How many derived functions are remembered."""


@dataclass(frozen=True, eq=False, slots=True)
class Nonlinearity:
    """A function f of a standard normal z, by what it does to it.

    moments: E f, E f^2, E f^3, E f^4.
    exponents: a_p, so that E f(sz)^p is moments[p] * exp(a_p * t) when log s^2 is spread with variance t (E s^2 = 1).
    mean_power, square_power: E f(sz) and E f(sz)^2 grow as s^(2 power) for s near 1.
    slope: (E f(z) z)^2, the square of the linear part of f.
    kernel(c): E f(z) f(z') at correlation c >= 0.
    difference(c): E |f(z) - f(z')| at correlation c >= 0.
    homogeneous: f(s z) = s f(z) for s > 0.
    """

    name: str
    moments: tuple[float, float, float, float]
    exponents: tuple[float, float, float, float]
    mean_power: float
    square_power: float
    slope: float
    kernel: CorrelationFunction
    difference: CorrelationFunction
    homogeneous: bool = False
    function: Function | None = field(default=None, repr=False)
    """f itself, on numpy arrays"""
    window: int = 1
    """z is the largest of so many independent normals"""

    @property
    def mean(self) -> float:
        return self.moments[0]

    @property
    def square(self) -> float:
        return self.moments[1]

    @property
    def variance(self) -> float:
        return self.moments[1] - self.moments[0] ** 2


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


def _gelu(z: Any) -> Any:
    from scipy.special import ndtr

    return z * ndtr(z)


def _sigmoid(z: Any) -> Any:
    from scipy.special import expit

    return expit(z)


def _tanh(z: Any) -> Any:
    import numpy as np

    return np.tanh(z)


def _clip(z: Any, top: float) -> Any:
    import numpy as np

    return np.clip(z, 0.0, top)


FUNCTIONS: dict[str, Function] = {
    "relu": lambda z: _clip(z, math.inf),
    "relu6": lambda z: _clip(z, 6.0),
    "leaky_relu": lambda z: _clip(z, math.inf) - 0.01 * _clip(-z, math.inf),
    "silu": lambda z: z * _sigmoid(z),
    "hardswish": lambda z: z * _clip(z + 3.0, 6.0) / 6.0,
    "gelu": _gelu,
    "sigmoid": _sigmoid,
    "hardsigmoid": lambda z: _clip(z + 3.0, 6.0) / 6.0,
    "tanh": _tanh,
    "identity": lambda z: z,
}
"""The activation functions of `plainnet.blocks.layers.ACTIVATIONS`, on numpy arrays."""


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
    """The activation `kind` of scale * inner: what it is without a batch norm before it."""
    first, second = inner.function, FUNCTIONS[kind]
    assert first is not None, f"{inner.name} is no function of one variable"
    return from_function(f"{kind}({scale:g}*{inner.name})", lambda z: second(scale * first(z)), window=inner.window)


@lru_cache(CACHED)
def standardised(inner: Nonlinearity) -> Nonlinearity:
    """f brought to mean 0 and variance 1; `identity` where f is no function of one variable."""
    function = inner.function
    if function is None:
        return identity()
    mean, deviation = inner.mean, math.sqrt(inner.variance)
    return from_function(f"norm({inner.name})", lambda z: (function(z) - mean) / deviation, window=inner.window)


# Quadrature -------------------------------------------------------------------------------------------------

LEVELS = 70
LEVEL_STEP = 0.2
"""Correlation maps are tabulated at -log(1 - c) = 0, 0.2, ..., 14."""
SPREAD = 0.05
"""The spread of log s^2 at which the exponents are taken."""


def from_function(name: str, function: Function, *, window: int = 1, homogeneous: bool = False) -> Nonlinearity:
    """Any function of one variable (on numpy arrays) as a `Nonlinearity`, by quadrature."""
    import numpy as np

    z, weight = _normal(window)
    values = function(z)
    moments = [float(weight @ values**p) for p in (1, 2, 3, 4)]
    nodes, node_weights = np.polynomial.hermite_e.hermegauss(9)
    node_weights = node_weights / node_weights.sum()
    scales = np.exp((math.sqrt(SPREAD) * nodes - SPREAD / 2) / 2)
    scaled = [function(s * z) for s in scales]
    exponents = []
    for p, moment in enumerate(moments, 1):
        mixed = sum(float(u * (weight @ f**p)) for u, f in zip(node_weights, scaled, strict=True))
        exponents.append(math.log(mixed / moment) / SPREAD if moment > 1e-9 and mixed > 0 else 0.0)
    up, down = function(1.01 * z), function(z / 1.01)
    powers = [
        math.log(float(weight @ up**p) / float(weight @ down**p)) / (4 * math.log(1.01))
        if moments[p - 1] > 1e-9
        else 0.5
        for p in (1, 2)
    ]
    slope = float(weight @ (values * z)) ** 2 if window == 1 else _largest_slope(z, weight, values, window)
    products, differences = _maps(function, window, moments)
    return Nonlinearity(
        name,
        (moments[0], moments[1], moments[2], moments[3]),
        (exponents[0], exponents[1], exponents[2], exponents[3]),
        powers[0],
        powers[1],
        slope,
        _table(products, moments[1]),
        _difference_table(differences),
        homogeneous,
        function,
        window,
    )


def _largest_slope(z: NDArray[Any], weight: NDArray[Any], values: NDArray[Any], window: int) -> float:
    """The squared linear part of f(max): each of the window's variables has the part E f'(max) / window, by symmetry."""
    import numpy as np

    return float(weight @ np.gradient(values, z)) ** 2 / window


def _normal(window: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """A fine grid and the probabilities of the largest of `window` normals on it."""
    import numpy as np
    from scipy.special import ndtr

    z = np.linspace(-9.0, 9.0, 7201)
    weight = np.exp(-z * z / 2) * (ndtr(z) ** (window - 1) if window > 1 else 1.0)
    return z, weight / weight.sum()


def _bell(points: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """A symmetric grid and the standard normal's probabilities on it (the trapezoid rule, as f may have kinks)."""
    import numpy as np

    grid = np.linspace(-7.0, 7.0, points)
    weight = np.exp(-grid * grid / 2)
    return grid, weight / weight.sum()


def _maps(function: Function, window: int, moments: Sequence[float]) -> tuple[NDArray[Any], NDArray[Any]]:
    """E (f - f')^2 / 2 and E |f - f'|, each divided by what it goes with as c nears 1: 1 - c and sqrt(1 - c)."""
    import numpy as np

    gaps = np.exp(-LEVEL_STEP * np.arange(LEVELS + 1))
    if window > 1:
        return _max_maps(function, window, moments, gaps)
    u, weight = _bell(801)
    v, v_weight = _bell(121)
    squares, absolutes = [], []
    for gap in gaps:
        common, apart = math.sqrt(1 - gap / 2), math.sqrt(gap / 2)
        f = function(common * u[:, None] + apart * v)
        delta = f - f[:, ::-1]
        squares.append(weight @ (delta * delta) @ v_weight / (2 * gap))
        absolutes.append(weight @ np.abs(delta) @ v_weight / math.sqrt(gap))
    return np.array(squares), np.array(absolutes)


def _max_maps(
    function: Function, window: int, moments: Sequence[float], gaps: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """The maps of f(max): the covariance by Hoeffding's formula where the correlation leaves it room, towards c = 1 by
    the line in sqrt(1 - c) to the limit E f'(max)^2 (there the same element stays the largest).
    """
    import numpy as np
    from scipy.special import ndtr

    a = np.linspace(-4.5, 6.5, 111)
    step = a[1] - a[0]
    rise = np.gradient(function(a), a)
    alone = ndtr(a) ** window
    z, weight = _normal(window)
    limit = float(weight @ np.gradient(function(z), z) ** 2)
    variance = moments[1] - moments[0] ** 2
    theta, theta_weight = np.polynomial.legendre.leggauss(40)
    known: list[tuple[float, float]] = [(0.0, limit)]
    for gap in (0.04, 0.1, 0.2, 0.35, 0.5, 0.7, 0.85, 1.0):
        joint = ndtr(a)[:, None] * ndtr(a)
        top = math.asin(1 - gap)
        for node, share in zip((theta + 1) / 2 * top, theta_weight / 2 * top, strict=True):
            sine, cosine = math.sin(node), math.cos(node)
            joint = joint + share / (2 * math.pi) * np.exp(
                -(a[:, None] ** 2 + a**2 - 2 * sine * a[:, None] * a) / (2 * cosine * cosine)
            )
        covariance = float(rise @ (joint**window - alone[:, None] * alone) @ rise) * step * step
        known.append((math.sqrt(gap), (variance - covariance) / gap))
    squares = np.interp(np.sqrt(gaps), [x for x, _ in known], [y for _, y in known])
    return squares, np.sqrt(squares) * 2 / math.sqrt(math.pi)


def _table(ratios: NDArray[Any], square: float) -> CorrelationFunction:
    """c -> E f f' = E f^2 - (1 - c) * ratio, the ratio interpolated in log(1 - c)."""
    values = [float(value) for value in ratios]

    def kernel(c: float) -> float:
        gap = 1 - c
        return square - gap * _interpolate(values, gap)

    return kernel


def _difference_table(ratios: NDArray[Any]) -> CorrelationFunction:
    values = [float(value) for value in ratios]

    def difference(c: float) -> float:
        gap = 1 - c
        return math.sqrt(gap) * _interpolate(values, gap)

    return difference


def _interpolate(values: list[float], gap: float) -> float:
    place = -math.log(gap) / LEVEL_STEP if gap > 0 else LEVELS
    if place >= LEVELS:
        return values[-1]
    low = max(0, int(place))
    return values[low] + (place - low) * (values[low + 1] - values[low])
