"""Values with one entry for each object of an image."""

from __future__ import annotations

from collections.abc import Sequence, Sized
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from plainnet.engine.elements.element import Element
from plainnet.errors import UsageError

__all__ = ["InstanceData"]


class InstanceData(Element):
    """Boxes, classes, masks, scores ... of the objects of one image: every value has one entry for each of them.

    `len(found)` is their number; `found[2]`, `found[1:3]`, `found[[0, 2]]`, `found[scores > 0.5]` (a mask or numbers, as a
    tensor, an array or a list) are those objects. Raises `UsageError` for a value of another length, and IndexError for an
    object that is not there.
    """

    def __len__(self) -> int:
        return next((len(value) for value in self._values.values()), 0)

    def _check_value(self, name: str, value: Any) -> None:
        if not isinstance(value, Sized) or isinstance(value, str | bytes | dict) or _has_no_length(value):
            raise UsageError(
                f"{name} is a {type(value).__name__}; accepted: a tensor, an array or a list of objects' values"
            )
        others = {other: len(known) for other, known in self._values.items() if other != name}
        for other, length in others.items():
            if length != len(value):
                raise UsageError(f"{name} has {len(value)} entries, and {other} has {length}: one for each object")

    def __getitem__(self, index: Any) -> Self:
        chosen = _numbers(index, len(self))
        return self._rebuilt(lambda value: _taken(value, chosen), self._meta)

    @classmethod
    def cat(cls, parts: Sequence[Self]) -> Self:
        """The objects of all parts, one after the other, with the first part's `meta`; all have the same names."""
        if not parts:
            raise UsageError("nothing is put together: give at least one part")
        names = parts[0].keys()
        for part in parts:
            if sorted(part.keys()) != sorted(names):
                raise UsageError(
                    f"one part has {', '.join(names) or 'nothing'}, another {', '.join(part.keys()) or 'nothing'}"
                )
        return parts[0].new(**{name: _joined(name, [part.get(name) for part in parts]) for name in names})


def _has_no_length(value: Any) -> bool:
    return isinstance(value, Tensor | np.ndarray) and value.ndim == 0


def _numbers(index: Any, length: int) -> list[int]:
    """The numbers of the objects that an index means."""
    if isinstance(index, slice):
        return list(range(length))[index]
    found = np.asarray(index.cpu() if isinstance(index, Tensor) else index)
    if found.ndim > 1 or (found.size and found.dtype.kind not in "biu"):
        raise IndexError(f"an index of {found.ndim} dimensions of {found.dtype}; accepted: numbers, a mask or a slice")
    if found.dtype.kind == "b":
        if found.shape != (length,):
            raise IndexError(f"a mask of {found.shape}, and there are {length} objects")
        return np.flatnonzero(found).tolist()
    numbers: list[int] = np.atleast_1d(found).tolist()
    for number in numbers:
        if not -length <= number < length:
            raise IndexError(f"object {number} of {length}")
    return [int(number) % length for number in numbers]


def _taken(value: Any, chosen: list[int]) -> Any:
    if isinstance(value, Tensor):
        return value[torch.tensor(chosen, dtype=torch.int64, device=value.device)]
    if isinstance(value, np.ndarray):
        return value[np.array(chosen, dtype=np.int64)]
    if isinstance(value, InstanceData):
        return value[chosen]
    return type(value)(value[number] for number in chosen)


def _joined(name: str, values: list[Any]) -> Any:
    kinds = {type(value) for value in values}
    if len(kinds) > 1:
        raise UsageError(f"{name} is of several types: {', '.join(sorted(kind.__name__ for kind in kinds))}")
    first = values[0]
    if isinstance(first, Tensor):
        return torch.cat(values)
    if isinstance(first, np.ndarray):
        return np.concatenate(values)
    if isinstance(first, InstanceData):
        return type(first).cat(values)
    return type(first)(item for value in values for item in value)
