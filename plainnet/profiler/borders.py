"""Zero padding: how much of a map's second moment stands where, along each axis.

Near the border of a map a convolution sees zeros, so its output is smaller there, and the next convolutions carry that
inwards. A `Profile` holds the second moment along one axis, relative to its mean (two axes multiply). `Window` is what
one convolution makes of the two profiles of a map.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from plainnet.blocks.memo import BoundedMemo
from plainnet.profiler.activations import Nonlinearity

__all__ = ["Profile", "Window", "flat", "pooled", "window"]

GRAIN = 256
"""Profiles are rounded to 1/256, so that the profiles of different networks meet."""


class Profile:
    """The relative second moment at each place of an axis (mean 1). One object for one sequence of values."""

    __slots__ = ("root_mean", "values")

    def __init__(self, values: tuple[float, ...]) -> None:
        self.values = values
        self.root_mean = sum([value**0.5 for value in values]) / len(values)

    def __len__(self) -> int:
        return len(self.values)


_profiles: BoundedMemo[tuple[int, ...], Profile] = BoundedMemo(100_000)


def _profile(values: list[float]) -> Profile:
    mean = sum(values) / len(values)
    key = tuple([round(GRAIN * value / mean) for value in values])
    found = _profiles.get(key)
    if found is None:
        found = _profiles[key] = Profile(tuple([value / GRAIN for value in key]))
    return found


@cache
def flat(size: int) -> Profile:
    """The same second moment everywhere."""
    return _profile([1.0] * size)


class Window(NamedTuple):
    """What a convolution's window sees of a map, and what it puts out.

    taps: how many taps fall inside the map, on average over the outputs.
    square: sum over taps of the mean of the (relative) second moment at the places that the tap visits.
    product: sum over taps of the squared mean of the (relative) first moment there.
    """

    rows: Profile
    columns: Profile
    taps: float
    square: float
    product: float


class _Axis(NamedTuple):
    taps: float
    square: float
    product: float
    squares: list[float]
    products: list[float]


def _axis(profile: Profile, kernel_size: int, stride: int, powers: tuple[float, float]) -> _Axis:
    """The sums along one axis: per tap over the outputs, and per output over the taps."""
    size = len(profile)
    padding = (kernel_size - 1) // 2
    outputs = (size + 2 * padding - kernel_size) // stride + 1
    first = [value ** powers[0] for value in profile.values]
    second = [value ** powers[1] for value in profile.values]
    squares, products = [0.0] * outputs, [0.0] * outputs
    taps = square = product = 0.0
    for tap in range(kernel_size):
        offset = tap - padding
        start = max(0, -(offset // stride)) if offset < 0 else 0
        stop = min(outputs, (size - 1 - offset) // stride + 1)
        if stop <= start:
            continue
        places = range(start * stride + offset, (stop - 1) * stride + offset + 1, stride)
        mean = sum([first[place] for place in places]) / outputs
        taps += (stop - start) / outputs
        product += mean * mean
        for output, place in enumerate(places, start):
            squares[output] += second[place]
            products[output] += first[place] * mean
            square += second[place]
    return _Axis(taps, square / outputs, product, squares, products)


_windows: BoundedMemo[tuple[Profile, Profile, int, int, Nonlinearity, bool], Window] = BoundedMemo(100_000)


def window(
    rows: Profile, columns: Profile, kernel_size: int, *, stride: int, unit: Nonlinearity, centred: bool
) -> Window:
    """The window of a zero-padded convolution on what `unit` puts out; `centred` if a batch norm follows, which takes
    the mean over the batch and the map away from every place.
    """
    key = (rows, columns, kernel_size, stride, unit, centred)
    found = _windows.get(key)
    if found is not None:
        return found
    powers = (unit.mean_power, unit.square_power)
    across = _axis(rows, kernel_size, stride, powers)
    down = across if columns is rows else _axis(columns, kernel_size, stride, powers)
    new_rows = _marginal(across, down, unit, centred)
    found = _windows[key] = Window(
        new_rows,
        new_rows if down is across else _marginal(down, across, unit, centred),
        across.taps * down.taps,
        across.square * down.square,
        across.product * down.product,
    )
    return found


def _marginal(axis: _Axis, other: _Axis, unit: Nonlinearity, centred: bool) -> Profile:
    """E of the squared output along one axis: sum over taps of E (a - mean a)^2 inside, (mean a)^2 outside."""
    square, product = unit.square * other.square, unit.mean**2 * other.product
    if not centred:
        return _profile([square * value for value in axis.squares])
    constant = product * axis.product
    return _profile(
        [
            square * value - 2 * product * mixed + constant
            for value, mixed in zip(axis.squares, axis.products, strict=True)
        ]
    )


def pooled(profile: Profile, size: int, kernel_size: int, stride: int) -> tuple[Profile, float]:
    """The profile behind a pooling to `size` places, and how many places inside the map a window has on average."""
    padding = (kernel_size - 1) // 2
    values, count = [], 0
    for output in range(size):
        start = output * stride - padding
        inside = profile.values[max(0, start) : max(1, start + kernel_size)]
        count += len(inside)
        values.append(sum(inside) / len(inside))
    return _profile(values), count / size
