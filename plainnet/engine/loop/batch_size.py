"""How many samples a batch holds: what it says itself, or what its entries agree on; never a guess."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from plainnet.errors import RunError

__all__ = ["SAMPLES", "is_said", "samples_in"]

SAMPLES = "samples"
"""The entry of a batch that says how many samples it holds."""
DRAW = "draw"
"""A seed for each image that a `Loader` was asked for, whatever became of them."""
HINT = f"let the batch say it (an entry {SAMPLES}, a number), or override count_samples(batch)"


def is_said(batch: Any) -> bool:
    """Whether the batch says itself how many samples it holds."""
    return isinstance(batch, Mapping) and _number(batch.get(SAMPLES)) is not None


def samples_in(batch: Any) -> int:
    """The number of samples in a batch.

    It is the entry `samples`, where there is such a number. Else it is the length that all tensors (or, without any, all lists)
    of the batch have in common. Where they differ it is the number that a `Loader` was asked for if an entry has that length,
    and else the length of `label`, which has one entry for each sample. Raises `RunError` where nothing tells.
    """
    if is_said(batch):
        return int(_number(batch[SAMPLES]) or 0)
    tensors, lists = dict[str, int](), dict[str, int]()
    _lengths(batch, "", tensors, lists)
    draws = tensors.pop(DRAW, None)
    lengths = tensors or lists
    if len(set(lengths.values())) == 1:
        return next(iter(lengths.values()))
    if draws is not None and (draws in lengths.values() or not lengths):
        return draws
    known = {**lists, **tensors}
    if "label" in known:
        return known["label"]
    if not lengths:
        raise RunError(f"a batch holds no tensor and no list, so that its number of samples is unknown: {HINT}")
    text = ", ".join(f"{name} {length}" for name, length in lengths.items())
    raise RunError(
        f"the entries of a batch differ in length ({text}), so that its number of samples is unknown: {HINT}"
    )


def _number(value: Any) -> int | None:
    if isinstance(value, Tensor) and value.ndim == 0 and not value.is_floating_point():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _lengths(value: Any, name: str, tensors: dict[str, int], lists: dict[str, int]) -> None:
    """The length of every tensor that has one, and of every list, by name (`inputs.image`)."""
    if isinstance(value, Tensor):
        if value.ndim:
            tensors[name] = len(value)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            _lengths(item, f"{name}.{key}" if name else str(key), tensors, lists)
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        if name:
            lists[name] = len(value)
            return
        for number, item in enumerate(value):  # a batch that is a pair, as torch's collate makes it
            _lengths(item, str(number), tensors, lists)
