"""`plainnet train` with one process or with several, as a user starts it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
MODELS = ROOT / "tests/engine/engine_models.py"
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
"""Uneven last batches in training (29 of 64) and validation (57 of 101), batch norm, crops, clipping, averaging."""


NO_GPU = {"CUDA_VISIBLE_DEVICES": ""}
"""What `device: auto` finds is the same everywhere."""


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def run_processes(processes: int, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`plainnet train` with these arguments, under torchrun where there are several processes."""
    command = [sys.executable]
    if processes > 1:
        command += ["-m", "torch.distributed.run", f"--nproc_per_node={processes}", f"--master_port={free_port()}"]
    command += [str(ROOT / "tests/engine/launched.py"), *arguments, "--json"]
    variables = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), **NO_GPU, **environment}
    return subprocess.run(command, capture_output=True, text=True, env=variables, check=False, timeout=300)


def summary_of(result: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert result.returncode == 0, result.stderr[-3000:]
    summary: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return summary


def launch(processes: int, folder: Path, *options: str, **environment: str) -> dict[str, Any]:
    """The summary of a run with `OPTIONS` and these on top."""
    return summary_of(run_processes(processes, "quick", *OPTIONS, *options, f"run={folder}", **environment))


def go_on(processes: int, folder: Path, *options: str) -> dict[str, Any]:
    """The summary of a run that is taken up again."""
    return summary_of(run_processes(processes, str(folder), *options))
