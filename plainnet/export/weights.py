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
    """The tensors of a file (safetensors, or a state_dict that torch saved), in the network's order, each contiguous and
    with memory of its own.

    Raises `UsageError` if the file cannot be read, or holds weights of another network.
    """
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
    return {key: tensors[key].detach().clone(memory_format=torch.contiguous_format) for key in expected}


def classes_of(path: Path) -> int | None:
    """The number of classes that the weights were trained for; None if they have no classifier."""
    head = _load(path).get("head.weight")
    return None if head is None else int(head.shape[0])


def _load(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise UsageError(
            f"no file {path}; accepted: weights as safetensors, or a state_dict that torch saved (.pt, .pth)"
        )
    try:
        return _load_pickle(path) if path.suffix in (".pt", ".pth") else _load_safetensors(path)
    except UsageError:
        raise
    except Exception as error:  # torch raises anything from EOFError to UnpicklingError
        reason = str(error).strip().split("\n")[0]
        raise UsageError(f"{path} holds no weights that can be read: {type(error).__name__}: {reason}") from None


def _load_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    return load_file(path)


def _load_pickle(path: Path) -> dict[str, Tensor]:
    """What torch saved, read without running any code of the file's."""
    import torch

    found = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(found, dict) or not all(isinstance(value, torch.Tensor) for value in found.values()):
        raise UsageError(f"{path} holds no state_dict: names and tensors")
    return dict(found)


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
