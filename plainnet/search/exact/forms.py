"""Blocks as formulas of their widths: found from a few counted blocks, and checked on others.

What a block of one option costs and gains is, in all blocks that ship,

    sum over m of (a_m + b_m depth) * m(x, y, z)        m: 1, x, y, z, x^2, y^2, z^2, xy, xz, yz, log x, log y, log z

x, y and z being the channels that come in, go out and are inside. Where two of them are equal a block may be another one (a
shortcut needs no projection then): these cases have formulas of their own. Formulas of counts are solved in rational
numbers; every formula is compared with blocks that were not used to find it, and what does not agree is refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import lru_cache
from random import Random
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from plainnet.search.exact.sums import NotASumError

__all__ = ["MONOMIALS", "Floats", "Form", "find_form", "monomials", "point_monomials"]

Floats = NDArray[np.float64]

MONOMIALS = ("1", "x", "y", "z", "xx", "yy", "zz", "xy", "xz", "yz", "log x", "log y", "log z")
POWERS = tuple(tuple(text.count(letter) for letter in "xyz") for text in MONOMIALS[:10])
TRIALS = 24
"""Small multiples of a width's unit that formulas are found from."""
HELD_OUT = 6
"""Blocks that a formula is compared with."""
CLOSE = 1e-9
PAIRS = ((0, 1), (0, 2), (1, 2))

Measure = Callable[[int, int, int, int], Sequence[float]]
"""(x, y, z, depth) -> what is summed up: whole numbers exactly, others as floats."""

Meetings = dict[tuple[int, int], tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]
"""What two grids have in common, by their identities; they are kept so that no other grid can have these."""


class Form(NamedTuple):
    """The coefficients of an option: depth -> quantity -> monomial. equal: formulas of their own for equal widths; those of the
    pair (0, 1) are in y and z, the others in x and y."""

    generic: Floats
    equal: tuple[tuple[tuple[int, int], Floats], ...]


def monomials(x: Floats, y: Floats, z: Floats) -> Floats:
    """The monomials of widths, along a last axis."""
    one = np.ones(np.broadcast_shapes(x.shape, y.shape, z.shape))
    parts = (one, x, y, z, x * x, y * y, z * z, x * y, x * z, y * z, np.log(x), np.log(y), np.log(z))
    return np.stack([np.broadcast_to(part, one.shape) for part in parts], axis=-1)


def point_monomials(x: float, y: float, z: float) -> Floats:
    """The monomials of one point."""
    logs = math.log(x), math.log(y), math.log(z)
    return np.array((1.0, x, y, z, x * x, y * y, z * z, x * y, x * z, y * z, *logs))


def find_form(
    measure: Measure,
    grids: Sequence[NDArray[np.int64]],
    depths: Sequence[int],
    exact: Sequence[bool],
    what: str,
    meetings: Meetings | None = None,
) -> Form:
    """The formula of an option for widths from `grids` (x, y, z). exact: which quantities are whole numbers. meetings: what grids
    have in common, remembered from one option to the next."""
    finder = _Finder(measure, grids, depths, exact, what, {} if meetings is None else meetings)
    generic = finder.fitted(None)
    equal = []
    for pair in PAIRS:
        shared = finder.shared(*pair)
        if len(shared) and finder.differs(pair, shared, generic):
            equal.append((pair, finder.fitted(pair)))
    form = Form(generic, tuple(equal))
    finder.check_all_equal(form)
    return form


