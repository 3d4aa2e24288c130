"""Mean-field theory of a random network of finite width, one layer at a time.

A `State` says what the values of a map are like, over channels and weights: a function `unit` of standard normals,
and how far the normals are from independent and identically distributed. Each function here takes the state before a
layer and gives the state behind it. What each correction is and where it comes from: docs/proxies/zen.md.

The correlation of the two inputs x and x + gamma e does not act back on anything else. So the steps give, apart from
the state, a `Link`: how the correlation behind the layer follows from those before it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from plainnet.blocks.rows.layer_arguments import Axis, window
from plainnet.proxies.closed.meanfield.activations import (
    BOUNDED,
    affine,
    compose,
    identity,
    nonlinearity,
    scaled,
    standardised,
)
from plainnet.proxies.closed.meanfield.borders import taps, view
from plainnet.proxies.closed.meanfield.nonlinearity import Nonlinearity

__all__ = [
    "Link",
    "Moments",
    "State",
    "activate",
    "as_gaussian",
    "convolve",
    "grain",
    "image_correlation",
    "initial",
    "moments",
    "normalise",
    "settled",
    "spread_of_channels",
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


DEPTHWISE_KEEPS = 0.9
"""The part of the images' differences in scale that a grouped convolution lets through: the one number here that is
measured and not derived (on chains of 8 to 96 channels: 0.89 to 0.95), see docs/proxies/zen.md.
"""


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


def _noise(state: State, of: Moments, mean: float) -> float:
    """The variance over channels of (a - mean)^2 at one place, over its squared mean: what one channel adds to the
    spread.
    """
    exponent = state.own_spread - 2 * of.pairs
    x1, x2, x3, x4 = state.unit.moments
    a1, a2, a3, a4 = state.unit.exponents
    exp = math.exp
    x4 *= exp(a4 * exponent)
    if a2:
        x2 *= exp(a2 * exponent)
    variance = x4 - x2 * x2
    if x1:
        x1, x3 = x1 * exp(a1 * exponent), x3 * exp(a3 * exponent)
        variance += 4 * mean * (mean * (x2 - x1 * x1) - x3 + x2 * x1)
    level = of.square - mean * mean
    return variance / (level * level) if variance > 0.0 else 0.0


def convolve(
    state: State, fan_in: int, *, groups: int, axes: tuple[Axis, Axis], norm_samples: float | None
) -> tuple[State, Link, float]:
    """A convolution with weights N(0, 1) from `fan_in` channels (of one group), and a batch norm over `norm_samples`
    values if given: the state, the link, and the log of the batch variance before its norm.
    """
    unit = state.unit
    of = moments(state)
    normed = norm_samples is not None
    share = min(1.0, of.product / (unit.mean * unit.mean)) if unit.mean else 1.0
    share = share if normed else 0.0
    seen = view(state.size, state.border, axes=axes, unit=unit, share=share)
    square, product = of.square * seen.square, of.product * seen.product
    total = square - product if normed else square
    mean = math.sqrt(of.product) if normed else 0.0
    level = of.square - of.product if normed else of.square
    noise = _noise(state, of, mean) / fan_in
    height, width = state.size
    places, size = height * width, (_outputs(height, axes[0]), _outputs(width, axes[1]))
    shared = noise / groups
    transfer = _transfer(unit, of, normed=normed)
    rise = _image_rise(state, of, places) if normed else 0.0
    weight = math.exp(min(state.spread, 1.0)) * (1 + state.border)
    power = state.power * transfer + shared * weight + rise * places
    if groups > 1:
        power *= DEPTHWISE_KEEPS
    before = state.spread * transfer + shared + rise
    area = max(power / before, 1.0) if before else 1.0
    damping = (unit.slope / level) ** 2
    count = taps(height, width, axes)
    own_spread = own_pair = 0.0
    if groups > 1:
        own = 1 - 1 / groups
        own_spread = noise / count * own
        own_pair = ((state.pair + state.own_pair) * damping + 1 / fan_in) / count * own
    pair = (state.pair * damping + 1 / (fan_in * groups)) / count
    log_total = math.log(fan_in * total) + state.log_scale
    after = State(
        size,
        identity(),
        seen.variance,
        0.0 if normed else log_total,
        0.0 if normed else product / square,
        power / min(area + count - 1, places),
        power * size[0] * size[1] / places,
        pair,
        own_spread,
        own_pair,
        image_correlation(state, level) if state.image or state.image_gain != 1.0 else 0.0,
        1.0,
        norm_samples if norm_samples is not None else state.samples,
    )
    if norm_samples is not None and math.isfinite(state.samples):
        log_total += math.log(state.samples / (state.samples - 1))
    factor = seen.square / total
    link = Link(unit, of.root * of.root, of.square / unit.square, product / seen.square if normed else 0.0, factor)
    return after, link, log_total


def _outputs(size: int, axis: Axis) -> int:
    return window(size, axis.reach + 1, axis.stride, axis.padding)


def _transfer(unit: Nonlinearity, of: Moments, *, normed: bool) -> float:
    """How much of a variance of log h^2 arrives in the next layer."""
    minus = of.product if normed else 0.0
    slope = (of.square * unit.square_power - 2 * minus * unit.mean_power) / (of.square - minus)
    return slope * slope


def _image_rise(state: State, of: Moments, places: int) -> float:
    """What a layer adds to the variance of the images' log scale. Two opposite effects of second order:

    The kernel behind a layer is a convex function of the one before, so the largest image of a batch grows at the
    others' cost (third moment of a log-normal; a single winner's growth is bounded, and ends when it has all). And the
    batch norm divides by a variance that a large image is part of.
    """
    top = state.samples / places - 1
    if not 0 < top < math.inf:
        return 0.0
    p1, p2 = state.unit.mean_power, state.unit.square_power
    convexity = (of.square * p2 * (p2 - 1) - 2 * of.product * p1 * (p1 - 1)) / (of.square - of.product) / 2
    level = state.power / places
    variance = math.exp(min(level, 3.0)) - 1
    rise = 6 * convexity * variance * variance / (1 + 2 * variance) * max(0.0, 1 - variance / top)
    fall = min(4 / state.samples * (1 + variance), 0.5) * variance
    return math.log(1 + max(min(variance + rise - fall, top), 0.0)) - level


def image_correlation(state: State, level: float) -> float:
    """The mean correlation of what `unit` puts out at two places of one image, at most 1 where gates multiply one another."""
    same = state.unit.kernel(max(0.0, state.image)) * state.image_gain
    return min(1.0, max(0.0, (same - state.unit.kernel(0.0)) / level))


def spread_of_channels(state: State, channels: int) -> float:
    """Half the variance of the mean (over channels) of the batch variance, relative: what log takes off, twice."""
    inverse = 1 / state.samples
    return (state.pair + state.own_pair + inverse) / channels


def normalise(state: State, samples: float) -> tuple[State, Link, float]:
    """A batch norm that does not follow a convolution: the state, the link, and the log of the batch variance."""
    of = moments(state)
    level = of.square - of.product
    link = Link(state.unit, of.root * of.root, of.square / state.unit.square, of.product, 1 / level)
    log_variance = math.log(level) + state.log_scale
    unit = state.unit if state.unit is identity() else standardised(state.unit)
    return state._replace(unit=unit, log_scale=0.0, cross=0.0, samples=samples), link, log_variance


def activate(state: State, kind: str) -> State:
    """An activation function. Without a batch norm before it, it sees the scale that the values have."""
    unit = state.unit
    if unit is identity() and not state.log_scale:
        return state._replace(unit=nonlinearity(kind))
    if unit.function is None:
        unit = as_gaussian(state)
    if not state.log_scale or (kind in ("relu", "leaky_relu", "identity")):
        return state._replace(unit=compose(kind, unit))
    log_scale = min(max(round(4 * state.log_scale) / 4, -16.0), 16.0)
    unit = scaled(kind, unit, math.exp(log_scale / 2))
    return state._replace(unit=unit, log_scale=log_scale if kind in BOUNDED else state.log_scale)


def as_gaussian(state: State) -> Nonlinearity:
    """The values as normal numbers of their mean and variance."""
    of = moments(state)
    return affine(grain(math.sqrt(max(of.product, 0.0))), grain(math.sqrt(of.square - of.product)))


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


def settled(state: State) -> State:
    """The state rounded to a grid fine enough not to be seen in a score, so that the states of different networks
    meet and what is known of a block serves them all.
    """
    rounded = {name: round(grain * getattr(state, name)) / grain for name, grain in GRAINS.items()}
    power = 2 ** (round(16 * math.log2(state.power)) / 16) if state.power > 1e-6 else 0.0
    return state._replace(power=power, **rounded)
