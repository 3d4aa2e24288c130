"""What pooling, gates, sums and concatenations make of mean-field states."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from plainnet.proxies.closed.meanfield.activations import affine, gated, max_of, mixture, rescaled
from plainnet.proxies.closed.meanfield.borders import window_sizes
from plainnet.proxies.closed.meanfield.likeness import (
    WHITE,
    averaged,
    gain_of_mean,
    mean_likeness,
    share_of_bilinear,
    share_of_means,
    spread,
    strided,
)
from plainnet.proxies.closed.meanfield.mean_field_layers import (
    Link,
    State,
    as_gaussian,
    grain,
    image_correlation,
    likeness_of_values,
    moments,
    spread_of_values,
)
from plainnet.proxies.closed.meanfield.nonlinearity import Nonlinearity

__all__ = ["GateLink", "concatenate", "gate", "global_average", "pool", "resize", "spaced", "total"]


class GateLink(NamedTuple):
    """c behind a gate: at this correlation the kernel of the product is that of its factors, each at its own."""

    inner: Nonlinearity
    gate: Nonlinearity
    shared: float
    """the correlation of the gate between two images"""
    at: int
    """the number of the gate's value"""

    def __call__(self, c: float, c_gate: float) -> float:
        wanted = self.inner.kernel(c) * self.gate.kernel(c_gate)
        near, far = -36.0, 0.0  # of log(1 - c)
        for _ in range(36):  # kernels rise with c
            middle = (near + far) / 2
            at = 1 - math.exp(middle)
            if self.inner.kernel(at) * self.gate.kernel(self.shared + (1 - self.shared) * at) > wanted:
                near = middle
            else:
                far = middle
        return 1 - math.exp((near + far) / 2)


def pool(state: State, kind: str, *, size: tuple[int, int], kernel_size: int, stride: int) -> tuple[State, Link | None]:
    """Max or average pooling over windows of neighbouring places, which are independent of each other but behind averages over
    windows that overlap.
    """
    height, width = state.size
    high, wide = (
        window_sizes(side, outputs, kernel_size, stride) for side, outputs in zip(state.size, size, strict=True)
    )
    out = state._replace(size=size, power=state.power * size[0] * size[1] / (height * width))
    alike = likeness_of_values(state)
    if kind == "max":
        out = out._replace(likeness=strided(state.likeness, stride))
        if state.unit.function is None:
            out = as_gaussian(out)
        count = sum(high) / len(high) * (sum(wide) / len(wide))
        return out._replace(unit=max_of(max(1, round(count)), out.unit)), None
    share = share_of_means(alike, high, wide)
    return _averaged(state, out._replace(likeness=averaged(alike, kernel_size, stride)), share)


def resize(state: State, scale: int, mode: str) -> tuple[State, Link | None]:
    """A map `scale` times as high and wide: copies of the nearest value, or means of two along each axis."""
    out = _enlarged(state, scale)
    if scale == 1:
        return out, None
    if mode == "nearest":
        return out._replace(likeness=averaged(spread(state.likeness, scale), scale, 1)), None
    values = likeness_of_values(state)
    alike = spread(values, scale)
    for box in (scale, scale, 2 - scale % 2):
        alike = averaged(alike, box, 1)
    return _averaged(state, out._replace(likeness=alike), share_of_bilinear(values, state.size, scale))


def spaced(state: State, scale: int) -> State:
    """A map `scale` times as high and wide, in which the values between have weights of their own."""
    return _enlarged(state, scale)._replace(likeness=spread(state.likeness, scale))


def _enlarged(state: State, scale: int) -> State:
    height, width = state.size
    return state._replace(size=(height * scale, width * scale), power=state.power * scale * scale)


def global_average(state: State) -> tuple[State, Link | None]:
    """The mean over the map: what is left varies from image to image."""
    of = moments(state)
    places = state.size[0] * state.size[1]
    level = of.square - of.product
    gain = gain_of_mean(likeness_of_values(state), min(state.size)) if state.likeness else 1.0
    share = (
        gain / places
        + (1 - 1 / places) * image_correlation(state, level)
        + of.product / level * state.power / places / 4
    )
    out = state._replace(
        size=(1, 1),
        border=0.0,
        spread=state.power / places,
        power=state.power / places,
        image=0.0,
        samples=math.inf,
        likeness=WHITE,
    )
    return _averaged(state, out, share)


