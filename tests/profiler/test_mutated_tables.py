"""Tables of latencies made wrong at random: every command that reads them reads them, or names the file."""

from __future__ import annotations

import os
import random
import resource
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import FileIO
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from profiler.made_tables import made_table, networks

from plainnet.errors import RunError
from plainnet.profiler.lut import measuring
from plainnet.profiler.lut.building import build
from plainnet.profiler.lut.merging import merge
from plainnet.profiler.lut.table_file import append, read_table
from tests.mutations import command, faults, wrong_json, wrong_text

NAME = "wrong.lut.jsonl"
NETWORK = next(islice(networks(seed=3), 1))


def make_table(folder: Path) -> Path:
    """A table with a check in it."""
    folder.mkdir(parents=True)
    path = made_table(folder / "sound.lut.jsonl", 12)
    check = (
        '{"check": {"networks": 12, "unpredicted": 0, "median_error": 0.02, "bias": 1.0, "spearman": 0.9, "low": 0.9, '
        '"high": 1.1, "load": 0.5, "seed": 3, "timed": 12}}\n'
    )
    path.write_text(path.read_text(encoding="utf-8") + check, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_table(tmp_path_factory.mktemp("tables") / "sound")


def readers(file: Path, sound: Path) -> Iterator[Callable[[], object]]:
    """What reads a table."""
    yield command("lut", "info", file)
    yield command("lut", "info", file, "--json")
    yield command("lut", "predict", file, NETWORK, "--json")
    yield command("lut", "merge", sound, file, "--out", file.with_name("merged.jsonl"))
    yield command(
        "search", "zennas-mobile", "--resolution", 32, "--max-latency-ms", "900", "--max-layers", "30", "--latency-table", file,
        "--candidates", "8", "--ladder", "none", "--quiet", "--out", file.with_name("run"),
    )  # fmt: skip


def check(sound: Path, folder: Path, seeds: Iterable[int]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / NAME
    for seed in seeds:
        draw = random.Random(seed)
        file.write_bytes(wrong_json(sound.read_text(encoding="utf-8"), draw))
        (folder / "merged.jsonl").unlink(missing_ok=True)
        shutil.rmtree(folder / "run", ignore_errors=True)
        tried = islice(readers(file, sound), draw.choice([4] * 19 + [5]))  # a search takes seconds
        found = faults(tried, NAME, "the table does not hold", "the table holds no")
        assert found == [], (seed, *found)


@pytest.mark.parametrize(
    "seeds",
    [(*range(10), 500_805, 501_114, 81_022_007), pytest.param(range(10, 500), marks=pytest.mark.tail)],
    ids=["short", "long"],
)
def test_wrong_tables_are_read_or_named(table: Path, tmp_path: Path, seeds: Sequence[int]) -> None:
    check(table, tmp_path, seeds)


ROWS = "".join(
    f"{{{kind},{batch},{width},{side},{side},{width},{kernel},1,{fused}}} {width / side}\n"
    for kind in ("Regular", "Depthwise")
    for batch in (1, 32)
    for width, side in ((8, 32), (64, 7))
    for kernel in (1, 3)
    for fused in (0, 1)
)


def check_imports(folder: Path, seeds: Iterable[int]) -> None:
    """Tables of TinyNAS's profiler."""
    folder.mkdir(parents=True, exist_ok=True)
    file, out = folder / "wrong.txt", folder / "out.jsonl"
    facts = ("--batch", 32, "--device", "V100", "--dtype", "fp16", "--out", out)
    for seed in seeds:
        file.write_bytes(wrong_text(ROWS, random.Random(seed)))
        out.unlink(missing_ok=True)
        tried = [command("lut", "import", file, *facts)]
        found = faults(tried, "wrong.txt")
        found += faults([command("lut", "info", out)], "nothing") if out.exists() else []
        assert found == [], (seed, *found)


@pytest.mark.parametrize(
    "seeds",
    [(*range(30), 91_000_006, 92_004_019), pytest.param(range(30, 1_000), marks=pytest.mark.tail)],
    ids=["short", "long"],
)
def test_wrong_tables_of_tensorrt_are_read_or_named(tmp_path: Path, seeds: Sequence[int]) -> None:
    check_imports(tmp_path, seeds)


@contextmanager
def full_after(size: int) -> Iterator[None]:
    """No file may be larger than so many bytes, as on a disk that is full then."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_fills_leaves_a_table_as_it_was(table: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.lut.jsonl"
    file.write_bytes(table.read_bytes())
    lines = [each.as_dict() for each in read_table(table).timed]
    with full_after(len(table.read_bytes()) + 50), pytest.raises(RunError, match="what was in it is as it was"):
        append(file, lines)
    assert file.read_bytes() == table.read_bytes()
    with full_after(2_000), pytest.raises(RunError, match=r"merged.jsonl cannot be written: File too large"):
        merge([table], tmp_path / "merged.jsonl")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.lut.jsonl"]


def test_what_another_process_added_meanwhile_stays(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a part of a line went in, and another process wrote its own behind it, nothing of that is cut off."""
    file, known = tmp_path / "mine.lut.jsonl", read_table(table)
    file.write_bytes(table.read_bytes())
    line = known.timed[0].as_dict()

    class Interrupted(FileIO):
        def write(self, data: Any) -> int:
            written = super().write(data[:9])
            monkeypatch.undo()
            append(file, [line])
            return written

    monkeypatch.setattr(os, "fdopen", lambda descriptor, *_, **__: Interrupted(descriptor, "r+"))
    with pytest.raises(RunError, match="cannot be written"):
        append(file, [line])
    found = read_table(file)
    assert (len(found.timed), found.broken) == (len(known.timed) + 1, known.broken + 1)


@pytest.mark.parametrize("holds_something", [False, True])
def test_a_table_that_nothing_went_into_is_not_left(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, holds_something: bool
) -> None:
    """`lut build` on a disk that is full when the first networks were measured."""
    file, header = tmp_path / "new.lut.jsonl", read_table(table).header
    if holds_something:
        file.write_bytes(table.read_bytes())
    timed = SimpleNamespace(whole=10.0, operations=read_table(table).timed[0].operations)
    monkeypatch.setattr(measuring, "time_networks", lambda tables, _: [timed for _ in tables])
    with (
        full_after(len(table.read_bytes()) + 50 if holds_something else 1_000),
        pytest.raises(RunError, match="cannot be"),
    ):
        build(file, header, networks(seed=9), seconds=1.0, announce=lambda *_: None)
    assert file.exists() == holds_something
    assert not holds_something or file.read_bytes() == table.read_bytes()
