"""The weights of quantised modules, which torch keeps in packed objects instead of parameters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["packed_objects", "size_bytes", "unpacked"]

_SHARES = {torch.quint4x2: 2, torch.quint2x4: 4}
"""Elements in one byte, where there are several."""


def unpacked(packed: Any) -> list[Tensor]:
    """The weights and biases in a packed object, weights first; what else it holds (strides, padding) is left out."""
    found = {id(tensor): tensor for tensor in _tensors(packed)}.values()
    kept = [tensor for tensor in found if tensor.is_quantized or tensor.is_floating_point()]
    return sorted(kept, key=lambda tensor: tensor.dim() < 2)


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, torch.ScriptObject):
        state: Any = value.__getstate__()
        yield from _cell(state[0]) if _is_cell(state) else _tensors(state)
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _tensors(part)


def _is_cell(state: Any) -> bool:
    return isinstance(state, tuple) and bool(state) and isinstance(state[-1], str) and "CellParams" in state[-1]


def _cell(state: Any) -> Iterator[Tensor]:
    """A recurrent cell: its biases stand beside its packed weights, and in them once more."""
    _, biases, _, _, weights = state
    yield from _tensors(biases)
    for packed in weights:
        yield from (tensor for tensor in _tensors(packed) if tensor.dim() > 1)


def packed_objects(part: nn.Module) -> list[Any]:
    """The packed objects that a module holds itself, not in its parts."""
    return [
        value
        for value in vars(part).values()
        if isinstance(value, torch.ScriptObject) and not isinstance(value, torch._C.ScriptModule)
        if value._has_method("__getstate__")  # type: ignore[attr-defined]
    ]


def size_bytes(tensors: Iterable[Tensor]) -> int:
    """The bytes of tensors in their own types; of sparse ones what is stored, places included; scales are left out."""
    return sum(map(_size, tensors))


def _size(tensor: Tensor) -> int:
    if tensor.layout == torch.strided:
        return tensor.nbytes if tensor.dtype not in _SHARES else -(-tensor.nbytes // _SHARES[tensor.dtype])
    return sum(part.numel() * part.element_size() for part in _stored(tensor))


def _stored(tensor: Tensor) -> tuple[Tensor, ...]:
    if tensor.layout == torch.sparse_coo:
        return tensor._values(), tensor._indices()
    if tensor.layout in (torch.sparse_csr, torch.sparse_bsr):
        return tensor.values(), tensor.crow_indices(), tensor.col_indices()
    if tensor.layout in (torch.sparse_csc, torch.sparse_bsc):
        return tensor.values(), tensor.ccol_indices(), tensor.row_indices()
    return (tensor,)
