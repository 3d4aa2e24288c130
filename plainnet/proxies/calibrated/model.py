"""The model behind a calibration: a Gaussian process over standardised features, averaged over 24 settings.

    x = clip((f - mean) / s, -4, 4)        s^2 = (n var + .01) / (n + 1), over the n networks that were trained
    t = max((y - median) / (1.4826 MAD), -3), then standardised: failures at the bottom do not rule the fit
    k(x, x') = s2 (100 + a x.x' / p + r exp(-|x - x'|^2 / (2 p l^2)) + v [same])         p features

with a in {.1, .5}, (r, l) in {.3, 1} x {.7, 1.5}, v in {.05, .2, .6}, and s2 ~ inverse gamma(2, 2) integrated out; the
settings are weighed by their marginal likelihood. A prediction is a Student t of n + 4 degrees of freedom.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from plainnet.errors import UsageError
from plainnet.results.numbers import LARGEST

__all__ = ["FEWEST", "GaussianModel", "LeftOut", "Prediction"]

Array = NDArray[np.float64]

FEWEST = 4
"""With fewer networks there is nothing to standardise by."""
CONSTANT = 100.0
CLIP, BOTTOM = 4.0, -3.0
SHAPE = RATE = 2.0
"""Of the inverse gamma prior of s2."""


class Setting(NamedTuple):
    """One of the averaged models."""

    linear: float
    bend: float
    length: float
    noise: float


SETTINGS = tuple(
    Setting(a, r, length, v) for a, r, length, v in product((0.1, 0.5), (0.3, 1.0), (0.7, 1.5), (0.05, 0.2, 0.6))
)


class Prediction(NamedTuple):
    """What is expected of networks, in the unit of the accuracies: mean, standard deviation, and the 90 % interval of what
    a training would give; `open_below`: the interval's lower end is at the bottom that failures were clipped to."""

    mean: Array
    deviation: Array
    low: Array
    high: Array
    open_below: NDArray[np.bool_]


class LeftOut(NamedTuple):
    """What is expected of each trained network by a model that has not seen it: as `Prediction`."""

    expected: Array
    low: Array
    high: Array
    open_below: NDArray[np.bool_]


class _Fitted(NamedTuple):
    setting: Setting
    weight: float
    factor: Array
    """the Cholesky factor of K"""
    solved: Array
    """K^-1 t"""
    scale: float
    """the posterior's s2"""


