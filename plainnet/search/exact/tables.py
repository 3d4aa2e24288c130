"""Blocks that are no formula of their widths, counted one by one: a table of all their widths and depths."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plainnet.search.exact.measured_blocks import Measured
from plainnet.search.exact.monomials import Floats
from plainnet.search.exact.nodes import Nodes
from plainnet.search.exact.summed_objectives import NotASumError

__all__ = ["MOST_COUNTED", "MOST_WIDTHS", "Table", "counted", "size_of", "uses_vary"]

Ints = NDArray[np.int64]

MOST_COUNTED = 6_000
"""Blocks of one option that are counted one by one."""
MOST_WIDTHS = 64
"""Widths of a place that has such blocks: each is a node of its own."""


@dataclass(frozen=True, eq=False)
class Table:
    """sums: [depth, x, y, z, quantity] by positions in the grids of widths, of which there is one where all blocks have the same;
    fits: which of these blocks there are."""

    sums: Floats
    fits: NDArray[np.bool_]

    def of(self, depths: list[int], x: Nodes, y: Nodes, z: Nodes | None) -> tuple[Floats, NDArray[np.bool_]]:
        """The part for depths and nodes of single widths, [depth, x, y, z, quantity], and which there are."""
        inner = np.zeros(1, dtype=np.int64) if z is None else z.first
        at = np.ix_(np.array(depths, dtype=np.int64), self._along(1, x.first), self._along(2, y.first), inner)
        return self.sums[at], self.fits[at]

    def at(self, depth: Any, x: Any, y: Any, z: Any) -> Floats:
        """The sums of single blocks, by positions in the grids: of one block, or of many, [block, quantity]."""
        found: Floats = self.sums[depth, self._along(1, x), self._along(2, y), z]
        return found

    def _along(self, axis: int, at: Any) -> Any:
        """Positions along an axis, on which all widths may be the same one."""
        return at if self.sums.shape[axis] > 1 else np.zeros_like(at)


def size_of(grids: Sequence[Ints], depths: Sequence[int]) -> int:
    """How many blocks there are of widths from `grids`."""
    return len(grids[0]) * len(grids[1]) * len(grids[2]) * len(depths)


def counted(
    measured: Measured, grids: Sequence[Ints], depths: Sequence[int], quantities: int, watch: Callable[[], None]
) -> Table | None:
    """The table of an option, with what is used of the axis among its quantities; None where none of its blocks fits. An inner
    width that follows from what is put out has no positions of its own: the last of the grids then holds one.
    """
    option = measured.option
    shape = (len(depths), *(len(grid) for grid in grids))
    sums, fits = np.zeros((*shape, quantities)), np.zeros(shape, dtype=bool)
    for at in np.ndindex(*shape):
        x, y, z = (int(grid[place]) for grid, place in zip(grids, at[1:], strict=True))
        z = z if option.ratio is None else option.inner_of(y)
        if measured.fits(x, y, z, depths[at[0]]):
            sums[at], fits[at] = measured(x, y, z, depths[at[0]]), True
        if not at[2] and not at[3]:
            watch()
    if not fits.any():
        return None
    steps = [np.unique(sums[depth][fits[depth]][:, 2]) for depth in range(len(depths))]
    if any(len(each) > 1 for each in steps):
        raise NotASumError(uses_vary(option.name))
    return Table(sums, fits)


def uses_vary(name: str) -> str:
    """Why a block is refused whose depth, say, is no number that its `sub_layers` says."""
    return f"what {name} uses of a budget that is counted along paths depends on widths; `plainnet search` remains"
