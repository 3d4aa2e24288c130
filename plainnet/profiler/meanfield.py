"""Mean-field theory of a random network of finite width, one layer at a time.

A `State` says what the values of a map are like, over channels and weights: a function `unit` of standard normals,
and how far the normals are from independent and identically distributed. Each function here takes the state before a
layer and gives the state behind it. What each correction is and where it comes from: docs/proxies/zen.md.

The correlation of the two inputs x and x + gamma e does not act back on anything else. So the steps give, apart from
the state, a `Link`: how the correlation behind the layer follows from those before it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from plainnet.profiler.activations import (
    Nonlinearity,
    affine,
    compose,
    gated,
    identity,
    max_of,
    mixture,
    scaled,
    standardised,
)
from plainnet.profiler.borders import average_count, taps, view

__all__ = [
    "Link",
    "State",
    "activate",
    "concatenate",
    "convolve",
    "gate",
    "global_average",
    "initial",
    "normalise",
    "pool",
    "settled",
    "spread_of_channels",
    "total",
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
    """c behind a layer: (kernel(c) * (low + (high - low) * c) - minus) * factor, from 0 to 1."""

    kernel: Nonlinearity
    low: float
    high: float
    minus: float
    factor: float

    def __call__(self, c: float) -> float:
        c = (self.kernel.kernel(c) * (self.low + (self.high - self.low) * c) - self.minus) * self.factor
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
    pairs = state.pair + state.own_pair + math.exp(min(spread, 3.0)) / state.samples
    tail = spread - 2 * pairs
    mean, square = unit.moments[:2]
    root = math.exp(unit.exponents[0] * tail)
    cross = unit.kernel(state.cross) if state.cross else mean * mean
    return Moments(square * math.exp(unit.exponents[1] * tail), cross * root * root, root, pairs, tail)


def _noise(state: State, of: Moments, mean: float) -> float:
    """The variance over channels of (a - mean)^2 at one place, over its squared mean: what one channel adds to the
    spread.
    """
    exponent = state.own_spread - 2 * of.pairs
    x1, x2, x3, x4 = [
        moment * math.exp(power * exponent)
        for moment, power in zip(state.unit.moments, state.unit.exponents, strict=True)
    ]
    variance = x4 - x2 * x2 - 4 * mean * (x3 - x2 * x1) + 4 * mean * mean * (x2 - x1 * x1)
    level = of.square - mean * mean
    return max(0.0, variance) / (level * level)


def convolve(
    state: State, fan_in: int, *, groups: int, kernel_size: int, stride: int, norm_samples: float | None
) -> tuple[State, Link, float]:
    """A convolution with weights N(0, 1) from `fan_in` channels (of one group), and a batch norm over `norm_samples`
    values if given: the state, the link, and the log of the batch variance before its norm.
    """
    unit = state.unit
    of = moments(state)
    normed = norm_samples is not None
    share = min(1.0, of.product / (unit.mean * unit.mean)) if unit.mean else 1.0
    share = share if normed else 0.0
    seen = view(state.size, state.border, kernel_size=kernel_size, stride=stride, unit=unit, share=share)
    square, product = of.square * seen.square, of.product * seen.product
    total = square - product if normed else square
    mean = math.sqrt(of.product) if normed else 0.0
    level = of.square - of.product if normed else of.square
    noise = _noise(state, of, mean) / fan_in
    height, width = state.size
    places, size = height * width, (_outputs(height, kernel_size, stride), _outputs(width, kernel_size, stride))
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
    count = taps(height, width, kernel_size, stride)
    own = 1 - 1 / groups
    own_pair = ((state.pair + state.own_pair) * damping + 1 / fan_in) / count * own
    pair = (state.pair * damping + 1 / (fan_in * groups)) / count
    log_total = math.log(fan_in * total) + state.log_scale
    after = State(
        size,
        border=seen.variance,
        log_scale=0.0 if normed else log_total,
        cross=0.0 if normed else product / square,
        spread=power / min(area + count - 1, places),
        power=power * size[0] * size[1] / places,
        pair=pair,
        own_spread=noise / count * own,
        own_pair=own_pair,
        image=_image(state, of, level) if state.image or state.image_gain != 1.0 else 0.0,
        samples=norm_samples if norm_samples is not None else state.samples,
    )
    if norm_samples is not None and math.isfinite(state.samples):
        log_total += math.log(state.samples / (state.samples - 1))
    factor = seen.square / total
    link = Link(unit, of.root * of.root, of.square / unit.square, product / seen.square if normed else 0.0, factor)
    return after, link, log_total


def _outputs(size: int, kernel_size: int, stride: int) -> int:
    return (size + 2 * ((kernel_size - 1) // 2) - kernel_size) // stride + 1


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


def _image(state: State, of: Moments, level: float) -> float:
    same = state.unit.kernel(max(0.0, state.image)) * state.image_gain
    return max(0.0, (same - state.unit.kernel(0.0)) / level)


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
    if unit.function is None:
        unit = _gaussian(state)
    if not state.log_scale or (kind in ("relu", "leaky_relu", "identity")):
        return state._replace(unit=compose(kind, unit))
    scale = math.exp(min(max(round(4 * state.log_scale) / 4, -16.0), 24.0) / 2)
    return state._replace(unit=scaled(kind, unit, scale), log_scale=0.0)


def _gaussian(state: State) -> Nonlinearity:
    """The values as normal numbers of their mean and variance."""
    of = moments(state)
    return affine(_grain(math.sqrt(max(of.product, 0.0))), _grain(math.sqrt(of.square - of.product)))


def _grain(value: float) -> float:
    """A value rounded to three digits, so that few functions are built."""
    return float(f"{value:.3g}")


def pool(state: State, kind: str, *, size: tuple[int, int], kernel_size: int, stride: int) -> tuple[State, Link | None]:
    """Max or average pooling over windows of neighbouring places, which are independent of each other."""
    height, width = state.size
    count = average_count(height, size[0], kernel_size, stride) * average_count(width, size[1], kernel_size, stride)
    out = state._replace(size=size, power=state.power * size[0] * size[1] / (height * width))
    if kind == "max":
        if state.unit.function is None:
            out = out._replace(unit=_gaussian(state))
        return out._replace(unit=max_of(max(1, round(count)), out.unit)), None
    return _averaged(state, out, 1 / count)


def global_average(state: State) -> tuple[State, Link | None]:
    """The mean over the map: what is left varies from image to image."""
    of = moments(state)
    places = state.size[0] * state.size[1]
    level = of.square - of.product
    share = 1 / places + (1 - 1 / places) * _image(state, of, level) + of.product / level * state.power / places / 4
    out = state._replace(
        size=(1, 1), border=0.0, spread=state.power / places, power=state.power / places, image=0.0, samples=math.inf
    )
    return _averaged(state, out, share)


def _averaged(state: State, out: State, share: float) -> tuple[State, Link]:
    """`share` of the variance is left; sums of many values are normal."""
    of = moments(state)
    level = of.square - of.product
    unit = affine(_grain(math.sqrt(max(of.product, 0.0))), _grain(math.sqrt(level * share)))
    link = Link(state.unit, of.root * of.root, of.square / state.unit.square, of.product, 1 / level)
    return out._replace(unit=unit, cross=0.0), link


def gate(state: State, by: State) -> State:
    """Values times a gate that has one number for each channel of each image."""
    mean, square = by.unit.moments[:2]
    return state._replace(
        unit=gated(state.unit, by.unit), image_gain=state.image_gain * square / (mean * mean) if mean else 1.0
    )


def concatenate(states: Sequence[State], channels: Sequence[int]) -> State:
    """Branches side by side: every property is the mean over channels."""
    shares = [count / sum(channels) for count in channels]
    top = max(state.log_scale for state in states)

    def mean(name: str) -> float:
        return sum(share * getattr(state, name) for share, state in zip(shares, states, strict=True))

    names = ("border", "cross", "spread", "power", "pair", "own_spread", "own_pair", "image", "image_gain")
    scale = sum(share * math.exp(state.log_scale - top) for share, state in zip(shares, states, strict=True))
    return states[0]._replace(
        unit=mixture(tuple(zip(shares, [state.unit for state in states], strict=True))),
        log_scale=top + math.log(scale),
        **{name: mean(name) for name in names},
    )


def total(states: Sequence[State]) -> tuple[State, list[tuple[float, Link]]]:
    """The sum of branches, independent of each other: means add up, variances add up. The state, and for each branch
    its share of the variance and the link of its correlation.
    """
    top = max(state.log_scale for state in states)
    mean = variance = 0.0
    parts: list[tuple[float, Link]] = []
    for state in states:
        of, scale = moments(state), math.exp(state.log_scale - top)
        level = of.square - of.product
        mean += math.sqrt(max(of.product, 0.0) * scale)
        variance += level * scale
        unit = state.unit
        link = Link(unit, of.root * of.root, of.square / unit.square, of.product, 1 / level)
        parts.append((level * scale, link))
    unit = affine(_grain(mean), _grain(math.sqrt(variance)))
    count = len(states)
    names = ("border", "spread", "power", "pair", "own_spread", "own_pair", "image")
    after = states[0]._replace(
        unit=unit,
        log_scale=top,
        cross=0.0,
        image_gain=1.0,
        **{name: sum(getattr(state, name) for state in states) / count for name in names},
    )
    return after, [(part / variance, link) for part, link in parts]


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
