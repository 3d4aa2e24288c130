"""A function of one variable, by what it does to Gaussian numbers.

Mean-field theory needs of a function f on a standard normal z (or on the largest of several, for max pooling) the
moments of f(z), how they move when the scale of z moves, its correlation map E f(z) f(z') and the mean difference
E |f(z) - f(z')| for z, z' of correlation c.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import isclose
from typing import Any

__all__ = ["CorrelationFunction", "Function", "Nonlinearity"]

CorrelationFunction = Callable[[float], float]
Function = Callable[[Any], Any]


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
    parts: tuple[Nonlinearity, ...] = field(default=(), repr=False)
    """a map and its gate, which are independent"""
    factor: float = field(default=1.0, repr=False)
    """a number besides"""
    shared: float = field(default=0.0, repr=False)
    """the correlation of the gate between two images"""
    is_affine: bool = field(init=False, repr=False)
    """whether f(z) is m + s z: then all of its variance is its linear part"""
    is_linear: bool = field(init=False, repr=False)
    """whether f(z) is s z"""

    def __post_init__(self) -> None:
        is_affine = self.function is not None and isclose(self.slope, self.variance, rel_tol=1e-12)
        object.__setattr__(self, "is_affine", is_affine)
        object.__setattr__(self, "is_linear", is_affine and self.homogeneous)

    @property
    def mean(self) -> float:
        return self.moments[0]

    @property
    def square(self) -> float:
        return self.moments[1]

    @property
    def variance(self) -> float:
        return self.moments[1] - self.moments[0] ** 2

    @property
    def variance_power(self) -> float:
        """Var f(sz) grows as s^(2 power) for s near 1."""
        return (self.square * self.square_power - 2 * self.mean**2 * self.mean_power) / self.variance
