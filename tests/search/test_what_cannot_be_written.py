"""Pages, tables and copies of runs where the disk is full: what was there stays, and what is half made goes."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from plainnet.search import search
from tests.search.small import small_config


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    search(small_config(candidates=800), folder)
    return folder


def with_little_room(*arguments: object, size: int) -> subprocess.CompletedProcess[str]:
    """A command that may write so many bytes to a file."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    command = [sys.executable, "-m", "plainnet", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, preexec_fn=limit, check=False)


def test_a_page_that_was_there_is_kept(run: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("the page of yesterday")
    ran = with_little_room("report", run, "-o", page, size=10_000)
    assert ran.returncode == 1
    assert f"{page} cannot be written: File too large" in ran.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
    assert page.read_text() == "the page of yesterday"


def test_half_a_table_is_no_table(run: Path, tmp_path: Path) -> None:
    ran = with_little_room("runs", "export", run, "-o", tmp_path / "all.csv", size=20_000)
    assert ran.returncode == 1
    assert f"{tmp_path / 'all.csv'} cannot be written: File too large" in ran.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["fork", "merge"])
def test_half_a_run_is_no_run(run: Path, tmp_path: Path, command: str) -> None:
    new = tmp_path / "new"
    arguments = [run, new] if command == "fork" else [run, run, "--out", new]
    ran = with_little_room("runs", command, *arguments, size=60_000)
    assert ran.returncode == 1
    assert f"{new} cannot be made" in ran.stderr
    assert not list(tmp_path.iterdir())


def test_a_search_that_cannot_begin_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    ran = with_little_room("search", "zennas-resnet", "--max-layers", "6", "--out", folder, size=8_192)
    assert ran.returncode == 1
    assert f"no run can begin in {folder}" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert not list(tmp_path.iterdir())
