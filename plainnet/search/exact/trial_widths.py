"""The widths that formulas are found from: so chosen that they say all coefficients, in rational numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from random import Random

import numpy as np
from numpy.typing import NDArray

from plainnet.search.exact.monomials import POWERS

__all__ = ["PAIRS", "in_both", "inverse_of", "points_of", "powers_of", "trials_of"]

TRIALS = 24
"""Small multiples of a width's unit that formulas are found from."""
PAIRS = ((0, 1), (0, 2), (1, 2))


def in_both(a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
    """What two ascending grids have in common."""
    if len(a) > len(b):
        a, b = b, a
    at = np.minimum(np.searchsorted(b, a), len(b) - 1) if len(b) else np.zeros(0, dtype=np.int64)
    return a[b[at] == a] if len(b) else a[:0]


def trials_of(grid: NDArray[np.int64]) -> NDArray[np.int64]:
    """The widths that formulas are found from: of a grid of many, its first; of few, multiples of their unit."""
    if len(grid) == 1 or len(grid) >= TRIALS:
        return grid[:TRIALS]
    unit = int(np.gcd.reduce(grid))
    return unit * np.arange(1, TRIALS + 1, dtype=np.int64)


def powers_of(free: tuple[int, ...]) -> list[int]:
    """The monomials without logarithms in the free widths alone."""
    return [at for at, power in enumerate(POWERS) if all(not power[other] or other in free for other in range(3))]


@lru_cache(maxsize=256)
def points_of(
    trials: tuple[tuple[int, ...], ...], free: tuple[int, ...], pair: tuple[int, int] | None, more: int
) -> tuple[tuple[int, int, int], ...]:
    """Widths, different ones unless they are of the pair, whose monomials are independent of each other; and some more."""
    random, powers = Random(1), powers_of(free)
    for _ in range(200):
        chosen: list[tuple[int, int, int]] = []
        for _ in range(50 * len(powers)):
            point = [random.choice(each) for each in trials]
            if pair is not None:
                point[pair[0]] = point[pair[1]]
            clash = any(point[a] == point[b] for a, b in PAIRS if (a, b) != pair and (a in free or b in free))
            if not clash and tuple(point) not in chosen:
                chosen.append((point[0], point[1], point[2]))
            if len(chosen) == len(powers) + (more if free else 0):
                break
        if len(chosen) >= len(powers) and _solved(chosen[: len(powers)], free) is not None:
            return tuple(chosen)
    raise AssertionError(f"no independent widths among {trials}")


@lru_cache(maxsize=256)
def inverse_of(points: tuple[tuple[int, int, int], ...], free: tuple[int, ...]) -> list[list[Fraction]]:
    """The inverse of the matrix [point, monomial] of points that `points_of` chose."""
    found = _solved(points, free)
    assert found is not None
    return found


def _solved(points: Sequence[tuple[int, int, int]], free: tuple[int, ...]) -> list[list[Fraction]] | None:
    """The inverse of the matrix of monomials, in rational numbers; None where there is none."""
    powers = powers_of(free)
    size = len(powers)
    rows = [
        [Fraction(math.prod(width**power for width, power in zip(point, POWERS[at], strict=True))) for at in powers]
        + [Fraction(int(row == column)) for column in range(size)]
        for row, point in enumerate(points)
    ]
    for column in range(size):
        pivot = next((row for row in range(column, size) if rows[row][column]), None)
        if pivot is None:
            return None
        rows[column], rows[pivot] = rows[pivot], rows[column]
        head = rows[column][column]
        rows[column] = [each / head for each in rows[column]]
        for row in range(size):
            factor = rows[row][column]
            if row != column and factor:
                rows[row] = [one - factor * two for one, two in zip(rows[row], rows[column], strict=True)]
    return [row[size:] for row in rows]
