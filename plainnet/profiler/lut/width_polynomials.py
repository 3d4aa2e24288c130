"""Microseconds of operations as polynomials of their widths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["Cell", "FamilyForm", "Form", "Formulas", "at_size"]

Cell = tuple[str, int, int]
"""A family on a map of one size: (family, height, width)."""


class Form(NamedTuple):
    """The microseconds of a family on a map of one size, and the widths that were measured (None: not on this size)."""

    constant: float
    per_in: float
    per_out: float
    per_product: float
    in_range: tuple[int, int] | None
    out_range: tuple[int, int] | None

    def at(self, in_channels: int, out_channels: int) -> float:
        return (
            self.constant
            + self.per_in * in_channels
            + self.per_out * out_channels
            + self.per_product * in_channels * out_channels
        )

    def scaled(self, factor: float, more: float) -> Form:
        """`factor` times as much, and `more` microseconds for each operation."""
        constant, per_in, per_out, per_product = (factor * value for value in self[:4])
        return Form(more + constant, per_in, per_out, per_product, self.in_range, self.out_range)

    def covers(self, in_channels: int, out_channels: int) -> bool:
        """Whether both widths lie between measured ones."""
        if self.in_range is None or self.out_range is None:
            return False
        (low, high), (least, most) = self.in_range, self.out_range
        return low <= in_channels <= high and least <= out_channels <= most


class FamilyForm(NamedTuple):
    """The microseconds of a family on maps of any size between the smallest and the largest that was measured."""

    coefficients: tuple[float, float, float, float, float]
    areas: tuple[int, int]

    def scaled(self, factor: float, more: float) -> FamilyForm:
        """`factor` times as much, and `more` microseconds for each operation."""
        constant, per_in, per_out, per_product, per_weight = (factor * value for value in self.coefficients)
        return FamilyForm((more + constant, per_in, per_out, per_product, per_weight), self.areas)

    def on(self, height: int, width: int) -> Form | None:
        """The form on maps of one size; None for one that is smaller or larger than all that were measured."""
        if not self.areas[0] <= height * width <= self.areas[1]:
            return None
        return Form(*at_size(self.coefficients, height, width), None, None)


class Formulas(NamedTuple):
    """What was fitted."""

    cells: dict[Cell, Form]
    families: dict[str, FamilyForm]

    def form(self, cell: Cell) -> Form | None:
        """The form of a cell, between sizes where it was not measured itself; None beyond them."""
        found = self.cells.get(cell)
        if found is None and cell[0] in self.families:
            found = self.families[cell[0]].on(*cell[1:])
        return found


def at_size(shared: Sequence[float], height: int, width: int) -> tuple[float, float, float, float]:
    area = max(1, height * width)
    constant, per_in, per_out, per_product, per_weight = shared
    return constant, area * per_in, area * per_out, area * per_product + per_weight
