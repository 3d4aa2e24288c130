"""How alike neighbouring elements of a map are at initialisation, and how many of them are therefore independent.

The elements of a white map (noise, or anything a random convolution makes of noise) know nothing of each other. An average
over overlapping windows makes neighbours alike: the means of two 3x3 windows one step apart share six of nine elements. What
is kept of a map is the correlation r of two elements d rows and e columns apart, for the few (d, e) where it is not 0:

    convolution, linear layer, batch norm    r stays: the weights are the same everywhere, and independent of each other
    stride s                                 r(d, e) becomes r(s d, s e)
    average pooling, k x k                   r is convolved with the triangle of the overlaps, (k - |d|) (k - |e|)
    transposed convolution of stride s       r(d, e) becomes r(d / s, e / s), with nothing between: each phase has its own weights
    upsampling by s                          the same, and the overlaps of s x s windows, once (nearest) or more often (bilinear)
    max pooling                              stride alone: a maximum is a feature of its window, not a blur of it
    activation of linear share a             a r + (1 - a) r^2: the part of degree one keeps r, the next one squares it
    sum, concatenation                       the mean, weighted by variance

N elements are worth N / (sum of r^2 over all pairs / N) independent ones (the participation number of the map's spectrum).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from plainnet.blocks.rows.shapes import Shape

__all__ = [
    "WHITE",
    "Likeness",
    "averaged",
    "bent",
    "gain_of_mean",
    "independent_share",
    "mean_likeness",
    "spread",
    "strided",
]

Likeness = tuple[tuple[int, int, float], ...]
"""(rows apart, columns apart, correlation), for distances from 0 on, without (0, 0), which is 1."""

WHITE: Likeness = ()

_REACH = 12
"""Elements further apart are taken as independent."""
_LEAST = 1e-3
"""Correlations below are left out."""


def strided(likeness: Likeness, stride: int) -> Likeness:
    """The likeness of every `stride`-th element."""
    if stride == 1 or not likeness:
        return likeness
    return tuple((d // stride, e // stride, r) for d, e, r in likeness if d % stride == 0 and e % stride == 0)


def spread(likeness: Likeness, stride: int) -> Likeness:
    """The likeness of elements that stand `stride` places apart, with independent ones between them."""
    if stride == 1 or not likeness:
        return likeness
    return tuple((d * stride, e * stride, r) for d, e, r in likeness if max(d, e) * stride <= _REACH)


@lru_cache(4096)
def bent(likeness: Likeness, linear_share: float) -> Likeness:
    """The likeness behind an activation that leaves this share of the variance linear."""
    if not likeness:
        return likeness
    return _entered({(d, e): linear_share * r + (1 - linear_share) * r * r for d, e, r in likeness})


@lru_cache(4096)
def averaged(likeness: Likeness, kernel_size: int, stride: int) -> Likeness:
    """The likeness of averages over windows."""
    if not likeness and stride >= kernel_size:
        return WHITE
    known = {(d, e): r for d, e, r in likeness} | {(0, 0): 1.0}
    overlaps = [(d, kernel_size - abs(d)) for d in range(1 - kernel_size, kernel_size)]
    reach = min(_REACH, max(map(max, known)) + kernel_size - 1)
    along = range(0, reach + 1, stride)
    half = {
        (d, e): sum(weight * known.get((abs(d + by), e), 0.0) for by, weight in overlaps)
        for d in along
        for e in range(reach + kernel_size)
    }
    whole = {
        (d, e): sum(weight * half.get((d, abs(e + by)), 0.0) for by, weight in overlaps) for d in along for e in along
    }
    level = whole.pop((0, 0))
    return _entered({(d // stride, e // stride): value / level for (d, e), value in whole.items()})


def mean_likeness(parts: Sequence[tuple[float, Likeness]]) -> Likeness:
    """The likeness of a sum of independent values, or of channels side by side, by the variance of each part."""
    if not any(likeness for _, likeness in parts):
        return WHITE
    total = sum(variance for variance, _ in parts)
    if not total > 0:
        return WHITE
    found: dict[tuple[int, int], float] = {}
    for variance, likeness in parts:
        for d, e, r in likeness:
            found[d, e] = found.get((d, e), 0.0) + variance / total * r
    return _entered(found)


def gain_of_mean(likeness: Likeness, kernel_size: int) -> float:
    """By how much the variance of a mean over k x k elements is larger than it would be if they were independent."""
    total = 1.0
    for d, e, r in likeness:
        if d < kernel_size and e < kernel_size:
            pairs = (1 - d / kernel_size) * (1 - e / kernel_size) * (2 if d else 1) * (2 if e else 1)
            total += pairs * r
    return total


def independent_share(likeness: Likeness, shape: Shape) -> float:
    """How many of a map's elements are independent, as a share of all: 1 / (the mean over elements of the sum of r^2)."""
    total = 1.0
    for d, e, r in likeness:
        if d < shape.height and e < shape.width:
            pairs = (1 - d / shape.height) * (1 - e / shape.width) * (2 if d else 1) * (2 if e else 1)
            total += pairs * r * r
    return 1 / total


def _entered(found: dict[tuple[int, int], float]) -> Likeness:
    """As a value that can be a key: in order, rounded, without what is next to nothing."""
    return tuple((d, e, round(r, 4)) for (d, e), r in sorted(found.items()) if r > _LEAST)
