"""Images and labels from a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.lib.npyio import NpzFile
from torch import Tensor

from plainnet.errors import UsageError, nearest

__all__ = ["read_data"]

_WANTED = "a .npz file with `images` (M, C, H, W) and, where labels are needed, `labels` (M,)"


def read_data(path: str | Path) -> tuple[Tensor, Tensor | None]:
    """`images` (M, C, H, W) as float32 and `labels` (M,) as int64, if there are any, from a NumPy .npz file.

    Images of bytes are scaled to 0 .. 1; others are taken as they are. Nothing in the file is executed.
    """
    arrays = _arrays(Path(path))
    if "images" not in arrays:
        near = nearest("images", arrays)
        found = ", ".join(arrays) or "nothing"
        raise UsageError(f"{path} holds {found}; accepted: {_WANTED}" + (f"; rename {near}?" if near else ""))
    images, labels = arrays["images"], arrays.get("labels")
    if images.ndim != 4 or not np.issubdtype(images.dtype, np.number) or np.iscomplexobj(images) or not len(images):
        raise UsageError(f"{path}: images are {images.dtype} of {images.shape}; accepted: numbers of (M, C, H, W)")
    with np.errstate(over="ignore"):  # what is beyond float32 is said below
        scaled = images.astype(np.float32) / (255 if images.dtype == np.uint8 else 1)
    if not np.isfinite(scaled).all():
        raise UsageError(f"{path}: images hold values that are not finite")
    if labels is None:
        return torch.from_numpy(scaled), None
    if labels.shape != (len(images),) or not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0:
        raise UsageError(
            f"{path}: labels are {labels.dtype} of {labels.shape}; accepted: a class from 0 on for each of the "
            f"{len(images)} images"
        )
    return torch.from_numpy(scaled), torch.from_numpy(labels.astype(np.int64))


def _arrays(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise UsageError(f"no file {path}; accepted: {_WANTED}")
    try:
        with path.open("rb") as stream:  # NumPy leaves a file open that it opened, where it fails
            archive = np.load(stream, allow_pickle=False)
            if not isinstance(archive, NpzFile):
                raise ValueError("it holds a single array")
            with archive:
                return {name: archive[name] for name in archive.files}
    except Exception as error:  # damaged bytes make a decoder fail in any way
        why = "it does not fit into the memory" if isinstance(error, MemoryError) else error or type(error).__name__
        raise UsageError(f"{path} cannot be read: {why}; accepted: {_WANTED}") from None
