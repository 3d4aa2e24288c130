"""`plainnet.engine.processes`: what processes say to each other is the same code with one process and with two."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from launcher import run_script
from speaking import said

from plainnet.engine.processes import abort, barrier, broadcast, gather, main_process, process_count
from plainnet.engine.processes.devices import make_accelerator
from plainnet.errors import RunError, UsageError


def test_one_process_speaks_to_itself(tmp_path: Path) -> None:
    alone = {"numbers": [0], "tensors": [[0.0]], "words": ["word"], "last": 0, "main": True}
    assert said(tmp_path) == {"file": True, "own": "by the first", "all": "by the first", **alone}
    tensor = torch.ones(2, requires_grad=True)
    assert gather(tensor)[0] is broadcast(tensor) is tensor, "nothing is copied"
    with pytest.raises(RunError, match="no more"):
        abort("no more")
    with pytest.raises(UsageError, match="source is 1; accepted: 0 to 0"):
        broadcast("x", source=1)


@pytest.mark.slow
def test_two_processes_speak_to_each_other(tmp_path: Path) -> None:
    result = run_script(2, "speaking.py", str(tmp_path / "said.json"))
    assert result.returncode == 0, result.stderr
    first, second = json.loads((tmp_path / "said.json").read_text())
    both = {"numbers": [0, 1], "tensors": [[0.0], [1.0, 1.0]], "words": ["word", "word"], "last": 1}
    assert first == {"file": True, "own": "by the first", "all": "by the first", **both, "main": True}
    assert second == {"file": True, "own": None, "all": "by the first", **both, "main": False}


@pytest.mark.slow
def test_abort_ends_whoever_waits(tmp_path: Path) -> None:
    result = run_script(2, "speaking.py", str(tmp_path / "said.json"), "abort")
    assert result.returncode == 1


def test_processes_that_have_not_joined_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or each would take itself for the only one."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    assert process_count() == 2
    for call in (barrier, lambda: gather(1), lambda: broadcast(1)):
        with pytest.raises(UsageError, match="the 2 processes have not joined yet"):
            call()
    assert main_process(lambda: "first")() is None


def test_a_process_without_a_gpu_of_its_own_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"WORLD_SIZE": "2", "RANK": "1", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(UsageError, match=r"this machine has 1 GPUs, and process 1 \(from 0\) would have none"):
        make_accelerator(precision="no", device="auto")
