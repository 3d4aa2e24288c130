"""Values with one entry for each pixel of an image."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from torch import Tensor

from plainnet.engine.elements.element import Element
from plainnet.errors import UsageError

__all__ = ["PixelData"]


class PixelData(Element):
    """Masks, maps of scores ... of one image: every value is (..., H, W) with one H and W.

    `maps[4:8, :10]` is the same cut out of all of them. Raises `UsageError` for a value of another size.
    """

    @property
    def size(self) -> tuple[int, int] | None:
        """(H, W); None where nothing is held."""
        return next(((int(value.shape[-2]), int(value.shape[-1])) for value in self._values.values()), None)

    def _check_value(self, name: str, value: Any) -> None:
        if not isinstance(value, Tensor | np.ndarray) or value.ndim < 2:
            shape = f" of {tuple(value.shape)}" if isinstance(value, Tensor | np.ndarray) else ""
            raise UsageError(f"{name} is a {type(value).__name__}{shape}; accepted: a tensor or an array (..., H, W)")
        for other, known in self._values.items():
            if other != name and known.shape[-2:] != value.shape[-2:]:
                raise UsageError(
                    f"{name} is of {tuple(value.shape[-2:])} pixels, and {other} of {tuple(known.shape[-2:])}"
                )

    def __getitem__(self, index: tuple[slice, slice]) -> Self:
        if not isinstance(index, tuple) or len(index) != 2 or not all(isinstance(part, slice) for part in index):
            raise IndexError("a cut is two slices, rows and columns: maps[4:8, :10]")
        return self._rebuilt(lambda value: value[(..., *index)], self._meta)
