"""Zero padding: how much of a map's second moment stands where.

Near the border of a map a convolution sees zeros, so its output is smaller there, and the convolutions that follow carry
that inwards. What a map's profile q(place) of second moments (mean 1) looks like is told, to a good approximation, by
one number, its variance over the map: the profiles that 3x3 convolutions give one after the other are the family, and
every map is taken for the member with its variance.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from plainnet.blocks.rows.layer_arguments import Axis, window
from plainnet.proxies.closed.meanfield.activations import identity
from plainnet.proxies.closed.meanfield.nonlinearity import Nonlinearity

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["View", "root_mean", "taps", "view", "window_sizes"]

AGES = (0, 1, 2, 3, 4, 6, 8, 11, 15, 20, 27, 36, 48, 64, 85, 113, 150)
"""The convolutions after which a member of the family is kept."""
SHARES = 20
"""Steps of `share`."""
Axes = tuple[Axis, Axis]
_FAMILY_AXES: Axes = (Axis(3, 1, 1), Axis(3, 1, 1))
WORK = 3_000_000
"""So many places are computed for one family at most: large maps change slowly, and get fewer members."""
LONG = 512
"""Sides above which a map is computed with fewer places: those in its middle, which no border reaches, are all alike."""


class View(NamedTuple):
    """What a convolution's window sees of a map, and what it makes of it.

    square: sum over taps of the mean of the (relative) second moment at the places that the tap visits.
    product: sum over taps of the squared mean of the (relative) first moment there.
    variance: of the profile behind it.
    """

    square: float
    product: float
    variance: float


class _Family(NamedTuple):
    variances: list[float]
    profiles: list[NDArray[Any]]
    root_means: list[float]


@lru_cache(4096)
def taps(height: int, width: int, axes: Axes) -> float:
    """How many taps of a zero-padded window fall inside the map, on average over the outputs."""
    return _axis_taps(height, axes[0]) * _axis_taps(width, axes[1])


def _axis_taps(size: int, axis: Axis) -> float:
    kernel_size, stride, padding, dilation = axis
    outputs = window(size, axis.reach + 1, stride, padding)
    inside = sum(
        0 <= output * stride - padding + tap * dilation < size
        for output in range(outputs)
        for tap in range(kernel_size)
    )
    return inside / outputs


@lru_cache(4096)
def window_sizes(size: int, outputs: int, kernel_size: int, stride: int) -> tuple[int, ...]:
    """How many places inside the map each pooling window has along one axis."""
    padding = (kernel_size - 1) // 2
    starts = [output * stride - padding for output in range(outputs)]
    return tuple([min(size, start + kernel_size) - max(0, start) for start in starts])


def _shifted(profile: NDArray[Any], axes: Axes) -> NDArray[Any]:
    """(taps, outputs high, outputs wide): the map under each tap, 0 outside."""
    import numpy as np

    high, wide = axes
    padded = np.pad(profile, ((high.padding, high.padding), (wide.padding, wide.padding)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (high.reach + 1, wide.reach + 1))
    windows = windows[:: high.stride, :: wide.stride, :: high.dilation, :: wide.dilation]
    return np.moveaxis(windows, (2, 3), (0, 1)).reshape(-1, *windows.shape[:2])


def _short(size: int, axis: Axis) -> int:
    """The side that a map is computed with: windows meet its borders as they meet those of `size`."""
    enough = max(LONG, 2 * (AGES[-1] + axis.reach + axis.padding + axis.stride))
    return size if size <= enough else enough + (size - enough) % axis.stride


def _with_middle(profile: NDArray[Any], sides: tuple[int, int]) -> NDArray[Any]:
    """A profile with its middle repeated, up to other sides."""
    for axis, (side, wanted) in enumerate(zip(profile.shape, sides, strict=True)):
        if side != wanted:
            places = [*range(side // 2), *[side // 2] * (wanted - side), *range(side // 2, side)]
            profile = profile.take(places, axis=axis)
    return profile


def _alike(sides: tuple[int, ...], short: tuple[int, ...]) -> NDArray[Any] | None:
    """How many places of a map each place stands for that it is computed with; None where each stands for itself."""
    import numpy as np

    if sides == short:
        return None
    counts = [np.ones(each) for each in short]
    for count, side in zip(counts, sides, strict=True):
        count[len(count) // 2] += side - len(count)
    return np.outer(*counts)


def _mean(values: NDArray[Any], alike: NDArray[Any] | None) -> Any:
    """The mean over the places of a map."""
    return values.mean(axis=(-2, -1)) if alike is None else (values * alike).sum(axis=(-2, -1)) / alike.sum()


def _variance(profile: NDArray[Any], alike: NDArray[Any] | None) -> float:
    """The variance over the places of a map."""
    return float(profile.var() if alike is None else _mean((profile - _mean(profile, alike)) ** 2, alike))


def _outputs(sides: tuple[int, ...], axes: Axes) -> tuple[int, ...]:
    return tuple(
        [window(side, axis.reach + 1, axis.stride, axis.padding) for side, axis in zip(sides, axes, strict=True)]
    )


def _convolved(
    profile: NDArray[Any], size: tuple[int, int], axes: Axes, unit: Nonlinearity, *, share: float
) -> tuple[float, float, NDArray[Any], NDArray[Any] | None]:
    """The two sums of a `View` and the profile behind the convolution of a map of a size: inside the map E (a - mean)^2,
    outside mean^2, the mean being that of the tap over all outputs (a batch norm takes it away); without a norm E a^2 inside.
    And what each of its places stands for (`_alike`).
    """
    sides = (_short(size[0], axes[0]), _short(size[1], axes[1]))
    profile, alike = _with_middle(profile, sides), _alike(_outputs(size, axes), _outputs(sides, axes))
    of_mean, of_rest = unit.mean**2 / unit.square, unit.variance / unit.square
    moments = of_mean * profile ** (2 * unit.mean_power) + of_rest * profile**unit.variance_power
    second = _shifted(moments, axes)
    first = _shifted(profile**unit.mean_power, axes)
    means = _mean(first, alike)
    square, product = _mean(second, alike).sum(), (means * means).sum()
    after = unit.square * second.sum(axis=0)
    if share:
        cross = share * unit.mean**2
        after = after - 2 * cross * (means @ first.reshape(len(means), -1)).reshape(after.shape) + cross * product
    return float(square), float(product), after / _mean(after, alike), alike


@lru_cache(512)
def _family(height: int, width: int, unit: Nonlinearity, centred: bool) -> _Family:
    import numpy as np

    size = (height, width)
    profile = np.ones([_short(side, axis) for side, axis in zip(size, _FAMILY_AXES, strict=True)])
    alike = _alike(size, profile.shape)
    family = _Family([], [], [])
    ages = max(2, min(AGES[-1], WORK // (9 * height * width)))
    for age in range(ages + 1):
        if age in AGES:
            variance = _variance(profile, alike)
            if family.variances and variance <= family.variances[-1] + 1e-6:
                break
            family.variances.append(variance)
            family.profiles.append(profile)
            family.root_means.append(float(_mean(profile**0.5, alike)))
        profile = _convolved(profile, size, _FAMILY_AXES, unit, share=1.0 if centred else 0.0)[2]
    return family


@lru_cache(65536)
def _member_view(height: int, width: int, member: int, axes: Axes, unit: Nonlinearity, share: int) -> View:
    profile = _family(height, width, unit, share > 0).profiles[member]
    square, product, after, alike = _convolved(profile, (height, width), axes, unit, share=share / SHARES)
    return View(square, product, _variance(after, alike))


def _between(variances: list[float], variance: float) -> tuple[int, float]:
    """The member below a variance, and how far it is to the next."""
    member = bisect_right(variances, variance) - 1
    if member >= len(variances) - 1:
        return len(variances) - 1, 0.0
    low = variances[member]
    return member, (variance - low) / (variances[member + 1] - low)


def view(size: tuple[int, int], variance: float, *, axes: Axes, unit: Nonlinearity, share: float) -> View:
    """What a zero-padded convolution on the values `unit` sees of a map whose profile has a variance; `centred` if a
    batch norm follows.
    """
    height, width = size
    unit = identity() if unit.is_linear else unit  # what is seen is relative
    part = round(SHARES * share) or (1 if share else 0)
    if variance <= 0.0:
        return _member_view(height, width, 0, axes, unit, part)
    member, way = _between(_family(height, width, unit, part > 0).variances, variance)
    low = _member_view(height, width, member, axes, unit, part)
    if not way:
        return low
    high = _member_view(height, width, member + 1, axes, unit, part)
    return View(
        low.square + way * (high.square - low.square),
        low.product + way * (high.product - low.product),
        low.variance + way * (high.variance - low.variance),
    )


def root_mean(size: tuple[int, int], variance: float, unit: Nonlinearity) -> float:
    """The mean over the map of the root of the second moment."""
    family = _family(*size, identity() if unit.is_linear else unit, centred=True)
    member, share = _between(family.variances, variance)
    if not share:
        return family.root_means[member]
    return family.root_means[member] + share * (family.root_means[member + 1] - family.root_means[member])
