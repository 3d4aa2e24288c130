"""Safetensors files: canonical bytes, and every damage noticed."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open

from plainnet.errors import RunError
from plainnet.files.tensor_files import DIGEST, read_tensors, write_tensors

TENSORS = {
    "b.weight": torch.arange(6.0).view(2, 3),
    "a.count": torch.tensor(3),
    'ümlaut "quoted" \\ \x7f': torch.ones(2, dtype=torch.bool),
    "empty": torch.zeros(0, 3),
    "half": torch.ones(5, dtype=torch.bfloat16),
}
ABOUT = {f"key {number}": f"value {number}" for number in range(20)}


def test_equal_contents_are_equal_bytes(tmp_path: Path) -> None:
    """safetensors alone writes these metadata in another order each time; the order in which things are given is no content."""
    files = []
    for number in range(4):
        names, keys = list(TENSORS), list(ABOUT)
        random.Random(number).shuffle(names)
        random.Random(number).shuffle(keys)
        path = tmp_path / str(number)
        digest = write_tensors(path, {n: TENSORS[n] for n in names}, metadata={k: ABOUT[k] for k in keys})
        files.append((digest, path.read_bytes()))
    assert len(set(files)) == 1
    other = write_tensors(tmp_path / "other", {**TENSORS, "a.count": torch.tensor(4)}, metadata=ABOUT)
    assert other != files[0][0]


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(st.dictionaries(texts.filter(lambda key: key != "format"), texts, max_size=4), st.sets(texts, max_size=3))
def test_any_metadata_and_names_come_back(tmp_path: Path, about: dict[str, str], names: set[str]) -> None:
    path = tmp_path / "file"
    tensors = {name: torch.full((2,), float(number)) for number, name in enumerate(sorted(names - {"__metadata__"}))}
    write_tensors(path, tensors, metadata=about)
    again, found = read_tensors(path, ours=True)
    assert found == {"format": "pt", **about}
    assert again.keys() == tensors.keys()
    assert all(torch.equal(again[name], tensor) for name, tensor in tensors.items())
    with safe_open(path, framework="pt") as file:  # any other program reads it too
        assert set(file.keys()) == set(tensors)


@pytest.mark.parametrize("ours", [True, False])
def test_no_flipped_byte_goes_unnoticed(tmp_path: Path, ours: bool) -> None:
    """Every byte of the file, one bit each."""
    path = tmp_path / "file"
    write_tensors(path, TENSORS, metadata={"a": "b"})
    good = path.read_bytes()
    for place in range(len(good)):
        bad = bytearray(good)
        bad[place] ^= 1 << (place % 8)
        path.write_bytes(bad)
        with pytest.raises(RunError, match=r"is damaged|is not a readable safetensors file"):
            read_tensors(path, ours=ours)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:0],
        lambda data: data[:-1],
        lambda data: data + b"\0",
        lambda data: data[:40],
        lambda data: b"\xff" * 8 + data[8:],
        lambda data: data.replace(DIGEST.encode(), b"elsewhere.sha25"),
        lambda data: data[:0] + (200_000).to_bytes(8, "little") + b"[" * 200_000,
        lambda data: data[:0] + (2).to_bytes(8, "little") + b"[]",
        lambda data: data[:0] + (19).to_bytes(8, "little") + b'{"__metadata__":[]}',
        lambda data: data[:0] + (18).to_bytes(8, "little") + b'{"__metadata__":3}',
        lambda data: data[:0] + (6).to_bytes(8, "little") + b'{"a":3}'[:6],
    ],
)
def test_what_is_no_such_file_says_so(tmp_path: Path, damage: object) -> None:
    path = tmp_path / "file"
    write_tensors(path, TENSORS, metadata=ABOUT)
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    with pytest.raises(RunError, match=r"file is damaged|file is not a readable safetensors file"):
        read_tensors(path, ours=True)


def test_a_file_of_another_program_has_no_digest(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"w": torch.ones(2)}, tmp_path / "w", metadata={"format": "pt"})
    assert read_tensors(tmp_path / "w")[0]["w"].tolist() == [1.0, 1.0]
    with pytest.raises(RunError, match=r"w is damaged: it carries no digest"):
        read_tensors(tmp_path / "w", ours=True)


def test_places_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"nothing cannot be read: No such file"):
        read_tensors(tmp_path / "nothing")
    with pytest.raises(RunError, match=r"cannot be read: Is a directory"):
        read_tensors(tmp_path)
    with pytest.raises(OSError, match=r"No such file or directory"):
        write_tensors(tmp_path / "no" / "file", TENSORS)


@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_others_may_read_what_the_mask_lets_them(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        write_tensors(tmp_path / "w.safetensors", {"a": torch.ones(2)})
    finally:
        os.umask(before)
    assert (tmp_path / "w.safetensors").stat().st_mode & 0o777 == 0o666 & ~mask
