"""The lock of a run's folder."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from plainnet.errors import RunError
from plainnet.files.lock import RunLock


def test_one_at_a_time(tmp_path: Path) -> None:
    with RunLock(tmp_path):
        for _ in range(2):
            with pytest.raises(RunError, match=rf"in use by process {os.getpid()} on "):
                RunLock(tmp_path)
    RunLock(tmp_path).close()
    with pytest.raises(RunError, match=r"cannot be written: No such file"):
        RunLock(tmp_path / "nothing")


def test_a_full_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", refuse)
        with pytest.raises(RunError, match=r"lock cannot be written: No space left"):
            RunLock(tmp_path)
        assert not list(tmp_path.iterdir())
        (tmp_path / "lock").write_text("of before")
        with pytest.raises(RunError, match=r"lock cannot be written: No space left"):
            RunLock(tmp_path)
        assert (tmp_path / "lock").exists()
    RunLock(tmp_path).close()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_holds_nothing(tmp_path: Path) -> None:
    """A worker that outlives a killed process does not keep the folder; one that ends does not let go of it."""
    lock = RunLock(tmp_path)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        lock.close()
        os.write(writer, b"!")
        time.sleep(0.5)
        os._exit(0)
    os.read(reader, 1)
    with pytest.raises(RunError, match=r"in use"):
        RunLock(tmp_path)
    lock.close()
    RunLock(tmp_path).close()
    os.waitpid(child, 0)
    os.close(reader)
    os.close(writer)
