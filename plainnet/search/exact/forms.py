"""Blocks as formulas of their widths: found from a few counted blocks, and checked on others.

What a block of one option costs and gains is, in all blocks that ship,

    sum over m of (a_m + b_m depth) * m(x, y, z)        m: 1, x, y, z, x^2, y^2, z^2, xy, xz, yz, log x, log y, log z,
                                                           and, for entropies, x log x, x log y, ... z log z

x, y and z being the channels that come in, go out and are inside. Where two of them are equal a block may be another one (a
shortcut needs no projection then): these cases have formulas of their own. Formulas of counts are solved in rational
numbers; every formula is compared with blocks that were not used to find it, and what does not agree is refused.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from random import Random
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from plainnet.search.exact.monomials import MONOMIALS, WITH_LOGS, Floats, monomials, point_monomials
from plainnet.search.exact.summed_objectives import NoFormulaError
from plainnet.search.exact.trial_widths import PAIRS, in_both, inverse_of, points_of, powers_of, trials_of

__all__ = [
    "MORE",
    "MORE_OF_ENTROPIES",
    "Form",
    "Meetings",
    "find_form",
]

MORE, MORE_OF_ENTROPIES = 3, 9
"""Blocks that a formula has to fit, beside as many as it has terms without logarithms."""
HELD_OUT = 6
"""Blocks that a formula is compared with."""
CLOSE = 1e-9
ALL = 2_000
"""Blocks of one option up to which a formula is compared with all of them, where it is with every width."""
TRIALS = 20
"""Draws of widths beside one that is compared, until they are not equal to it."""

Measure = Callable[[int, int, int, int], Sequence[float]]
"""(x, y, z, depth) -> what is summed up: whole numbers exactly, others as floats."""

Meetings = dict[tuple[int, int], tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]
"""What two grids have in common, by their identities; they are kept so that no other grid can have these."""


class Form(NamedTuple):
    """The coefficients of an option: depth -> quantity -> monomial. equal: formulas of their own for equal widths; those of the
    pair (0, 1) are in y and z, the others in x and y."""

    generic: Floats
    equal: tuple[tuple[tuple[int, int], Floats], ...]


def find_form(
    measure: Measure,
    grids: Sequence[NDArray[np.int64]],
    depths: Sequence[int],
    exact: Sequence[bool],
    what: str,
    meetings: Meetings | None = None,
    more: int = MORE,
    *,
    every: bool = False,
) -> Form:
    """The formula of an option for widths from `grids` (x, y, z). exact: which quantities are whole numbers. meetings: what grids
    have in common, remembered from one option to the next. more: blocks beside those that a formula without logarithms needs.
    every: compare blocks of every width and depth, not some."""
    finder = _Finder(measure, grids, depths, exact, what, {} if meetings is None else meetings, more, every=every)
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
        more: int,
        *,
        every: bool,
    ) -> None:
        self.measure, self.grids, self.depths, self.exact, self.what = measure, grids, depths, exact, what
        self.meetings, self.more, self.every = meetings, more, every

    def shared(self, one: int, two: int) -> NDArray[np.int64]:
        """The values that two widths may both have."""
        a, b = self.grids[one], self.grids[two]
        key = (id(a), id(b))
        if key not in self.meetings:
            self.meetings[key] = (a, b, in_both(a, b))
        return self.meetings[key][2]

    def fitted(self, pair: tuple[int, int] | None) -> Floats:
        """The coefficients for widths that are all different, or for those of a pair being equal."""
        merged = pair[1] if pair and pair != (0, 1) else (0 if pair else None)
        grids = list(self.grids)
        if pair is not None:
            both = self.shared(*pair)
            grids[pair[0]] = grids[pair[1]] = both
        free = tuple(at for at in range(3) if len(grids[at]) > 1 and at != merged)
        points = points_of(tuple(tuple(trials_of(grid).tolist()) for grid in grids), free, pair, self.more)
        ends = sorted({self.depths[0], self.depths[min(1, len(self.depths) - 1)]})
        found = {depth: self._at_depth(points, free, depth) for depth in ends}
        straight = self._along_depths(found)
        if straight is not None:
            if self._holds(straight, grids, pair, merged):
                return straight
            shifted = self._shifted(straight, points[0], merged)
            if self._holds(shifted, grids, pair, merged):
                return shifted
        each = np.stack([self._at_depth(points, free, depth) for depth in self.depths])
        if not self._holds(each, grids, pair, merged):
            raise NoFormulaError(
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

    def _shifted(self, straight: Floats, point: tuple[int, int, int], merged: int | None) -> Floats:
        """The same with constants of their own at each depth."""
        found = straight.copy()
        for index, depth in enumerate(self.depths):
            found[index, :, 0] += np.array(self.measure(*point, depth)) - _value(straight[index], point, merged)
        return found

    def _at_depth(self, points: tuple[tuple[int, int, int], ...], free: tuple[int, ...], depth: int) -> Floats:
        """The coefficients at one depth, from blocks of so many widths."""
        powers = powers_of(free)
        values = [self.measure(*point, depth) for point in points]
        inverse = inverse_of(points[: len(powers)], free)
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
        entropies = [0, *(1 + at for at in free), *(WITH_LOGS + 3 * v + u for v in free for u in free)]
        for chosen in (logs, powers_of(free), sorted({*powers_of(free), *logs}), entropies):
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
        return all(
            self._agrees(coefficients[index], point, index, merged)
            for widths, index in self._compared(grids, pair)
            if (point := _apart(widths, pair)) is not None
        )

    def _compared(
        self, grids: Sequence[NDArray[np.int64]], pair: tuple[int, int] | None
    ) -> Iterator[tuple[list[int], int]]:
        """The widths, and the number of the depth, of the blocks that a formula is compared with."""
        random, count = Random(0), len(self.depths)
        for trial in range(HELD_OUT + 2):
            index = random.randrange(count) if trial else count - 1
            where = [-1 if trial == 0 else 0 if trial == 1 else random.randrange(1 << 30) for _ in range(3)]
            yield (
                [int(grid[at % len(grid)] if at >= 0 else grid[-1]) for grid, at in zip(grids, where, strict=True)],
                index,
            )
        if not self.every:
            return
        if len(grids[0]) * len(grids[1]) * len(grids[2]) * count <= ALL:
            for *all_widths, index in itertools.product(*(grid.tolist() for grid in grids), range(count)):
                yield all_widths, index
            return
        for axis, values in enumerate([*(grid.tolist() for grid in grids), [*range(count)]]):
            for number, value in enumerate(values):
                for _ in range(TRIALS):
                    widths = [int(grid[random.randrange(len(grid))]) for grid in grids]
                    if axis < 3:
                        widths[axis] = value
                    if _apart(widths, pair) is not None:
                        break
                yield widths, number % count

    def _agrees(self, coefficients: Floats, point: Sequence[int], index: int, merged: int | None) -> bool:
        real = self.measure(point[0], point[1], point[2], self.depths[index])
        return bool(np.all(np.abs(_value(coefficients, point, merged) - real) <= CLOSE * (1 + np.abs(real))))

    def differs(self, pair: tuple[int, int], shared: NDArray[np.int64], generic: Floats) -> bool:
        """Whether blocks are others where two widths are equal."""
        third = 3 - sum(pair)
        for at in range(len(shared)) if self.every else (0, len(shared) // 2, len(shared) - 1):
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
        """See that blocks of three equal widths are what the last of the formulas for equal widths says, which is the one that
        exact sums are taken from."""
        shared = in_both(self.shared(0, 1), self.grids[2])
        pair, coefficients = form.equal[-1] if form.equal else (None, form.generic)
        for at in range(len(shared)) if self.every else {0, len(shared) - 1} if len(shared) else ():
            for index in {0, len(self.depths) - 1}:
                point, merged = [int(shared[at])] * 3, None if pair is None else _merged(pair)
                if not self._agrees(coefficients[index], point, index, merged):
                    raise NoFormulaError(
                        f"{self.what}: with all widths equal it is no formula that is known; `plainnet search` remains"
                    )


def _apart(widths: Sequence[int], pair: tuple[int, int] | None) -> list[int] | None:
    """Widths of which those of the pair, and no others, are equal; None where others are: they have a formula of their own."""
    point = list(widths)
    if pair is not None:
        point[pair[0]] = point[pair[1]]
    return point if len({*point}) == (3 if pair is None else 2) else None


def _merged(pair: tuple[int, int]) -> int:
    return 0 if pair == (0, 1) else pair[1]


def _value(coefficients: Floats, point: Sequence[int], merged: int | None) -> Floats:
    """The quantities at a point."""
    widths = [float(each) for each in point]
    if merged is not None:  # its monomials are not used
        widths[merged] = 1.0
    result: Floats = coefficients @ point_monomials(*widths)
    return result
