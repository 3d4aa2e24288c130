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

import math
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from plainnet.blocks.rows.shapes import Shape

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "KNOWN",
    "WHITE",
    "Behind",
    "Likeness",
    "averaged",
    "bent",
    "gain_of_mean",
    "independent_share",
    "mapped",
    "mean_likeness",
    "share_of_bilinear",
    "share_of_means",
    "spread",
    "strided",
]

_REACH = 12
"""Elements further apart are taken as independent."""
_LEAST = 1e-3
"""Correlations below are left out."""
_DIGITS = 4
_SIDE = _REACH + 1
KNOWN = 32_768
"""So many results of each function of likenesses are remembered: cells of one space meet the same ones again and again."""


class Likeness:
    """The correlations of elements of a map, a value that can be a key: `correlations[d, e]` of elements d rows and e columns
    apart, for distances from 0 on, rounded. A map whose elements are independent is false.

    >>> list(averaged(WHITE, 2, 1))
    [(0, 1, 0.5), (1, 0, 0.5), (1, 1, 0.25)]
    """

    __slots__ = ("_correlations", "_hash", "_key")

    def __init__(self, key: bytes = b"", correlations: NDArray[Any] | None = None) -> None:
        self._key, self._hash = key, hash(key)
        self._correlations = correlations

    @classmethod
    def of(cls, entries: Iterable[tuple[int, int, float]]) -> Likeness:
        """That of (rows apart, columns apart, correlation)."""
        found = WHITE.correlations.copy()
        for d, e, r in entries:
            found[d, e] = r
        return _entered(found)

    @property
    def correlations(self) -> NDArray[Any]:
        """As an array, 1 at (0, 0); it is not changed."""
        import numpy as np

        if self._correlations is None:
            if self._key:
                self._correlations = np.frombuffer(self._key).reshape(_SIDE, _SIDE)
            else:
                self._correlations = np.zeros((_SIDE, _SIDE))
                self._correlations[0, 0] = 1.0
        return self._correlations

    def __iter__(self) -> Iterator[tuple[int, int, float]]:
        for d, row in enumerate(self.correlations.tolist()):
            yield from [(d, e, r) for e, r in enumerate(row) if r and (d or e)]

    def __bool__(self) -> bool:
        return bool(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Likeness) and self._key == other._key

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return f"Likeness({list(self)})"


WHITE = Likeness()


def strided(likeness: Likeness, stride: int) -> Likeness:
    """The likeness of every `stride`-th element."""
    if stride == 1 or not likeness:
        return likeness
    kept = likeness.correlations[::stride, ::stride]
    found = WHITE.correlations.copy()
    found[: len(kept), : len(kept)] = kept
    return _entered(found)


def spread(likeness: Likeness, stride: int) -> Likeness:
    """The likeness of elements that stand `stride` places apart, with independent ones between them."""
    if stride == 1 or not likeness:
        return likeness
    found = WHITE.correlations.copy()
    places = found[::stride, ::stride]
    places[:] = likeness.correlations[: len(places), : len(places)]
    return _entered(found)


@lru_cache(KNOWN)
def bent(likeness: Likeness, linear_share: float) -> Likeness:
    """The likeness behind an activation that leaves this share of the variance linear."""
    if not likeness:
        return likeness
    r = likeness.correlations
    return _entered(linear_share * r + (1 - linear_share) * r * r)


class Behind:
    """A function of correlations as a table: they are rounded, so each is worked out once, and rounded as well."""

    def __init__(self, function: Callable[[float], float]) -> None:
        import numpy as np

        self.function = function
        self.known = np.full(10**_DIGITS + 1, np.nan)

    def __call__(self, correlations: NDArray[Any]) -> NDArray[Any]:
        import numpy as np

        places = np.rint(correlations * 10**_DIGITS).astype(np.intp)
        found: NDArray[Any] = self.known[places]
        if math.isnan(found.sum()):  # one of them is not known
            unknown = np.unique(places[np.isnan(found)])
            self.known[unknown] = _rounded(np.array([self.function(place / 10**_DIGITS) for place in unknown.tolist()]))
            found = self.known[places]
        return found


@lru_cache(KNOWN)
def mapped(likeness: Likeness, behind: Behind) -> Likeness:
    """The likeness of values whose correlation follows from that of what they are a function of."""
    return _known(behind(likeness.correlations))


@lru_cache(KNOWN)
def averaged(likeness: Likeness, kernel_size: int, stride: int) -> Likeness:
    """The likeness of averages over windows."""
    if not likeness and stride >= kernel_size:
        return WHITE
    overlaps = _overlaps(kernel_size, stride)
    whole = overlaps @ likeness.correlations @ overlaps.T
    whole /= whole[0, 0]
    return _entered(whole)


