"""A batch taken apart into its samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

__all__ = ["part_of_batch"]


def part_of_batch(value: Any, number: int, size: int) -> Any:
    """What a batch of `size` samples (or its outputs) holds of sample `number`, as a batch of one; anything else stays whole."""
    if isinstance(value, Tensor) and value.ndim and len(value) == size:
        return value[number : number + 1]
    if isinstance(value, Mapping):
        return {key: part_of_batch(item, number, size) for key, item in value.items()}
    if isinstance(value, list | tuple):
        if len(value) == size and not any(isinstance(item, Tensor) for item in value):
            return type(value)([value[number]])
        return type(value)(part_of_batch(item, number, size) for item in value)
    return value
