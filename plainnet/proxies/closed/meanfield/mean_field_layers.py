"""Mean-field theory of a random network of finite width, one layer at a time.

A `State` says what the values of a map are like, over channels and weights: a function `unit` of standard normals,
and how far the normals are from independent and identically distributed. Each function here takes the state before a
layer and gives the state behind it. What each correction is and where it comes from: docs/proxies/zen.md.

The correlation of the two inputs x and x + gamma e does not act back on anything else. So the steps give, apart from
the state, a `Link`: how the correlation behind the layer follows from those before it.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

from plainnet.errors import UnknownScoreError
from plainnet.proxies.closed.meanfield.activations import (
    BOUNDED,
    affine,
    compose,
    identity,
    inside_gates,
    nonlinearity,
    scaled,
    standardised,
)
from plainnet.proxies.closed.meanfield.likeness import WHITE, Behind, Likeness, mapped
from plainnet.proxies.closed.meanfield.nonlinearity import Nonlinearity

__all__ = [
    "Link",
    "Moments",
    "State",
    "activate",
    "as_gaussian",
    "grain",
    "image_correlation",
    "initial",
    "likeness_of_values",
    "moments",
    "normalise",
    "settled",
    "shrunk",
    "spread_of_values",
]


class State(NamedTuple):
    """What the values of a map (of a layer's output) are like.

    size: height and width of the map.
    unit: the function of a standard normal h that each value is.
    border: variance over the map of the second moment of h (mean 1), which zero padding makes smaller at the border.
    log_scale: log of the factor on its square (0 behind a batch norm).
    cross: correlation of h between two images (0 behind a batch norm, which takes the channel's mean away).
    spread: variance of the log of h^2's kernel over places, the same in all channels (finite fan-in).
    power: the spread's power at frequency zero: variance of its mean over the map, times the places of the map.
    pair: mean squared correlation of h at two places, over channels (finite fan-in).
    own_spread, own_pair: the same two of each channel by itself (grouped and depthwise convolutions).
    image: mean correlation of h at two places of one image.
    image_gain: what a gate adds to it: E g^2 / (E g)^2.
    samples: the number of values that a batch norm brought to mean 0 and variance 1.
    likeness: the correlation of h at neighbouring places of a channel (behind averages over windows that overlap).
    """

    size: tuple[int, int]
    unit: Nonlinearity = identity()
    border: float = 0.0
    log_scale: float = 0.0
    cross: float = 0.0
    spread: float = 0.0
    power: float = 0.0
    pair: float = 0.0
    own_spread: float = 0.0
    own_pair: float = 0.0
    image: float = 0.0
    image_gain: float = 1.0
    samples: float = math.inf
    likeness: Likeness = WHITE


NORM_EPS = 1e-3
"""Epsilon of batch norms, as in the published networks."""
LEAST_SHARE = 1e-4
"""A batch norm of values whose variance is a smaller part of its epsilon puts out next to nothing."""


class Link(NamedTuple):
    """c behind a layer: (kernel(c) * (low + (high - low) * c (2 - c)) - minus) * factor, from 0 to 1."""

    kernel: Nonlinearity
    low: float
    high: float
    minus: float
    factor: float

    def __call__(self, c: float) -> float:
        c = (self.kernel.kernel(c) * (self.low + (self.high - self.low) * c * (2 - c)) - self.minus) * self.factor
        return 0.0 if c < 0.0 else 1.0 if c > 1.0 else c


class Moments(NamedTuple):
    """The moments of the values: E a^2, (E a)^2 between images, and what leads to them."""

    square: float
    product: float
    root: float
    pairs: float
    tail: float


def initial(height: int, width: int) -> State:
    """White noise: mean 0, variance 1."""
    return State((height, width))


def moments(state: State) -> Moments:
    """E a^2 and (E a)^2 of the values, with the spread of the scale (log-normal) over places in account."""
    unit = state.unit
    spread = state.spread + state.own_spread
    pairs = state.pair + state.own_pair + math.exp(spread if spread < 3.0 else 3.0) / state.samples
    tail = spread - 2 * pairs
    mean, square = unit.moments[:2]
    root = math.exp(unit.exponents[0] * tail) if mean else 1.0
    cross = unit.kernel(state.cross) if state.cross else mean * mean
    if unit.exponents[1]:
        square *= math.exp(unit.exponents[1] * tail)
    return Moments(square, cross * root * root, root, pairs, tail)


def image_correlation(state: State, level: float) -> float:
    """The mean correlation of what `unit` puts out at two places of one image, at most 1 where gates multiply one another."""
    same = state.unit.kernel(max(0.0, state.image)) * state.image_gain
    return min(1.0, max(0.0, (same - state.unit.kernel(0.0)) / level))


def normalise(state: State, samples: float) -> tuple[State, Link | None, float]:
    """A batch norm that does not follow a convolution: the state, the link, and the log of the batch variance. Values that are
    a function of a normal number are another one behind it, of the same number.
    """
    of = moments(state)
    level = of.square - of.product
    link = Link(state.unit, of.root * of.root, of.square / state.unit.square, of.product, 1 / level)
    log_variance = math.log(level) + state.log_scale
    unit = state.unit if state.unit is identity() else standardised(state.unit)
    likeness = state.likeness if unit is not identity() else likeness_of_values(state)
    after = state._replace(unit=unit, log_scale=0.0, cross=0.0, samples=samples, likeness=likeness)
    return after, link if unit is identity() else None, log_variance


def shrunk(state: State, log_variance: float) -> State:
    """A norm's output where its epsilon counts: the mean of a map, as in squeeze-excite, may vary by less than that."""
    if log_variance > math.log(100 * NORM_EPS):
        return state
    if log_variance < math.log(LEAST_SHARE * NORM_EPS):
        raise UnknownScoreError(
            f"a batch norm takes values of variance {math.exp(log_variance):.1g}, next to nothing beside its epsilon of"
            f" {NORM_EPS:g}: what is left of them is rounding; accepted: fewer gates one behind the other"
        )
    return state._replace(log_scale=-math.log1p(NORM_EPS * math.exp(-log_variance)))


def activate(state: State, kind: str) -> State:
    """An activation function. Without a batch norm before it, it sees the scale that the values have."""
    unit = state.unit
    if kind == "identity":
        return state
    if unit is identity() and not state.log_scale:
        return state._replace(unit=nonlinearity(kind))
    if unit.parts and kind in ("relu", "leaky_relu"):
        after = inside_gates(kind, unit)
        if after is not unit:
            return state._replace(unit=after)
    if unit.function is None:
        state = as_gaussian(state)
        unit = state.unit
    if kind in ("relu", "leaky_relu"):
        if unit.is_linear:  # f(s z) = s f(z): one function for all scales
            return state._replace(unit=nonlinearity(kind), log_scale=state.log_scale + math.log(unit.square))
        return state._replace(unit=compose(kind, unit))
    if not state.log_scale:
        return state._replace(unit=compose(kind, unit))
    log_scale = min(max(round(4 * state.log_scale) / 4, -16.0), 16.0)
    unit = scaled(kind, unit, math.exp(log_scale / 2))
    return state._replace(unit=unit, log_scale=log_scale if kind in BOUNDED else state.log_scale)


def as_gaussian(state: State) -> State:
    """The values as normal numbers of their mean and variance."""
    mean, variance, between = spread_of_values(state, moments(state))
    unit = affine(grain(mean), grain(math.sqrt(variance)))
    return state._replace(unit=unit, cross=between, likeness=likeness_of_values(state))


def likeness_of_values(state: State) -> Likeness:
    """The correlation of the values, not of h, at neighbouring places."""
    unit = state.unit
    if not state.likeness or unit.is_affine:
        return state.likeness
    return mapped(state.likeness, _correlations_behind(unit))


@lru_cache(64)
def _correlations_behind(unit: Nonlinearity) -> Behind:
    """The correlation of values by that of h."""
    low = unit.kernel(0.0)
    return Behind(lambda r: (unit.kernel(r) - low) / (unit.square - low))


def spread_of_values(state: State, of: Moments) -> tuple[float, float, float]:
    """The mean of all values of these moments, their variance, and the part of the variance that lies between channels, the same
    in all images: without a norm a channel has a mean of its own, of either sign.
    """
    mean = state.unit.mean * of.root
    variance = of.square - mean * mean
    return mean, variance, max(0.0, (of.product - mean * mean) / variance) if state.cross else 0.0


def grain(value: float) -> float:
    """A value rounded to three digits, so that few functions are built."""
    return float(f"{value:.3g}")


GRAINS = {
    "border": 512,
    "log_scale": 1024,
    "cross": 512,
    "spread": 128,
    "pair": 512,
    "own_spread": 64,
    "own_pair": 256,
    "image": 256,
}


_GRAINS = tuple([(State._fields.index(name), grain) for name, grain in GRAINS.items()])
_POWER = State._fields.index("power")


def settled(state: State) -> State:
    """The state rounded to a grid fine enough not to be seen in a score, so that the states of different networks
    meet and what is known of a block serves them all.
    """
    power = 2 ** (round(16 * math.log2(state.power)) / 16) if state.power > 1e-6 else 0.0
    values: list[Any] = list(state)
    values[_POWER] = power
    for place, grain in _GRAINS:
        if values[place]:
            values[place] = round(grain * values[place]) / grain
    return State(*values)
