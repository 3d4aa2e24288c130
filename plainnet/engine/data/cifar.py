"""CIFAR-10 and CIFAR-100 from the official archives, read without running anything that they hold."""

from __future__ import annotations

import hashlib
import io
import pickle
import tarfile
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from plainnet.engine.data.source import DataSource, TensorSamples
from plainnet.errors import RunError

__all__ = ["cifar10", "cifar100", "safe_unpickle"]


@dataclass(frozen=True)
class Archive:
    """An official archive: file name, folder inside, MD5 as its page states it, members, and keys."""

    file: str
    folder: str
    md5: str
    train: tuple[str, ...]
    test: str
    meta: str
    labels: str
    names: str

    @property
    def url(self) -> str:
        return f"https://www.cs.toronto.edu/~kriz/{self.file}"


CIFAR10 = Archive(
    "cifar-10-python.tar.gz",
    "cifar-10-batches-py",
    "c58f30108f718f92721af3b95e74349a",
    tuple(f"data_batch_{number}" for number in range(1, 6)),
    "test_batch",
    "batches.meta",
    "labels",
    "label_names",
)
CIFAR100 = Archive(
    "cifar-100-python.tar.gz",
    "cifar-100-python",
    "eb9058c3a382ffc7106e4002c42a8d85",
    ("train",),
    "test",
    "meta",
    "fine_labels",
    "fine_label_names",
)


def cifar10(*, root: str | Path = "data", download: bool = False) -> DataSource:
    """50,000 training and 10,000 test images of ten classes, 3 x 32 x 32. Source: A. Krizhevsky (2009).

    root: the folder with the archive (checked against its MD5) or with its extracted folder. download: fetch the archive
    where it is missing.
    """
    return _read(CIFAR10, Path(root), download, mean=(0.4914, 0.4822, 0.4465), std=(0.2470, 0.2435, 0.2616))


def cifar100(*, root: str | Path = "data", download: bool = False) -> DataSource:
    """50,000 training and 10,000 test images of a hundred (fine) classes, 3 x 32 x 32; otherwise as `cifar10`."""
    return _read(CIFAR100, Path(root), download, mean=(0.5071, 0.4865, 0.4409), std=(0.2673, 0.2564, 0.2762))


class _NumbersOnly(pickle.Unpickler):
    """An unpickler that knows NumPy's arrays and nothing else; anything else that a file names is an error."""

    def find_class(self, module: str, name: str) -> Any:
        """The three names that an array needs."""
        if name == "_reconstruct" and module in ("numpy.core.multiarray", "numpy._core.multiarray"):
            return _empty_array
        if (module, name) == ("numpy", "ndarray"):
            return np.ndarray
        if (module, name) == ("numpy", "dtype"):
            return np.dtype
        if (module, name) == ("_codecs", "encode"):  # how newer pickles write bytes
            return _latin1
        raise RunError(f"the file wants to run {module}.{name}; a CIFAR file holds arrays, numbers and words alone")


def _empty_array(kind: Any, shape: Any, code: Any) -> Any:
    """What NumPy's own `_reconstruct` makes before the array's state is set."""
    if kind is not np.ndarray:
        raise RunError("the file holds an array of an unknown kind")
    return np.ndarray(shape, dtype=np.dtype(code.decode() if isinstance(code, bytes) else code))


def _latin1(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise RunError(f"the file holds text in {encoding}")
    return text.encode("latin1")


def safe_unpickle(data: bytes, *, name: str) -> Any:
    """The content of a pickled CIFAR file. Raises `RunError` for anything but containers, numbers, words and arrays."""
    try:
        return _NumbersOnly(io.BytesIO(data), encoding="latin1").load()
    except RunError as error:
        raise RunError(f"{name}: {error}") from None
    except Exception as error:
        raise RunError(f"{name} is damaged: {error}") from error


def _read(
    archive: Archive, root: Path, download: bool, *, mean: tuple[float, ...], std: tuple[float, ...]
) -> DataSource:
    files = _files(archive, root, download)
    train = [_images(files, name, archive) for name in archive.train]
    images, labels = (torch.cat(parts) for parts in zip(*train, strict=True))
    meta = safe_unpickle(_member(files, archive.meta), name=archive.meta)
    return DataSource(
        train=TensorSamples(images, labels),
        val=TensorSamples(*_images(files, archive.test, archive)),
        classes=tuple(meta[archive.names]),
        shape=(3, 32, 32),
        mean=mean,
        std=std,
    )


def _files(archive: Archive, root: Path, download: bool) -> dict[str, bytes]:
    """The members of the archive by name, from the extracted folder or from the archive itself."""
    wanted = {*archive.train, archive.test, archive.meta}
    folder = root / archive.folder
    if folder.is_dir():
        return {name: (folder / name).read_bytes() for name in wanted if (folder / name).is_file()}
    path = root / archive.file
    if not path.is_file():
        if not download:
            raise RunError(f"there is no {path}; fetch it from {archive.url}, or set data.download: true")
        _download(archive, path)
    content = path.read_bytes()
    _check_sum(content, archive, path)
    found = {}
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        for member in tar:
            name = member.name.rpartition("/")[2]
            stream = tar.extractfile(member) if name in wanted else None
            if stream is not None:
                found[name] = stream.read()
    return found


def _check_sum(content: bytes, archive: Archive, path: Path) -> None:
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if found != archive.md5:
        raise RunError(f"{path} is not the official archive: its MD5 is {found}, not {archive.md5}; fetch it again")


def _download(archive: Archive, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.part")
    try:
        with urllib.request.urlopen(archive.url, timeout=60) as response, partial.open("wb") as file:
            while chunk := response.read(1 << 20):
                file.write(chunk)
        _check_sum(partial.read_bytes(), archive, partial)
    except OSError as error:
        raise RunError(f"cannot fetch {archive.url}: {error}") from error
    partial.replace(path)


def _member(files: dict[str, bytes], name: str) -> bytes:
    if name not in files:
        raise RunError(f"the data set has no file {name}: it is incomplete")
    return files[name]


def _images(files: dict[str, bytes], name: str, archive: Archive) -> tuple[torch.Tensor, torch.Tensor]:
    content = safe_unpickle(_member(files, name), name=name)
    try:
        pixels = np.asarray(content["data"], dtype=np.uint8).reshape(-1, 3, 32, 32)
        labels = np.asarray(content[archive.labels], dtype=np.int64)
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"{name} is not a CIFAR file: {error}") from error
    if len(pixels) != len(labels):
        raise RunError(f"{name} holds {len(pixels)} images and {len(labels)} labels")
    return torch.from_numpy(pixels.copy()), torch.from_numpy(labels)
