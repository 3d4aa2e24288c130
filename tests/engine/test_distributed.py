"""Two processes compute what one does."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from plainnet.engine.checkpoint import load_weights

ROOT = Path(__file__).parent.parent.parent
OPTIONS = (
    "model.structure=SuperConvK3BNRELU(1,8,1,1)SuperResK3K3(8,16,2,8,1)SuperConvK1BNRELU(16,32,1,1)",
    "train.epochs=2",
    "data.val_batch_size=101",
    "train.clip_norm=1.0",
    "train.ema=0.9",
    "data.augment=[{type: RandomCrop, padding: 1}, {type: Flip}]",
    "device=cpu",
    "log.tensorboard=false",
)


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def launch(processes: int, folder: Path, *options: str) -> dict[str, Any]:
    command = [sys.executable]
    if processes > 1:
        command += ["-m", "torch.distributed.run", f"--nproc_per_node={processes}", f"--master_port={free_port()}"]
    command += [str(ROOT / "tests/engine/launched.py"), "quick", *OPTIONS, *options, f"run={folder}", "--json"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    result = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=300)
    assert result.returncode == 0, result.stderr[-3000:]
    summary: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return summary


@pytest.mark.slow
@pytest.mark.parametrize("extra", [(), ("train.accumulate=3",)], ids=["plain", "accumulated"])
def test_two_processes_give_the_metrics_of_one(tmp_path: Path, extra: tuple[str, ...]) -> None:
    """Uneven last batches in training (29 of 64) and validation (57 of 101), batch norm, crops, clipping, averaging."""
    one, two = launch(1, tmp_path / "one", *extra), launch(2, tmp_path / "two", *extra)
    assert one["iterations"] == two["iterations"]
    assert two["metrics"] == pytest.approx(one["metrics"], abs=1e-5)
    left, right = (load_weights(tmp_path / name / "last.safetensors")[0] for name in ("one", "two"))
    for name, tensor in left.items():
        torch.testing.assert_close(right[name], tensor, rtol=0, atol=1e-3)
    log = [json.loads(line) for line in (tmp_path / "two" / "log.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in log if line["event"] == "epoch"] == [1, 2]


@pytest.mark.slow
def test_two_processes_are_one_but_for_rounding(tmp_path: Path) -> None:
    """The recipe's own network and learning rate. In float32 a change of the weights by 1e-7 changes an epoch's loss by 1e-3
    there, whatever trains it; in float64 what is left of the difference is rounding alone.
    """
    structure = "SuperConvK3BNRELU(1,32,1,1)SuperResK3K3(32,64,2,32,1)SuperConvK1BNRELU(64,128,1,1)"
    model = f"model={{_delete_: true, type: '{ROOT}/tests/engine/engine_models.py:Double', structure: '{structure}'}}"
    one, two = (launch(count, tmp_path / str(count), model, "train.clip_norm=null") for count in (1, 2))
    assert two["metrics"] == pytest.approx(one["metrics"], abs=1e-9)


@pytest.mark.slow
def test_a_run_of_two_processes_can_be_resumed(tmp_path: Path) -> None:
    whole = launch(2, tmp_path / "whole", "schedule.type=constant")
    parts = launch(2, tmp_path / "parts", "schedule.type=constant", "train.epochs=1")
    assert parts["rounds"] == 1
    folder = tmp_path / "parts"
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", f"--master_port={free_port()}"]
    command += [str(ROOT / "tests/engine/launched.py"), str(folder), "train.epochs=2", "--json"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    result = subprocess.run(command, capture_output=True, text=True, env=environment, check=True, timeout=300)
    assert json.loads(result.stdout.splitlines()[-1])["metrics"] == whole["metrics"]
