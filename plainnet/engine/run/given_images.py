"""What a trained network is given: files, folders, Pillow images, arrays, tensors."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from plainnet.engine.data.decoding import image_size, pillow
from plainnet.engine.data.listing import SUFFIXES, is_hidden
from plainnet.errors import RunError, UsageError

__all__ = ["as_picture", "each_image", "given_size"]


def each_image(inputs: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    """Each image with its name: those of a folder one by one."""
    if isinstance(inputs, str | Path | Tensor | np.ndarray) or hasattr(inputs, "convert"):
        raise UsageError("predict takes a list of images: [image]")
    for number, item in enumerate(inputs):
        if not isinstance(item, str | Path):
            yield f"image {number}", item
        elif os.path.isdir(item):
            files = [path for path in sorted(Path(item).rglob("*")) if _is_image(path.relative_to(item), path)]
            if not files:
                raise RunError(f"the folder {item} holds no images ({', '.join(sorted(SUFFIXES))})")
            yield from ((str(path), path) for path in files)
        else:
            yield str(item), Path(item)


def given_size(item: Any) -> tuple[int, int] | None:
    """(H, W) of an image that is resized when it is read; None of one that is taken as it is."""
    if isinstance(item, Tensor):
        return None if item.is_floating_point() else (item.shape[1], item.shape[2])
    if isinstance(item, np.ndarray):
        return None if item.dtype.kind == "f" else (item.shape[0], item.shape[1])
    return image_size(item)


def _is_image(inside: Path, path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and path.is_file() and not any(map(is_hidden, inside.parts))


def as_picture(name: str, pixels: np.ndarray[Any, Any]) -> Any:
    """The Pillow image of bytes (H, W) or (H, W, C). Raises `UsageError`, with the image's name, for another array."""
    flat = pixels[..., 0] if pixels.ndim == 3 and pixels.shape[-1] == 1 else pixels
    if flat.dtype == np.uint8 and (flat.ndim == 2 or (flat.ndim == 3 and flat.shape[-1] in (3, 4))) and flat.size:
        return pillow().fromarray(np.ascontiguousarray(flat))
    raise UsageError(
        f"{name} is an array {pixels.shape} of {pixels.dtype}; accepted: uint8 (H, W) or (H, W, C) with 1, 3 or 4 channels, or "
        "floats in 0..1"
    )
