"""Weights that are carried over into an export."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from plainnet.errors import UsageError
from plainnet.export.network import Network

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["classes_of", "read_weights"]

_SHOWN = 3
"""How many keys of each kind an error lists."""


def read_weights(path: Path, network: Network) -> dict[str, Tensor]:
    """The tensors of a safetensors file, in the network's order; `UsageError` if they are not this network's."""
    tensors = _load(path)
    import torch

    with torch.device("meta"):
        expected = network.build("default").state_dict()
    problems = [
        *_listed("missing", [key for key in expected if key not in tensors]),
        *_listed("unknown", [key for key in tensors if key not in expected]),
        *_listed("of another shape", _misfits(tensors, expected)),
    ]
    if problems:
        raise UsageError(f"{path} holds no weights of {network.title}: {'; '.join(problems)}")
    return {key: tensors[key] for key in expected}


def classes_of(path: Path) -> int | None:
    """The number of classes that the weights were trained for; None if they have no classifier."""
    head = _load(path).get("head.weight")
    return None if head is None else int(head.shape[0])


def _load(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise UsageError(f"no file {path}; accepted: weights as a safetensors file")
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise UsageError(f"{path} is no safetensors file: {error}") from None


def _misfits(tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> list[str]:
    return [
        f"{key} {list(tensors[key].shape)} where {list(tensor.shape)} is meant"
        for key, tensor in expected.items()
        if key in tensors and tensors[key].shape != tensor.shape
    ]


def _listed(what: str, keys: list[str]) -> list[str]:
    if not keys:
        return []
    more = f" and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else ""
    return [f"{len(keys)} {what}: {', '.join(keys[:_SHOWN])}{more}"]
