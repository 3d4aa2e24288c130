"""Images that are NumPy arrays already."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.lib.npyio import NpzFile

from plainnet.engine.data.source import DataSource, Part, TensorSamples, Unread
from plainnet.errors import RunError, UsageError, nearest

__all__ = ["arrays"]

FEW = 1_000
"""Classes that may be more than there are training images; a label far above is none, and would cost a row of the network."""

Array = np.ndarray[Any, Any]


def arrays(
    *,
    train: str | Path,
    val: str | Path,
    image: str = "image",
    label: str = "label",
    classes: list[str] | None = None,
    only: Part = None,
) -> DataSource:
    """Two .npz files with `image` (N, H, W) or (N, C, H, W), uint8 or float in 0..1, and `label` (N,), integers from 0.

    Nothing that is pickled is read. The mean and deviation of the training images normalise both. Raises `RunError` with the
    file and the field for values of another type or range.
    """
    if only is not None:
        return _one(Path(train if only == "train" else val), image, label, classes, only)
    (train_images, train_labels), (val_images, val_labels) = (_read(Path(path), image, label) for path in (train, val))
    shape = train_images.shape[1:]
    if val_images.shape[1:] != shape:
        raise UsageError(f"{train} holds images of {shape}, {val} of {val_images.shape[1:]}")
    if val_images.dtype != train_images.dtype:
        raise UsageError(
            f"{train} holds images of {train_images.dtype}, {val} of {val_images.dtype}; accepted: both alike"
        )
    names = _classes(train_labels, val_labels, classes, Path(train), Path(val), label)
    mean, std = _mean_and_deviation(train_images)
    missing = sorted(set(range(len(names))) - set(np.unique(train_labels).tolist()))
    shown = ", ".join(names[number] for number in missing[:10]) + (", ..." if len(missing) > 10 else "")
    return DataSource(
        train=TensorSamples(torch.from_numpy(train_images), torch.from_numpy(train_labels)),
        val=TensorSamples(torch.from_numpy(val_images), torch.from_numpy(val_labels)),
        classes=names,
        shape=(shape[0], shape[1], shape[2]),
        mean=mean,
        std=std,
        notes=(f"{train}: no images of {len(missing):,} classes: {shown}",) if missing else (),
    )


def _one(path: Path, image: str, label: str, classes: list[str] | None, part: Literal["train", "val"]) -> DataSource:
    """One of the two files; without names the classes are those that its labels go up to."""
    images, labels = _read(path, image, label)
    samples = TensorSamples(torch.from_numpy(images), torch.from_numpy(labels))
    mean, std = _mean_and_deviation(images) if part == "train" else ((), ())
    return DataSource(
        train=samples if part == "train" else Unread("train"),
        val=samples if part == "val" else Unread("val"),
        classes=_classes(labels, labels, classes, path, path, label),
        shape=(images.shape[1], images.shape[2], images.shape[3]),
        mean=mean,
        std=std,
    )


def _mean_and_deviation(images: Array) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The mean and the standard deviation of each channel."""
    pixels = torch.from_numpy(images).double() / (255 if images.dtype == np.uint8 else 1)
    mean, std = pixels.mean(dim=(0, 2, 3)), pixels.std(dim=(0, 2, 3)).clamp_min(1e-6)
    return tuple(mean.tolist()), tuple(std.tolist())


def _classes(
    train_labels: Array, val_labels: Array, names: list[str] | None, train: Path, val: Path, label: str
) -> tuple[str, ...]:
    """The names of the classes: those that are given, or numbers up to the largest label of the training images."""
    count = len(names) if names is not None else int(train_labels.max()) + 1
    if names is None and count > max(FEW, len(train_labels)):
        raise RunError(
            f"{train}: {label} goes up to {count - 1}, of {len(train_labels):,} images; accepted: classes counted from 0, or "
            "named by data.classes"
        )
    if names is not None and len(set(names)) != len(names):
        raise UsageError(
            f"classes are named twice: {', '.join(sorted({name for name in names if names.count(name) > 1}))}"
        )
    for path, labels in ((train, train_labels), (val, val_labels)):
        highest = int(labels.max())
        if highest >= count:
            why = (
                f"{count} classes are named"
                if names is not None
                else f"the training images have labels up to {count - 1}"
            )
            raise RunError(f"{path}: {label} goes up to {highest}, and {why}")
    return tuple(names if names is not None else map(str, range(count)))


