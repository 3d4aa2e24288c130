"""From timed operations to formulas: microseconds as a sum over operations, each bilinear in its two widths.

    t(operation) = a + b C_in + c C_out + d C_in C_out        for each (family, height, width), a, b, c, d >= 0

That is work, weights and traffic of a layer on a map of one size, whatever of it counts on a machine. Coefficients are found by
non-negative least squares of relative errors. Where a size was seen too seldom, its family's formula over all sizes P = H W is
taken, t = a + P (b C_in + c C_out + d C_in C_out) + e C_in C_out. As every formula is a polynomial of widths, an exact search
can add them up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from plainnet.profiler.lut.operations import Operation
from plainnet.profiler.lut.width_polynomials import FamilyForm, Form, Formulas, at_size

__all__ = ["fit_formulas", "overheads"]

ENOUGH = 8
"""Different pairs of widths from which a size has a formula of its own."""
_STEPS = 3
"""Rounds of weighing runs down that lie far from the formula."""

Floats = NDArray[np.float64]


def fit_formulas(timed: Iterable[tuple[Operation, float]]) -> Formulas:
    """The formula of every family and size among timed operations."""
    families: dict[str, list[tuple[Operation, float]]] = {}
    for key, micros in timed:
        families.setdefault(key.family, []).append((key, micros))
    found = Formulas({}, {})
    for family, all_sizes in families.items():
        sizes: dict[tuple[int, int], list[tuple[Operation, float]]] = {}
        for key, micros in all_sizes:
            sizes.setdefault((key.height, key.width), []).append((key, micros))
        shared = _family_coefficients(all_sizes)
        areas = [height * width for height, width in sizes]
        found.families[family] = FamilyForm(shared, (min(areas), max(areas)))
        for (height, width), some in sizes.items():
            widths = {(key.in_channels, key.out_channels) for key, _ in some}
            four = _cell_coefficients(some) if len(widths) >= ENOUGH else at_size(shared, height, width)
            ins, outs = zip(*widths, strict=True)
            found.cells[family, height, width] = Form(*four, (min(ins), max(ins)), (min(outs), max(outs)))
    return found


def _cell_coefficients(some: Sequence[tuple[Operation, float]]) -> tuple[float, float, float, float]:
    rows = [(1.0, k.in_channels, k.out_channels, k.in_channels * k.out_channels) for k, _ in some]
    one, two, three, four = _non_negative(np.array(rows, dtype=float), np.array([micros for _, micros in some]))
    return one, two, three, four


def _family_coefficients(some: Sequence[tuple[Operation, float]]) -> tuple[float, float, float, float, float]:
    rows = []
    for key, _ in some:
        area, x, y = max(1, key.height * key.width), key.in_channels, key.out_channels
        rows.append((1.0, area * x, area * y, area * x * y, x * y))
    one, two, three, four, five = _non_negative(np.array(rows, dtype=float), np.array([micros for _, micros in some]))
    return one, two, three, four, five


def _non_negative(rows: Floats, micros: Floats) -> list[float]:
    """Coefficients of at least 0 with small relative errors; what lies far out (a moment in which something else ran) counts
    less."""
    from scipy.optimize import nnls

    scale = np.abs(rows).max(axis=0)
    table = rows / scale / micros[:, None]
    weight = np.ones(len(micros))
    for _ in range(_STEPS):
        found, _ = nnls(table * weight[:, None], weight)
        error = np.abs(table @ found - 1)
        usual = max(float(np.median(error)), 0.01)
        weight = np.sqrt(np.minimum(1.0, 2 * usual / np.maximum(error, 1e-12)))
    return [float(value) for value in found / scale]


def overheads(sums: Sequence[float], calls: Sequence[int], wholes: Sequence[float]) -> tuple[float, float, float]:
    """What a call of a network takes beside its operations: (constant, for each operation, as a factor of their sum)."""
    rows = np.array([(1.0, n, s) for n, s in zip(calls, sums, strict=True)])
    constant, each, factor = _non_negative(rows, np.array(wholes, dtype=float))
    return constant, each, factor
