"""CIFAR-10 and CIFAR-100 from the official archives, read without running anything that they hold."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import urllib.request
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from plainnet.engine.data.pickled import read_pickle
from plainnet.engine.data.source import DataSource, Part, Samples, TensorSamples, Unread
from plainnet.errors import RunError

__all__ = ["cifar10", "cifar100"]


@dataclass(frozen=True)
class Archive:
    """An official archive: file name, folder inside, MD5 as its page states it, members with theirs, and keys."""

    file: str
    folder: str
    md5: str
    members: dict[str, str]
    test: str
    meta: str
    labels: str
    names: str

    @property
    def train(self) -> tuple[str, ...]:
        """The members with training images."""
        return tuple(name for name in self.members if name not in (self.test, self.meta))

    @property
    def url(self) -> str:
        return f"https://www.cs.toronto.edu/~kriz/{self.file}"


CIFAR10 = Archive(
    "cifar-10-python.tar.gz",
    "cifar-10-batches-py",
    "c58f30108f718f92721af3b95e74349a",
    {
        "data_batch_1": "c99cafc152244af753f735de768cd75f",
        "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
        "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
        "data_batch_4": "634d18415352ddfa80567beed471001a",
        "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
        "test_batch": "40351d587109b95175f43aff81a1287e",
        "batches.meta": "5ff9c542aee3614f3951f8cda6e48888",
    },
    "test_batch",
    "batches.meta",
    "labels",
    "label_names",
)
CIFAR100 = Archive(
    "cifar-100-python.tar.gz",
    "cifar-100-python",
    "eb9058c3a382ffc7106e4002c42a8d85",
    {
        "train": "16019d7e3df5f24257cddd939b257f8d",
        "test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
        "meta": "7973b15100ade9c7d40fb424638fde48",
    },
    "test",
    "meta",
    "fine_labels",
    "fine_label_names",
)


def cifar10(*, root: str | Path = "data", download: bool = False, only: Part = None) -> DataSource:
    """50,000 training and 10,000 test images of ten classes, 3 x 32 x 32. Source: A. Krizhevsky (2009).

    root: the folder with the archive (checked against its MD5) or with its extracted folder. download: fetch the archive
    where it is missing.
    """
    return _read(CIFAR10, Path(root), download, only, mean=(0.4914, 0.4822, 0.4465), std=(0.2470, 0.2435, 0.2616))


def cifar100(*, root: str | Path = "data", download: bool = False, only: Part = None) -> DataSource:
    """50,000 training and 10,000 test images of a hundred (fine) classes, 3 x 32 x 32; otherwise as `cifar10`."""
    return _read(CIFAR100, Path(root), download, only, mean=(0.5071, 0.4865, 0.4409), std=(0.2673, 0.2564, 0.2762))


def _read(
    archive: Archive, root: Path, download: bool, only: Part, *, mean: tuple[float, ...], std: tuple[float, ...]
) -> DataSource:
    members = {name: md5 for name, md5 in archive.members.items() if _is_wanted(archive, name, only)}
    files = _files(replace(archive, members=members), Path(os.path.expanduser(root)), download)
    names = read_pickle(files[archive.meta], name=archive.meta).get(archive.names)
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise RunError(f"{archive.meta}: {archive.names} is no list of words")
    parts: dict[str, Samples] = {"train": Unread("train"), "val": Unread("val")}
    for part, wanted in (("train", archive.train), ("val", (archive.test,))):
        if only in (None, part):
            images = [_images(files[name], name, archive, len(names)) for name in wanted]
            parts[part] = TensorSamples(*(torch.cat(each) for each in zip(*images, strict=True)))
    return DataSource(
        train=parts["train"],
        val=parts["val"],
        classes=tuple(names),
        shape=(3, 32, 32),
        mean=mean,
        std=std,
    )


def _is_wanted(archive: Archive, name: str, only: Part) -> bool:
    """Whether a member is one of those that are read."""
    return only is None or name == archive.meta or (name == archive.test) == (only == "val")


def _files(archive: Archive, root: Path, download: bool) -> dict[str, bytes]:
    """The members of the archive by name, from the extracted folder or from the archive itself, each with its MD5 checked."""
    folder = root / archive.folder
    found = _extracted(archive, folder) if folder.is_dir() else _packed(archive, root / archive.file, download)
    for name, md5 in archive.members.items():
        if name not in found:
            raise RunError(f"the data set has no file {name}: it is incomplete")
        _check_sum(found[name], md5, f"{folder / name}", "file")
    return found


def _extracted(archive: Archive, folder: Path) -> dict[str, bytes]:
    paths = {name: folder / name for name in archive.members if (folder / name).is_file()}
    try:
        return {name: path.read_bytes() for name, path in paths.items()}
    except OSError as error:
        raise RunError(f"cannot read {error.filename}: {error.strerror}") from error


def _packed(archive: Archive, path: Path, download: bool) -> dict[str, bytes]:
    if not path.is_file():
        if not download:
            raise RunError(f"there is no {path}; fetch it from {archive.url}, or set data.download: true")
        _download(archive, path)
    content = path.read_bytes()
    _check_sum(content, archive.md5, str(path), "archive")
    found = {}
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        for member in tar:
            name = member.name.rpartition("/")[2]
            stream = tar.extractfile(member) if name in archive.members else None
            if stream is not None:
                found[name] = stream.read()
    return found


def _check_sum(content: bytes, md5: str, path: str, what: str) -> None:
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if found != md5:
        raise RunError(f"{path} is not the official {what}: its MD5 is {found}, not {md5}; fetch it again")


def _download(archive: Archive, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.part")
    try:
        with urllib.request.urlopen(archive.url, timeout=60) as response, partial.open("wb") as file:
            while chunk := response.read(1 << 20):
                file.write(chunk)
        _check_sum(partial.read_bytes(), archive.md5, str(partial), "archive")
    except OSError as error:
        raise RunError(f"cannot fetch {archive.url}: {error}") from error
    partial.replace(path)


def _images(content: bytes, name: str, archive: Archive, classes: int) -> tuple[torch.Tensor, torch.Tensor]:
    fields = read_pickle(content, name=name)
    pixels, labels = fields.get("data"), fields.get(archive.labels)
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.shape[1:] != (3072,):
        said = f"{pixels.dtype} {pixels.shape}" if isinstance(pixels, np.ndarray) else type(pixels).__name__
        raise RunError(f"{name}: data is {said}; accepted: uint8 (N, 3072)")
    if not isinstance(labels, list) or not all(type(label) is int and 0 <= label < classes for label in labels):
        raise RunError(f"{name}: {archive.labels} is no list of integers from 0 to {classes - 1}")
    if len(pixels) != len(labels):
        raise RunError(f"{name} holds {len(pixels)} images and {len(labels)} labels")
    return torch.from_numpy(pixels.reshape(-1, 3, 32, 32).copy()), torch.tensor(labels)