@dataclass(frozen=True)
class GaussianModel:
    """A model fitted to features (n, p) and accuracies (n).

    `UsageError` for fewer than `FEWEST` networks, for numbers beyond `LARGEST`, and where more than half of the
    accuracies are the same.
    """

    features: Array
    accuracies: Array

    def __post_init__(self) -> None:
        count = len(self.accuracies)
        if self.features.ndim != 2 or len(self.features) != count:
            raise UsageError(f"features of {len(self.features)} networks for {count} accuracies")
        if count < FEWEST:
            raise UsageError(f"a model needs at least {FEWEST} trained networks; there are {count}")
        if not all((np.abs(values) <= LARGEST).all() for values in (self.features, self.accuracies)):
            raise UsageError(f"a feature or an accuracy is not finite, or beyond {LARGEST:.0e}")
        if not self._target[1] > 0:
            raise UsageError("more than half of the accuracies are the same: there is nothing to rank them by")

    @cached_property
    def _target(self) -> tuple[float, float, float, float]:
        """(median, 1.4826 MAD, mean, standard deviation): what accuracies are standardised with."""
        median = float(np.median(self.accuracies))
        spread = 1.4826 * float(np.median(np.abs(self.accuracies - median)))
        if not spread > 0:
            return median, 0.0, 0.0, 1.0
        clipped = np.maximum((self.accuracies - median) / spread, BOTTOM)
        return median, spread, float(clipped.mean()), float(clipped.std())

    @cached_property
    def targets(self) -> Array:
        """The standardised accuracies."""
        median, spread, mean, deviation = self._target
        clipped = np.maximum((self.accuracies - median) / spread, BOTTOM)
        found: Array = (clipped - mean) / deviation
        return found

    @cached_property
    def _scales(self) -> tuple[Array, Array]:
        count = len(self.features)
        return self.features.mean(axis=0), np.sqrt((count * self.features.var(axis=0) + 0.01) / (count + 1))

    def standardised(self, features: Array) -> Array:
        """x of networks, (m, p)."""
        mean, scale = self._scales
        found: Array = np.clip((features - mean) / scale, -CLIP, CLIP)
        return found

    def is_outside(self, features: Array) -> NDArray[np.bool_]:
        """Which networks have a feature further out than any that was trained, by more than half of its spread."""
        slack = 0.5 * self._scales[1]
        low, high = self.features.min(axis=0) - slack, self.features.max(axis=0) + slack
        found: NDArray[np.bool_] = ((features < low) | (features > high)).any(axis=1)
        return found

    @cached_property
    def _fits(self) -> list[_Fitted]:
        from scipy.linalg import cho_factor, cho_solve

        x, t = self.standardised(self.features), self.targets
        products, distances = _products(x, x)
        found, logs = [], []
        for setting in SETTINGS:
            kernel = _kernel(products, distances, x.shape[1], setting) + setting.noise * np.eye(len(x))
            factor, _ = cho_factor(kernel, lower=True)
            solved = cho_solve((factor, True), t)
            rate = RATE + float(t @ solved) / 2
            shape = SHAPE + len(x) / 2
            logs.append(-float(np.log(np.diag(factor)).sum()) - shape * math.log(rate))
            found.append(_Fitted(setting, 0.0, factor, solved, rate / shape))
        weights = np.exp(np.array(logs) - max(logs))
        weights /= weights.sum()
        return [fit._replace(weight=float(weight)) for fit, weight in zip(found, weights, strict=True)]

    def expected(self, features: Array) -> Array:
        """The mean of `predict`, in a fraction of its time."""
        x, trained = self.standardised(features), self.standardised(self.features)
        products, distances = _products(x, trained)
        mean = sum(
            fit.weight * (_kernel(products, distances, x.shape[1], fit.setting) @ fit.solved) for fit in self._fits
        )
        median, spread, middle, deviation = self._target
        found: Array = median + spread * (middle + deviation * np.asarray(mean))
        return found

    def predict(self, features: Array, *, confidence: float = 0.9) -> Prediction:
        """What is expected of networks with `features` (m, p)."""
        from scipy.linalg import solve_triangular
        from scipy.stats import t as student

        x, trained = self.standardised(features), self.standardised(self.features)
        products, distances = _products(x, trained)
        means, squares, noisy = [], [], []
        for fit in self._fits:
            cross = _kernel(products, distances, x.shape[1], fit.setting)
            left = solve_triangular(fit.factor, cross.T, lower=True)
            own = CONSTANT + fit.setting.linear * (x * x).mean(axis=1) + fit.setting.bend
            variance = fit.scale * np.maximum(own - (left * left).sum(axis=0), 1e-9)
            mean = cross @ fit.solved
            means.append(fit.weight * mean)
            squares.append(fit.weight * (variance + mean * mean))
            noisy.append(fit.weight * fit.scale * fit.setting.noise)
        mean = np.sum(means, axis=0)
        variance = np.maximum(np.sum(squares, axis=0) - mean * mean, 1e-12)
        reach = student.ppf((1 + confidence) / 2, len(trained) + 2 * SHAPE) * np.sqrt(variance + sum(noisy))
        median, spread, middle, deviation = self._target
        unit = spread * deviation
        at = median + spread * middle + unit * mean
        low = at - unit * reach
        return Prediction(at, unit * np.sqrt(variance), low, at + unit * reach, self._is_open(low))

    def _is_open(self, low: Array) -> NDArray[np.bool_]:
        """Which lower ends are at the bottom that failures were clipped to."""
        median, spread, _, _ = self._target
        bottom = median + BOTTOM * spread
        found: NDArray[np.bool_] = (low <= bottom) & bool((self.accuracies < bottom).any())
        return found

    @cached_property
    def left_out(self) -> LeftOut:
        """Each trained network had it been left out, in closed form (scales and weights are those of the whole), in the unit of
        the accuracies.
        """
        from scipy.linalg import cho_solve
        from scipy.stats import t as student

        count = len(self.targets)
        means, squares = np.zeros(count), np.zeros(count)
        for fit in self._fits:
            inverse = np.diag(cho_solve((fit.factor, True), np.eye(count)))
            mean = self.targets - fit.solved / inverse
            means += fit.weight * mean
            squares += fit.weight * (fit.scale / inverse + mean * mean)
        reach = student.ppf(0.95, count - 1 + 2 * SHAPE) * np.sqrt(np.maximum(squares - means * means, 1e-12))
        median, spread, middle, deviation = self._target
        at, unit = median + spread * (middle + deviation * means), spread * deviation
        low = at - unit * reach
        return LeftOut(at, low, at + unit * reach, self._is_open(low))


def _products(first: Array, second: Array) -> tuple[Array, Array]:
    """The scalar products of rows, and their squared distances."""
    products = first @ second.T
    distances = (first * first).sum(axis=1)[:, None] + (second * second).sum(axis=1)[None, :] - 2 * products
    return products, np.maximum(distances, 0.0)


def _kernel(products: Array, distances: Array, features: int, setting: Setting) -> Array:
    """k / s2 without the noise."""
    bent = np.exp(-distances / (2 * features * setting.length**2))
    found: Array = CONSTANT + setting.linear * products / features + setting.bend * bent
    return found


def as_array(rows: Sequence[Sequence[float]]) -> Array:
    """Features of networks as an array (n, p)."""
    return np.array([list(row) for row in rows], dtype=np.float64)