@lru_cache(256)
def _overlaps(kernel_size: int, stride: int) -> NDArray[Any]:
    """[distance between windows, distance between elements]: how often two windows hold elements so far apart, along an axis."""
    import numpy as np

    found = np.zeros((_SIDE, _SIDE))
    for row, distance in enumerate(range(0, _SIDE, stride)):
        for by in range(1 - kernel_size, kernel_size):
            if abs(distance + by) <= _REACH:
                found[row, abs(distance + by)] += kernel_size - abs(by)
    return found


def mean_likeness(parts: Iterable[tuple[float, Likeness]]) -> Likeness:
    """The likeness of a sum of independent values, or of channels side by side, by the variance of each part."""
    return _mean(tuple(parts))


@lru_cache(KNOWN)
def _mean(parts: tuple[tuple[float, Likeness], ...]) -> Likeness:
    total = sum([variance for variance, _ in parts])
    if not total > 0 or not any(likeness._key for _, likeness in parts):
        return WHITE
    first, *others = [variance / total * likeness.correlations for variance, likeness in parts]
    for other in others:
        first += other
    return _entered(first)


def gain_of_mean(likeness: Likeness, kernel_size: int) -> float:
    """By how much the variance of a mean over k x k elements is larger than it would be if they were independent."""
    pairs = _pairs(kernel_size)
    return float(pairs @ likeness.correlations @ pairs)


@lru_cache(KNOWN)
def share_of_means(likeness: Likeness, high: tuple[int, ...], wide: tuple[int, ...]) -> float:
    """The part of the variance that is left of means over windows of a x b elements, for every a of `high` and b of `wide`: a
    window at the border holds fewer elements, and where they are all the same nothing is lost in any of them.
    """
    return float(_shares(high) @ likeness.correlations @ _shares(wide))


@lru_cache(KNOWN)
def share_of_bilinear(likeness: Likeness, size: tuple[int, int], scale: int) -> float:
    """The part of the variance that is left where a map of `size` is made `scale` times as large with bilinear means: less where
    the two elements of a mean are independent, all of it where they are alike, and at the edge, which has one of them alone.
    """
    height, width = (_met_by_bilinear(side, scale) for side in size)
    return float(height @ likeness.correlations @ width)


@lru_cache(1024)
def _met_by_bilinear(side: int, scale: int) -> NDArray[Any]:
    """The weights with which means along an axis meet themselves and their neighbour, by how far the two are apart; the mean over
    all places, with half-pixel centres."""
    import numpy as np

    places = np.clip((np.arange(side * scale) + 0.5) / scale - 0.5, 0, side - 1)
    upper = places % 1
    found = np.zeros(_SIDE)
    found[:2] = np.mean((1 - upper) ** 2 + upper**2), np.mean(2 * upper * (1 - upper))
    return found


@lru_cache(1024)
def _shares(sizes: tuple[int, ...]) -> NDArray[Any]:
    """How many elements of a window, as a share of all, have one so far to either side: the mean over windows of these sizes."""
    import numpy as np

    found: NDArray[Any] = np.mean([_pairs(size) / size for size in sizes], axis=0)
    return found


def independent_share(likeness: Likeness, shape: Shape) -> float:
    """How many of a map's elements are independent, as a share of all: 1 / (the mean over elements of the sum of r^2)."""
    return _independent(likeness, shape) if likeness else 1.0


@lru_cache(KNOWN)
def _independent(likeness: Likeness, shape: Shape) -> float:
    r = likeness.correlations
    return 1 / float(_pairs(shape.height) @ (r * r) @ _pairs(shape.width))


@lru_cache(1024)
def _pairs(size: int) -> NDArray[Any]:
    """How many elements of an axis have one so far to either side, as a share of all."""
    import numpy as np

    distances = np.arange(_SIDE)
    found: NDArray[Any] = np.clip(1 - distances / size, 0.0, None) * np.where(distances, 2, 1)
    return found


def _entered(correlations: NDArray[Any]) -> Likeness:
    """As a value that can be a key: rounded, without what is next to nothing."""
    return _known(_rounded(correlations))


def _rounded(correlations: NDArray[Any]) -> NDArray[Any]:
    import numpy as np

    found = correlations.round(_DIGITS)
    np.putmask(found, ~(correlations > _LEAST), 0.0)
    return found


def _known(correlations: NDArray[Any]) -> Likeness:
    """As a value that can be a key, where they are rounded already."""
    import numpy as np

    return Likeness(correlations.tobytes(), correlations) if np.count_nonzero(correlations) > 1 else WHITE
