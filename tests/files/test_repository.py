"""git is asked, and nothing is left in the user's repository: no lock, no index that was written again."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from plainnet.files.repository import ask_git


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    file = tmp_path / "a.txt"
    file.write_text("a")
    for words in (
        ["init", "-q"],
        ["add", "a.txt"],
        ["-c", "user.name=a", "-c", "user.email=a@b.example", "commit", "-qm", "a"],
    ):
        done = subprocess.run(["git", *words], cwd=tmp_path, capture_output=True, check=False)
        if done.returncode:
            pytest.skip("there is no git")
    os.utime(
        file, (1_000_000_000, 1_000_000_000)
    )  # git looks at the file again, and would note in its index what it saw
    return tmp_path


def test_the_index_is_not_written(repository: Path) -> None:
    index = repository / ".git" / "index"
    before = index.stat()
    assert ask_git("status", "--porcelain", folder=repository) == ""
    assert index.stat().st_ino == before.st_ino
    subprocess.run(["git", "-C", str(repository), "status"], capture_output=True, check=True)
    assert index.stat().st_ino != before.st_ino, "what is tried must be what git does by itself"


def test_a_lock_of_another_process_is_no_obstacle(repository: Path) -> None:
    (repository / ".git" / "index.lock").touch()
    assert ask_git("status", "--porcelain", folder=repository) == ""


def test_no_answer_is_none(tmp_path: Path) -> None:
    assert ask_git("rev-parse", "HEAD", folder=tmp_path / "none") is None
    assert ask_git("rev-parse", "HEAD", folder=Path("a\0b")) is None
