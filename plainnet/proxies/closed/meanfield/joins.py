"""What pooling, gates, sums and concatenations make of mean-field states."""

from __future__ import annotations

import math
from collections.abc import Sequence

from plainnet.proxies.closed.meanfield.activations import affine, gated, max_of, mixture
from plainnet.proxies.closed.meanfield.borders import average_count
from plainnet.proxies.closed.meanfield.mean_field_layers import (
    Link,
    State,
    as_gaussian,
    grain,
    image_correlation,
    moments,
)

__all__ = ["concatenate", "gate", "global_average", "pool", "resize", "total"]


def pool(state: State, kind: str, *, size: tuple[int, int], kernel_size: int, stride: int) -> tuple[State, Link | None]:
    """Max or average pooling over windows of neighbouring places, which are independent of each other."""
    height, width = state.size
    count = average_count(height, size[0], kernel_size, stride) * average_count(width, size[1], kernel_size, stride)
    out = state._replace(size=size, power=state.power * size[0] * size[1] / (height * width))
    if kind == "max":
        if state.unit.function is None:
            out = out._replace(unit=as_gaussian(state))
        return out._replace(unit=max_of(max(1, round(count)), out.unit)), None
    return _averaged(state, out, 1 / count)


def resize(state: State, scale: int, mode: str) -> tuple[State, Link | None]:
    """A map `scale` times as high and wide: copies of the nearest value, or means of two along each axis."""
    height, width = state.size
    out = state._replace(size=(height * scale, width * scale), power=state.power * scale * scale)
    if mode == "nearest" or scale == 1:
        return out, None
    offsets = [((2 * phase + 1 - scale) / (2 * scale)) % 1 for phase in range(scale)]
    kept = sum((1 - offset) ** 2 + offset**2 for offset in offsets) / scale
    return _averaged(state, out, kept * kept)


def global_average(state: State) -> tuple[State, Link | None]:
    """The mean over the map: what is left varies from image to image."""
    of = moments(state)
    places = state.size[0] * state.size[1]
    level = of.square - of.product
    share = (
        1 / places + (1 - 1 / places) * image_correlation(state, level) + of.product / level * state.power / places / 4
    )
    out = state._replace(
        size=(1, 1), border=0.0, spread=state.power / places, power=state.power / places, image=0.0, samples=math.inf
    )
    return _averaged(state, out, share)


def _averaged(state: State, out: State, share: float) -> tuple[State, Link]:
    """`share` of the variance is left; sums of many values are normal."""
    of = moments(state)
    level = of.square - of.product
    unit = affine(grain(math.sqrt(max(of.product, 0.0))), grain(math.sqrt(level * share)))
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
    scale = sum([share * math.exp(state.log_scale - top) for share, state in zip(shares, states, strict=True)])
    unit = mixture(tuple(zip(shares, [state.unit for state in states], strict=True)))
    return _mean(states, shares)._replace(unit=unit, log_scale=top + math.log(scale))


def _mean(states: Sequence[State], shares: Sequence[float]) -> State:
    """The weighted mean of every property."""
    columns = list(zip(*[state[2:] for state in states], strict=True))
    values = [sum([share * value for share, value in zip(shares, column, strict=True)]) for column in columns]
    return states[0]._replace(**dict(zip(State._fields[2:], values, strict=True)))


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
    unit = affine(grain(mean), grain(math.sqrt(variance)))
    after = _mean(states, [1 / len(states)] * len(states))
    after = after._replace(unit=unit, log_scale=top, cross=0.0, image_gain=1.0)
    return after, [(part / variance, link) for part, link in parts]
