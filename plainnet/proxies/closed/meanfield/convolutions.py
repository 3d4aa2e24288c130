"""A convolution, and the batch norm behind it, on mean-field states."""

from __future__ import annotations

import math

from plainnet.blocks.rows.layer_arguments import Axis, window
from plainnet.proxies.closed.meanfield.activations import identity
from plainnet.proxies.closed.meanfield.borders import taps, view
from plainnet.proxies.closed.meanfield.likeness import strided
from plainnet.proxies.closed.meanfield.mean_field_layers import (
    Link,
    Moments,
    State,
    image_correlation,
    likeness_of_values,
    moments,
)
from plainnet.proxies.closed.meanfield.nonlinearity import Nonlinearity

__all__ = ["convolve", "spread_of_channels"]

DEPTHWISE_KEEPS = 0.9
"""The part of the images' differences in scale that a grouped convolution lets through: the one number here that is
measured and not derived (on chains of 8 to 96 channels: 0.89 to 0.95), see docs/proxies/zen.md.
"""


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
    power, area = _power(state, of, noise, groups=groups, normed=normed)
    damping = (unit.slope / level) ** 2
    count = taps(height, width, axes)
    own_spread, own_pair = _of_one_group(state, noise, fan_in, groups=groups, damping=damping, count=count)
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
        strided(likeness_of_values(state), axes[0].stride),
    )
    if norm_samples is not None and math.isfinite(state.samples):
        log_total += math.log(state.samples / (state.samples - 1))
    factor = seen.square / total
    link = Link(unit, of.root * of.root, of.square / unit.square, product / seen.square if normed else 0.0, factor)
    return after, link, log_total


def _power(state: State, of: Moments, noise: float, *, groups: int, normed: bool) -> tuple[float, float]:
    """The power of the noise that comes out, and the area over which it is correlated."""
    places = state.size[0] * state.size[1]
    shared = noise / groups
    transfer = _transfer(state.unit, of, normed=normed)
    rise = _image_rise(state, of, places) if normed else 0.0
    weight = math.exp(min(state.spread, 1.0)) * (1 + state.border)
    power = state.power * transfer + shared * weight + rise * places
    if groups > 1:
        power *= DEPTHWISE_KEEPS
    before = state.spread * transfer + shared + rise
    area = max(power / before, 1.0) if before else 1.0
    return power, area


def _of_one_group(
    state: State, noise: float, fan_in: int, *, groups: int, damping: float, count: float
) -> tuple[float, float]:
    """What the channels of one group have in common alone: spread, and correlation of pairs; nothing of a single group."""
    if groups == 1:
        return 0.0, 0.0
    own = 1 - 1 / groups
    return noise / count * own, ((state.pair + state.own_pair) * damping + 1 / fan_in) / count * own


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


def spread_of_channels(state: State, channels: int) -> float:
    """Half the variance of the mean (over channels) of the batch variance, relative: what log takes off, twice."""
    inverse = 1 / state.samples
    return (state.pair + state.own_pair + inverse) / channels
