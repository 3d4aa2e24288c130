"""CIFAR's files: the official ones are read; a pickle makes nothing of what it describes, and damages nothing."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import pickletools
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from plainnet.engine.data import cifar
from plainnet.engine.data.pickled import read_pickle
from plainnet.errors import RunError


def digest(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def cifar_files(count: int = 6, names: int = 10) -> dict[str, bytes]:
    """The official layout in small: pickles of protocol 2, text as Python 2 wrote it."""
    generator = np.random.default_rng(0)

    def batch(number: int) -> bytes:
        data = generator.integers(0, 256, (count, 3072), dtype=np.uint8)
        return pickle.dumps({"data": data, "labels": [(number + i) % names for i in range(count)]}, protocol=2)

    files = {f"data_batch_{number}": batch(number) for number in range(1, 6)}
    meta = pickle.dumps({"label_names": [f"class {i}" for i in range(names)]}, protocol=2)
    return {**files, "test_batch": batch(9), "batches.meta": meta}


def write_archive(path: Path, files: dict[str, bytes]) -> str:
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return digest(path.read_bytes())


def extracted(folder: Path, monkeypatch: pytest.MonkeyPatch, **changed: Any) -> Path:
    """A folder with the small files, some changed, that counts as official."""
    files = cifar_files() | {name: pickle.dumps(value, protocol=2) for name, value in changed.items()}
    base = folder / "cifar-10-batches-py"
    base.mkdir()
    for name, content in files.items():
        (base / name).write_bytes(content)
    members = {name: digest(files[name]) for name in cifar.CIFAR10.members}
    monkeypatch.setattr(cifar, "CIFAR10", replace(cifar.CIFAR10, members=members))
    return base


def test_cifar_is_read_from_its_archive_or_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    extracted(tmp_path, monkeypatch)
    (tmp_path / "packed").mkdir()
    md5 = write_archive(tmp_path / "packed" / "cifar-10-python.tar.gz", cifar_files())
    monkeypatch.setattr(cifar, "CIFAR10", replace(cifar.CIFAR10, md5=md5))
    data = cifar.cifar10(root=tmp_path / "packed")
    assert (len(data.train), len(data.val), data.classes[3]) == (30, 6, "class 3")
    batch = data.train.fetch([0, 29], [0, 0])
    assert batch["image"].shape == (2, 3, 32, 32)
    assert 0 <= float(batch["image"].min()) <= float(batch["image"].max()) <= 1
    assert batch["label"].tolist() == [1, 0]
    again = cifar.cifar10(root=str(tmp_path))
    assert torch.equal(again.train.fetch([7], [0])["image"], data.train.fetch([7], [0])["image"])


def test_other_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_archive(tmp_path / "cifar-10-python.tar.gz", cifar_files())
    with pytest.raises(RunError, match=r"cifar-10-python.tar.gz is not the official archive: its MD5 is \w+, not"):
        cifar.cifar10(root=tmp_path)
    base = extracted(tmp_path, monkeypatch)
    content = bytearray((base / "data_batch_3").read_bytes())
    content[-99] ^= 1
    (base / "data_batch_3").write_bytes(content)
    with pytest.raises(RunError, match=r"data_batch_3 is not the official file: its MD5 is \w+, not"):
        cifar.cifar10(root=tmp_path)
    (base / "data_batch_3").unlink()
    with pytest.raises(RunError, match=r"has no file data_batch_3: it is incomplete"):
        cifar.cifar10(root=tmp_path)


def test_a_missing_archive_says_where_it_is(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"fetch it from https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz"):
        cifar.cifar100(root=tmp_path)


PIXELS = np.zeros((2, 3072), np.uint8)
WRONG: dict[str, tuple[str, Any, str]] = {
    "floats": ("data_batch_2", {"data": PIXELS.astype(float), "labels": [0, 1]}, r"data is float64 \(2, 3072\)"),
    "a shape": ("data_batch_2", {"data": PIXELS[:, :3], "labels": [0, 1]}, r"data is uint8 \(2, 3\)"),
    "a list of pixels": ("data_batch_2", {"data": [[0] * 3072], "labels": [0]}, "data is list"),
    "no data": ("data_batch_2", {"labels": [0]}, "data is NoneType"),
    "labels above": ("data_batch_2", {"data": PIXELS, "labels": [0, 10]}, "labels is no list of integers from 0 to 9"),
    "labels below": ("test_batch", {"data": PIXELS, "labels": [0, -1]}, "labels is no list"),
    "labels of words": ("test_batch", {"data": PIXELS, "labels": ["a", "b"]}, "labels is no list"),
    "labels in an array": ("test_batch", {"data": PIXELS, "labels": np.arange(2)}, "labels is no list"),
    "bool labels": ("test_batch", {"data": PIXELS, "labels": [True, False]}, "labels is no list"),
    "fewer labels": ("test_batch", {"data": PIXELS, "labels": [0]}, "holds 2 images and 1 labels"),
    "a list": ("test_batch", [1, 2], "holds no dictionary"),
    "names of numbers": ("batches.meta", {"label_names": [1, 2]}, "label_names is no list of words"),
    "one name": ("batches.meta", {"label_names": "cat"}, "label_names is no list of words"),
    "no names": ("batches.meta", {}, "label_names is no list of words"),
    "keys of numbers": ("batches.meta", {1: 2}, "holds no dictionary of words"),
}


@pytest.mark.parametrize(("name", "value", "why"), WRONG.values(), ids=WRONG)
def test_wrong_types_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: Any, why: str
) -> None:
    extracted(tmp_path, monkeypatch, **{name: value})
    with pytest.raises(RunError, match=rf"^{name}:? .*{why}"):
        cifar.cifar10(root=tmp_path)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("dtype", ["u1", "<i4", ">i2", "f8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_plain_arrays_of_every_protocol_are_read(protocol: int, dtype: str, order: Any) -> None:
    array = np.array(np.arange(12).reshape(3, 4), dtype=dtype, order=order)
    if protocol == 5:  # a protocol for buffers, younger than the files
        with pytest.raises(RunError, match=r"x: .*(BYTEARRAY8|_frombuffer)"):
            read_pickle(pickle.dumps({"a": array}, protocol=5), name="x")
        return
    found = read_pickle(
        pickle.dumps({"a": array, "b": "é", "c": b"\xff", "d": [1, 2.5, None]}, protocol=protocol), name="x"
    )
    assert np.array_equal(found["a"], array)
    assert found["a"].dtype == array.dtype
    assert (found["b"], found["c"], found["d"]) == ("é", b"\xff", [1, 2.5, None])


class Malicious:
    def __reduce__(self) -> Any:
        return os.system, ("touch owned",)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_pickle_runs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: int) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunError, match=r"data_batch_1: the file wants to run (posix|nt|os)\.system"):
        read_pickle(pickle.dumps({"data": Malicious()}, protocol=protocol), name="data_batch_1")
    assert not (tmp_path / "owned").exists()


DTYPE = b"cnumpy\ndtype\n"
ARRAY = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntVb\ntR"
STATE = b"(I1\n(I2\nt%s(VO\nI0\nI1\ntRI00\nVabcdefghabcdefgh\ntb."

ATTACKS: dict[str, tuple[bytes, str]] = {
    "an array of objects, whose bytes are pointers": (b"(dVa\n" + ARRAY + STATE % DTYPE, "an array of 'O'"),
    "an object type set on a shared one": (
        b"(dVa\n" + DTYPE + b"(Vu1\nI0\nI1\ntR(I3\nV|\nNNNI-1\nI-1\nI63\ntb" + b"(I3\nV|\n(VO\ntNNI8\nI8\nI63\ntbs.",
        "no plain number",
    ),
    "a state for the class of types": (b"(dVa\n" + DTYPE + b"(I3\nV|\nNNNI-1\nI-1\nI63\ntbs.", ""),
    "a state for a function": (b"(dVa\ncnumpy.core.multiarray\n_reconstruct\n}Vx\nI1\nsbs.", "has no attribute"),
    "a shape that is longer than the bytes": (
        b"(dVa\n" + ARRAY + b"(I1\n(I999999\nt" + DTYPE + b"(Vu1\nI0\nI1\ntRI00\nVabc\ntbs.",
        r"an array of \(999999,\) in 3 bytes",
    ),
    "a negative shape": (
        b"(dVa\n" + ARRAY + b"(I1\n(I-1\nI-3\nt" + DTYPE + b"(Vu1\nI0\nI1\ntRI00\nVabc\ntbs.",
        "none of plain numbers",
    ),
    "an array without values": (b"(dVa\n" + ARRAY + b"s.", "an array without its values"),
    "an array of another class": (
        b"(dVa\ncnumpy.core.multiarray\n_reconstruct\n(cnumpy\ndtype\n(I0\ntVb\ntRs.",
        "an array of an unknown kind",
    ),
    "eval": (b"cbuiltins\neval\n(V1\ntR.", "wants to run builtins.eval"),
    "a persistent value": (b"Pabc\n.", "the instruction PERSID"),
    "an instance": (b"(iposix\nsystem\n.", "the instruction INST"),
    "a value numbered far away": (b"\x80\x02Nr\xff\xff\xff\x7f.", "it numbers a value 2147483647"),
    "an extension": (b"\x80\x02\x82\x01.", "the instruction EXT1"),
    "a length that is not there": (b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x0f.", "is damaged"),
    "cut": (b"\x80\x02}", "is damaged"),
    "empty": (b"", "is damaged"),
    "an unhashable key": (b"(d]I1\ns.", "is damaged"),
}


@pytest.mark.parametrize(("data", "why"), ATTACKS.values(), ids=ATTACKS)
def test_attacks_end_in_a_sentence(data: bytes, why: str) -> None:
    with pytest.raises(RunError, match=rf"^meta(:| is damaged).*{why}|^meta {why}"):
        read_pickle(data, name="meta")
    assert np.dtype("u1").fields is None
    assert np.zeros(2, "u1").tolist() == [0, 0]


@pytest.mark.parametrize(
    "seeds", [range(400), pytest.param(range(400, 20000), marks=pytest.mark.tail)], ids=["short", "long"]
)
def test_mutations_of_a_file_are_read_or_named(seeds: range) -> None:
    array = np.arange(6, dtype=np.uint8).reshape(2, 3)
    valid = [pickle.dumps({"data": array, "labels": [1, 2], "names": ["a", "b"]}, protocol=p) for p in range(5)]
    opcodes = [ord(opcode.code) for opcode in pickletools.opcodes]
    for seed in seeds:
        generator = np.random.default_rng(seed)
        data = bytearray(valid[seed % len(valid)])
        for place in generator.integers(0, len(data), generator.integers(1, 5)):
            data[place] = opcodes[int(generator.integers(len(opcodes)))] if seed % 2 else int(generator.integers(256))
        try:
            found = read_pickle(bytes(data), name="x")
        except RunError as error:
            assert str(error).startswith("x")
        else:
            assert all(isinstance(key, str) for key in found)
