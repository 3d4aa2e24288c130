"""JSON that a user gives."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from plainnet.engine.writers.writer import named_run
from plainnet.errors import PlainnetError, UsageError
from plainnet.files import text_files
from plainnet.files.text_files import json_value
from plainnet.search.space.space_files import load_space
from plainnet.search.space.tinynas_config import read_tinynas_config


@pytest.mark.parametrize("number", ["1e999", "-1E+400", "1" * 400, "-" + "9" * 5000])
def test_numbers_beyond_all_floats_are_no_json_of_ours(number: str) -> None:
    """Or they would be infinite, or end whoever compares them with a number."""
    with pytest.raises(UsageError, match=r"^here: no JSON: .* is too large for a number$"):
        json_value(f'{{"a": [{number}]}}', "here")
    assert json_value(f'["{number}", 1e300, 1e-999]', "here") == [number, 1e300, 0.0]


@pytest.mark.parametrize(
    ("text", "why"),
    [("{", "no JSON"), ("NaN", "NaN is no number"), ("[" * 100_000, "nested too deep"), ('"\\ud800"', "no JSON")],
)
def test_what_is_no_json_is_said_in_a_sentence(text: str, why: str) -> None:
    with pytest.raises(UsageError, match=rf"^here: .*{why}"):
        json_value(text, "here")


def endless(path: Path) -> None:
    os.symlink("/dev/zero", path)


def without_writer(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.skipif(os.name == "nt", reason="there are no such files")
@pytest.mark.parametrize("make", [endless, without_writer, lambda path: path.write_bytes(b"\xff"), os.mkdir])
@pytest.mark.parametrize("read", [named_run, load_space, read_tinynas_config])
def test_what_is_no_text_of_others_is_said(
    make: Callable[[Path], object], read: Callable[[Path], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_files, "WAIT_FOR_WRITER", 0.1)
    path = tmp_path / "theirs.py"
    make(path)
    with pytest.raises(PlainnetError, match=r"theirs\.py"):
        read(path)


@pytest.mark.parametrize("text", ["", "two words", "../run", "x" * 200, "a\nb"])
def test_a_file_that_names_no_run_is_said(text: str, tmp_path: Path) -> None:
    path = tmp_path / "run.txt"
    path.write_text("0f3a-b_1.2\n")
    assert named_run(path) == "0f3a-b_1.2"
    path.write_text(text)
    with pytest.raises(PlainnetError, match=r"run\.txt names no run: .*; accepted: one word"):
        named_run(path)
