"""Any function of one variable as a `Nonlinearity`, by quadrature: once per function and process."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from plainnet.proxies.closed.meanfield.nonlinearity import CorrelationFunction, Function, Nonlinearity

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["FUNCTIONS", "from_function", "mean_size"]


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
"""The activation functions of `plainnet.blocks.rows.layers.ACTIVATIONS`, on numpy arrays."""

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


def mean_size(function: Function, window: int) -> float:
    """E |f|."""
    z, weight = _normal(window)
    return float(weight @ abs(function(z)))


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
    steep = float(weight @ np.abs(np.gradient(function(z), z)))
    return squares, np.sqrt(squares / limit) * steep * 2 / math.sqrt(math.pi)


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