def _read(path: Path, image: str, label: str) -> tuple[Array, Array]:
    """The images (N, C, H, W), uint8 or float32 in 0..1, and the labels (N,) of a file."""
    images, labels = _fields(path, image, label)
    images = images[:, None] if images.ndim == 3 else images
    if images.ndim != 4:
        raise RunError(f"{path}: {image} is {images.shape}; accepted: (N, H, W) or (N, C, H, W)")
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise RunError(f"{path}: {label} is {labels.shape} of {labels.dtype}; accepted: integers (N,)")
    if len(images) != len(labels):
        raise RunError(f"{path}: {image} has {len(images)} rows, {label} {len(labels)}")
    if not images.size:
        raise RunError(f"{path}: {image} is {images.shape}: there are no images")
    if images.shape[1] > 4 and images.shape[3] <= 4:
        raise RunError(
            f"{path}: {image} is {images.shape}; accepted: channels before height and width; .transpose(0, 3, 1, 2)"
        )
    if labels.min() < 0:
        raise RunError(f"{path}: {label} goes down to {labels.min()}; accepted: classes counted from 0")
    if labels.max() > np.iinfo(np.int64).max:
        raise RunError(f"{path}: {label} goes up to {labels.max()}; accepted: classes counted from 0")
    return _pixels(images, f"{path}: {image}"), labels.astype(np.int64)


def _pixels(images: Array, where: str) -> Array:
    """uint8 as it is, floats in 0..1 as float32; anything else has no range of its own."""
    kind = images.dtype.kind
    if kind not in "iubf":
        raise RunError(f"{where} is {images.dtype}; accepted: uint8, or float in 0..1")
    if kind == "f" and not np.isfinite(images).all():
        raise RunError(f"{where} holds {int((~np.isfinite(images)).sum()):,} values that are not finite")
    low, high = float(images.min()), float(images.max())
    said = f"{where} is {images.dtype} from {low:g} to {high:g}; accepted: uint8 in 0..255, or float in 0..1"
    if images.dtype == np.uint8:
        if high == 1:
            raise RunError(f"{said}; as uint8 that is black: multiply by 255")
        return np.ascontiguousarray(images)
    if kind != "f":
        whole = low >= 0 and high <= 255 and high != 1
        raise RunError(f"{said}; {'.astype(np.uint8)' if whole else '.astype(np.float32), scaled to 0..1'}")
    if low < 0 or high > 1:
        divide = low >= 0 and high <= 255
        raise RunError(f"{said}; {'divide by 255' if divide else 'data.mean and data.std normalise, not the file'}")
    if 0 < high * 255 < 1.5:
        raise RunError(f"{said}; that is black: was it divided by 255 twice?")
    return images.astype(np.float32)


def _fields(path: Path, *names: str) -> list[Array]:
    """Arrays of a .npz file; `RunError` with the file and the field for what cannot be read."""
    if not path.is_file():
        raise RunError(f"cannot read {path}: {'it is no plain file' if path.exists() else 'there is no such file'}")
    with path.open("rb") as stream:  # NumPy leaves the file open where it fails
        try:
            file = np.load(stream, allow_pickle=False)
        except Exception as error:  # damaged bytes make a decoder fail in any way
            why = error or type(error).__name__
            raise RunError(f"cannot read {path}: it is damaged, or no .npz file: {why}") from None
        if not isinstance(file, NpzFile):
            raise RunError(f"cannot read {path}: it holds one array; accepted: a .npz file with {' and '.join(names)}")
        with file:
            return [_field(file, name, path) for name in names]


def _field(file: NpzFile, name: str, path: Path) -> Array:
    if name not in file.files:
        near = nearest(name, file.files)
        hint = f"did you mean {near}?" if near else f"it holds {', '.join(file.files[:10]) or 'nothing'}"
        raise RunError(f"cannot read {path}: there is no field {name}; {hint}")
    try:
        array = file[name]
    except MemoryError:
        raise RunError(f"cannot read {path}: {name} does not fit into the memory") from None
    except Exception as error:  # as above
        raise RunError(f"cannot read {path}: {name}: {str(error) or type(error).__name__}") from None
    if not isinstance(array, np.ndarray):
        raise RunError(f"cannot read {path}: {name} is no array")
    return array