def _averaged(state: State, out: State, share: float) -> tuple[State, Link]:
    """`share` of the variance is left; sums of many values are normal."""
    of = moments(state)
    mean, variance, between = spread_of_values(state, of)
    level = variance * (1 - between)
    left = level * share + variance * between  # what all places share stays
    link = Link(state.unit, of.root * of.root, of.square / state.unit.square, mean * mean, 1 / variance)
    return out._replace(unit=affine(grain(mean), grain(math.sqrt(left))), cross=variance * between / left), link


def gate(state: State, by: State) -> State:
    """Values times a gate that has one number for each channel of each image. What becomes large or small is kept near 1, and
    the scale apart.
    """
    square = by.unit.square
    shared = round(64 * max(0.0, by.cross)) / 64
    between = by.unit.kernel(shared)
    level = square * state.unit.square
    octave = 0 if 0.01 < level < 100 else round(math.log2(level))
    return state._replace(
        unit=gated(state.unit, by.unit, 2 ** (-octave / 2), shared),
        log_scale=state.log_scale + by.log_scale + octave * math.log(2),
        image_gain=state.image_gain * square / between if between > 1e-9 * square else 1.0,
    )


def concatenate(states: Sequence[State], channels: Sequence[int]) -> State:
    """Branches side by side: every property is the mean over channels."""
    shares = [count / sum(channels) for count in channels]
    top = max(state.log_scale for state in states)
    units = [rescaled(state.unit, grain(math.exp((state.log_scale - top) / 2))) for state in states]
    unit = mixture(tuple(zip(shares, units, strict=True)))
    levels: list[tuple[float, float]] = []
    if any(state.likeness for state in states):
        levels = [(spread_of_values(state, moments(state))[1], math.exp(state.log_scale - top)) for state in states]
    return _mean(states, shares, unit, levels)._replace(log_scale=top)


def _mean(
    states: Sequence[State], shares: Sequence[float], unit: Nonlinearity, levels: Sequence[tuple[float, float]]
) -> State:
    """The values `unit`, and of every property the weighted mean; that of the likeness also by `levels`, the variance of each
    state and what it is to be multiplied by.
    """
    values = [shares[0] * value for value in states[0][2:-1]]
    for share, state in zip(shares[1:], states[1:], strict=True):
        values = [mean + share * value for mean, value in zip(values, state[2:-1], strict=True)]
    alike = WHITE
    if any(state.likeness for state in states):
        weights = [share * level * scale for share, (level, scale) in zip(shares, levels, strict=True)]
        alike = mean_likeness(list(zip(weights, map(likeness_of_values, states), strict=True)))
    return State._make((states[0].size, unit, *values, alike))


def total(states: Sequence[State]) -> tuple[State, list[tuple[float, Link]]]:
    """The sum of branches, independent of each other: means add up, variances add up. The state, and for each branch
    its share of the variance and the link of its correlation.
    """
    top = max(state.log_scale for state in states)
    mean = variance = shared = 0.0
    parts: list[tuple[float, Link]] = []
    levels: list[tuple[float, float]] = []
    for state in states:
        of, scale, unit = moments(state), math.exp(state.log_scale - top), state.unit
        own, level, between = spread_of_values(state, of)
        mean += own * math.sqrt(scale)
        variance += level * scale
        shared += level * scale * between
        link = Link(unit, of.root * of.root, of.square / unit.square, own * own, 1 / level)
        parts.append((level * scale, link))
        levels.append((level, scale))
    unit = affine(grain(mean), grain(math.sqrt(variance)))
    after = _mean(states, [1 / len(states)] * len(states), unit, levels)
    after = after._replace(log_scale=top, cross=shared / variance, image_gain=1.0)
    return after, [(part / variance, link) for part, link in parts]