class _Finder:
    def __init__(
        self,
        measure: Measure,
        grids: Sequence[NDArray[np.int64]],
        depths: Sequence[int],
        exact: Sequence[bool],
        what: str,
        meetings: Meetings,
    ) -> None:
        self.measure, self.grids, self.depths, self.exact, self.what = measure, grids, depths, exact, what
        self.meetings = meetings

    def shared(self, one: int, two: int) -> NDArray[np.int64]:
        """The values that two widths may both have."""
        a, b = self.grids[one], self.grids[two]
        key = (id(a), id(b))
        if key not in self.meetings:
            self.meetings[key] = (a, b, _in_both(a, b))
        return self.meetings[key][2]

    def fitted(self, pair: tuple[int, int] | None) -> Floats:
        """The coefficients for widths that are all different, or for those of a pair being equal."""
        merged = pair[1] if pair and pair != (0, 1) else (0 if pair else None)
        grids = list(self.grids)
        if pair is not None:
            both = self.shared(*pair)
            grids[pair[0]] = grids[pair[1]] = both
        free = tuple(at for at in range(3) if len(grids[at]) > 1 and at != merged)
        points = _points(tuple(tuple(_trials(grid).tolist()) for grid in grids), free, pair)
        ends = sorted({self.depths[0], self.depths[min(1, len(self.depths) - 1)]})
        found = {depth: self._at_depth(points, free, depth) for depth in ends}
        straight = self._along_depths(found)
        if straight is not None and self._holds(straight, grids, pair, merged):
            return straight
        each = np.stack([self._at_depth(points, free, depth) for depth in self.depths])
        if not self._holds(each, grids, pair, merged):
            raise NotASumError(
                f"{self.what}: what it costs or gains is no formula of its widths that is known here (products of two of "
                "them, squares and logarithms); `plainnet search` remains"
            )
        return each

    def _along_depths(self, found: dict[int, Floats]) -> Floats | None:
        """The coefficients of all depths from those of two."""
        ends = sorted(found)
        if len(ends) == 1:
            return found[ends[0]][None] if len(self.depths) == 1 else None
        slope = (found[ends[1]] - found[ends[0]]) / (ends[1] - ends[0])
        return np.stack([found[ends[0]] + (depth - ends[0]) * slope for depth in self.depths])

    def _at_depth(self, points: tuple[tuple[int, int, int], ...], free: tuple[int, ...], depth: int) -> Floats:
        """The coefficients at one depth, from blocks of so many widths."""
        powers = _powers(free)
        values = [self.measure(*point, depth) for point in points]
        inverse = _inverse(points[: len(powers)], free)
        coefficients = np.zeros((len(self.exact), len(MONOMIALS)))
        for quantity, exact in enumerate(self.exact):
            column = [each[quantity] for each in values]
            if exact:
                for row, power in enumerate(powers):
                    total = sum(inverse[row][k] * Fraction(column[k]) for k in range(len(powers)))
                    coefficients[quantity, power] = float(total)
            else:
                self._fit_logs(coefficients[quantity], points, free, column)
        return coefficients

    @staticmethod
    def _fit_logs(
        into: Floats, points: tuple[tuple[int, int, int], ...], free: tuple[int, ...], column: Sequence[float]
    ) -> None:
        """A sum of logarithms, or else of all monomials, nearest to a column."""
        widths = np.array(points, dtype=float)
        table = monomials(widths[:, 0], widths[:, 1], widths[:, 2])
        logs = [0, *(10 + at for at in free)]
        for chosen in (logs, _powers(free), sorted({*_powers(free), *logs})):
            if len(chosen) > len(points):
                continue
            used = table[:, chosen]
            scale = np.abs(used).max(axis=0)
            found = np.linalg.lstsq(used / scale, np.array(column), rcond=None)[0] / scale
            if np.abs(used @ found - column).max() <= CLOSE * (1 + np.abs(column).max()):
                found[np.abs(found) * scale <= CLOSE * 1e-3 * (1 + np.abs(column).max())] = 0
                into[chosen] = found
                return

    def _holds(
        self, coefficients: Floats, grids: Sequence[NDArray[np.int64]], pair: tuple[int, int] | None, merged: int | None
    ) -> bool:
        """Whether a formula agrees with blocks from the grid that it was not found from."""
        random = Random(0)
        for trial in range(HELD_OUT + 2):
            index = random.randrange(len(self.depths)) if trial else len(self.depths) - 1
            where = [-1 if trial == 0 else 0 if trial == 1 else random.randrange(1 << 30) for _ in range(3)]
            point = [int(grid[at % len(grid)] if at >= 0 else grid[-1]) for grid, at in zip(grids, where, strict=True)]
            if pair is not None:
                point[pair[0]] = point[pair[1]]
                if point[3 - sum(pair)] == point[pair[0]]:
                    continue
            elif len({*point}) < 3 and any(point[a] == point[b] for a, b in PAIRS):
                continue
            if not self._agrees(coefficients[index], point, index, merged):
                return False
        return True

    def _agrees(self, coefficients: Floats, point: Sequence[int], index: int, merged: int | None) -> bool:
        real = self.measure(point[0], point[1], point[2], self.depths[index])
        return bool(np.all(np.abs(_value(coefficients, point, merged) - real) <= CLOSE * (1 + np.abs(real))))

    def differs(self, pair: tuple[int, int], shared: NDArray[np.int64], generic: Floats) -> bool:
        """Whether blocks are others where two widths are equal."""
        third = 3 - sum(pair)
        for at in (0, len(shared) // 2, len(shared) - 1):
            point = [0, 0, 0]
            point[pair[0]] = point[pair[1]] = int(shared[at])
            other = next((int(each) for each in self.grids[third][:2] if each != shared[at]), None)
            if other is None:
                continue  # all three are equal: `check_all_equal`
            point[third] = other
            for index in {0, len(self.depths) - 1}:
                if not self._agrees(generic[index], point, index, None):
                    return True
        return False

    def check_all_equal(self, form: Form) -> None:
        """See that blocks of three equal widths are among the formulas."""
        shared = _in_both(self.shared(0, 1), self.grids[2])
        if not len(shared):
            return
        for at in (0, len(shared) - 1):
            point = [int(shared[at])] * 3
            for index in {0, len(self.depths) - 1}:
                formulas = [(form.generic, None), *((each, _merged(pair)) for pair, each in form.equal)]
                if not any(self._agrees(each[index], point, index, merged) for each, merged in formulas):
                    raise NotASumError(
                        f"{self.what}: with all widths equal it is no formula that is known; `plainnet search` remains"
                    )


def _in_both(a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
    """What two ascending grids have in common."""
    if len(a) > len(b):
        a, b = b, a
    at = np.minimum(np.searchsorted(b, a), len(b) - 1) if len(b) else np.zeros(0, dtype=np.int64)
    return a[b[at] == a] if len(b) else a[:0]


def _merged(pair: tuple[int, int]) -> int:
    return 0 if pair == (0, 1) else pair[1]


def _value(coefficients: Floats, point: Sequence[int], merged: int | None) -> Floats:
    """The quantities at a point."""
    widths = [float(each) for each in point]
    if merged is not None:  # its monomials are not used
        widths[merged] = 1.0
    result: Floats = coefficients @ point_monomials(*widths)
    return result


def _trials(grid: NDArray[np.int64]) -> NDArray[np.int64]:
    """The widths that formulas are found from: of a grid of many, its first; of few, multiples of their unit."""
    if len(grid) == 1 or len(grid) >= TRIALS:
        return grid[:TRIALS]
    unit = int(np.gcd.reduce(grid))
    return unit * np.arange(1, TRIALS + 1, dtype=np.int64)


def _powers(free: tuple[int, ...]) -> list[int]:
    """The monomials without logarithms in the free widths alone."""
    return [at for at, power in enumerate(POWERS) if all(not power[other] or other in free for other in range(3))]


@lru_cache(maxsize=256)
def _points(
    trials: tuple[tuple[int, ...], ...], free: tuple[int, ...], pair: tuple[int, int] | None
) -> tuple[tuple[int, int, int], ...]:
    """Widths, different ones unless they are of the pair, whose monomials are independent of each other; and three more."""
    random, powers = Random(1), _powers(free)
    for _ in range(200):
        chosen: list[tuple[int, int, int]] = []
        for _ in range(50 * len(powers)):
            point = [random.choice(each) for each in trials]
            if pair is not None:
                point[pair[0]] = point[pair[1]]
            clash = any(point[a] == point[b] for a, b in PAIRS if (a, b) != pair and (a in free or b in free))
            if not clash and tuple(point) not in chosen:
                chosen.append((point[0], point[1], point[2]))
            if len(chosen) == len(powers) + (3 if free else 0):
                break
        if len(chosen) >= len(powers) and _solved(chosen[: len(powers)], free) is not None:
            return tuple(chosen)
    raise AssertionError(f"no independent widths among {trials}")


@lru_cache(maxsize=256)
def _inverse(points: tuple[tuple[int, int, int], ...], free: tuple[int, ...]) -> list[list[Fraction]]:
    found = _solved(points, free)
    assert found is not None
    return found


def _solved(points: Sequence[tuple[int, int, int]], free: tuple[int, ...]) -> list[list[Fraction]] | None:
    """The inverse of the matrix of monomials, in rational numbers; None where there is none."""
    powers = _powers(free)
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
