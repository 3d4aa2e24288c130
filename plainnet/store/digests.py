"""Digests: of files, and of what a network is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["content_digest", "file_digest"]


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def content_digest(architecture: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of a network: what it is made of, and each tensor's name, type, shape and bytes, in the order of their names.

    What else a file says, and how it orders its tensors, changes nothing.
    """
    import torch

    digest = hashlib.sha256(json.dumps(architecture, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        about = [name, str(tensor.dtype).removeprefix("torch."), list(tensor.shape)]
        digest.update(f"\n{json.dumps(about)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data if tensor.numel() else b"")
    return digest.hexdigest()
