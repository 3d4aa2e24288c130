"""Weights that torch saved in an exported folder: such a file has no header, which stands in the folder's provenance.json."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plainnet.errors import UsageError
from plainnet.files.pickled_tensors import read_pickled_tensors
from plainnet.files.tensor_files import read_tensors
from plainnet.files.text_files import json_value, read_text

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["EXPORTED", "PROVENANCE", "exported_header", "file_digest", "header_entry", "read_trained_tensors"]

PROVENANCE = "provenance.json"
EXPORTED = ("weights.safetensors", "weights.pt", "weights.pth")
"""What weights are called in an exported folder."""
ENTRY = "header"


def header_entry(weights: Path, metadata: dict[str, str]) -> dict[str, Any]:
    """What provenance.json says of a file that torch saved: its SHA-256, and what the header of a safetensors file would say."""
    return {ENTRY: {"sha256": file_digest(weights), "metadata": metadata}}


def exported_header(weights: Path) -> dict[str, str] | None:
    """The metadata of weights that torch saved, as the provenance.json beside them says; None where none speaks of just this
    file: it was trained further, or is of another program. `UsageError` for a provenance.json that is damaged.
    """
    path = weights.with_name(PROVENANCE)
    if weights.name not in EXPORTED or not path.is_file():
        return None
    said = json_value(read_text(path, what=PROVENANCE), str(path))
    entry = said.get(ENTRY) if isinstance(said, dict) else None
    if entry is None:
        return None
    found = entry.get("metadata") if isinstance(entry, dict) else None
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise UsageError(f"{path} is damaged: {ENTRY}.metadata holds no texts")
    return found if entry.get("sha256") == file_digest(weights) else None


def read_trained_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors and the metadata of weights that a training run, a store or an export wrote: each is compared with its digest.

    Raises `RunError` or `UsageError` with the reason for what is damaged, and for weights that say nothing of themselves.
    """
    if path.suffix not in (".pt", ".pth"):
        return read_tensors(path, ours=True)
    metadata = exported_header(path)
    if metadata is None:
        raise UsageError(
            f"{path} does not say how its images are read, and no {PROVENANCE} beside it speaks of just this file; accepted: a "
            "training run, a .safetensors file of one, or a folder that was exported with trained weights"
        )
    return read_pickled_tensors(path), metadata


def file_digest(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
