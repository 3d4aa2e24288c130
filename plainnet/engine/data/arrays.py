"""Images that are NumPy arrays already."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from plainnet.engine.data.source import DataSource, TensorSamples
from plainnet.errors import RunError, UsageError

__all__ = ["arrays"]


def arrays(
    *, train: str | Path, val: str | Path, image: str = "image", label: str = "label", classes: list[str] | None = None
) -> DataSource:
    """Two .npz files with `image` (N, H, W) or (N, C, H, W), uint8 or float in 0..1, and `label` (N,), integers from 0.

    Nothing that is pickled is read. The mean and deviation of the training images normalise both.
    """
    train_samples, val_samples = (_read(Path(path), image, label) for path in (train, val))
    shape = tuple(train_samples.images.shape[1:])
    if tuple(val_samples.images.shape[1:]) != shape:
        raise UsageError(f"{train} holds images of {shape}, {val} of {tuple(val_samples.images.shape[1:])}")
    count = int(max(train_samples.labels.max(), val_samples.labels.max())) + 1
    names = tuple(classes or map(str, range(count)))
    if len(names) < count:
        raise UsageError(f"{len(names)} classes are named, and the labels go up to {count - 1}")
    pixels = train_samples.images.double() / (255 if train_samples.images.dtype == torch.uint8 else 1)
    mean, std = pixels.mean(dim=(0, 2, 3)), pixels.std(dim=(0, 2, 3)).clamp_min(1e-6)
    return DataSource(
        train=train_samples,
        val=val_samples,
        classes=names,
        shape=(shape[0], shape[1], shape[2]),
        mean=tuple(mean.tolist()),
        std=tuple(std.tolist()),
    )


def _read(path: Path, image: str, label: str) -> TensorSamples:
    try:
        with np.load(path, allow_pickle=False) as file:
            images, labels = file[image], file[label]
    except (OSError, ValueError, KeyError) as error:
        raise RunError(f"cannot read {path}: {error}") from error
    if images.ndim == 3:
        images = images[:, None]
    if images.ndim != 4 or labels.ndim != 1 or len(images) != len(labels) or labels.dtype.kind not in "iu":
        raise RunError(
            f"{path}: image is {images.shape}, label is {labels.shape} {labels.dtype}; accepted: (N, C, H, W) and integers (N,)"
        )
    if labels.size and labels.min() < 0:
        raise RunError(f"{path}: label {labels.min()} is below 0")
    pixels = torch.from_numpy(images if images.dtype == np.uint8 else images.astype(np.float32))
    return TensorSamples(pixels, torch.from_numpy(labels.astype(np.int64)))
