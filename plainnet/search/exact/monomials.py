"""The terms that formulas of blocks are sums of: products and logarithms of their widths x, y and z."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["MONOMIALS", "POWERS", "WITH_LOGS", "Floats", "monomials", "point_monomials"]

Floats = NDArray[np.float64]

WITH_LOGS = 13
"""The first monomial of the kind v log u."""
MONOMIALS = (
    *("1", "x", "y", "z", "xx", "yy", "zz", "xy", "xz", "yz", "log x", "log y", "log z"),
    *(f"{v} log {u}" for v in "xyz" for u in "xyz"),
)
POWERS = tuple(tuple(text.count(letter) for letter in "xyz") for text in MONOMIALS[:10])


def monomials(x: Floats, y: Floats, z: Floats) -> Floats:
    """The monomials of widths, along a last axis."""
    one = np.ones(np.broadcast_shapes(x.shape, y.shape, z.shape))
    logs = np.log(x), np.log(y), np.log(z)
    products = (v * u for v in (x, y, z) for u in logs)
    parts = (one, x, y, z, x * x, y * y, z * z, x * y, x * z, y * z, *logs, *products)
    return np.stack([np.broadcast_to(part, one.shape) for part in parts], axis=-1)


def point_monomials(x: float, y: float, z: float) -> Floats:
    """The monomials of one point."""
    logs = math.log(x), math.log(y), math.log(z)
    products = (v * u for v in (x, y, z) for u in logs)
    return np.array((1.0, x, y, z, x * x, y * y, z * z, x * y, x * z, y * z, *logs, *products))
