"""`plainnet train` with one process or with several."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from tests import forked

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


def run_torchrun(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A script of this folder in two processes, as torchrun starts them."""
    torchrun = ["-m", "torch.distributed.run", "--nproc_per_node=2", f"--master_port={free_port()}"]
    command = [sys.executable, *torchrun, str(ROOT / "tests/engine" / script), *arguments]
    variables = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), **NO_GPU}
    return subprocess.run(command, capture_output=True, text=True, env=variables, check=False, timeout=300)


def run_spawned(*arguments: str) -> subprocess.CompletedProcess[str]:
    """`plainnet train --processes 2` with these arguments."""
    command = [sys.executable, "-m", "plainnet", "train", *arguments, "--processes", "2"]
    variables = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), **NO_GPU}
    return subprocess.run(command, capture_output=True, text=True, env=variables, check=False, timeout=300)


def run_script(processes: int, script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The same in any number of processes that are told who they are as torchrun does it: the output of the first of them,
    and the exit code of the first that failed, after which the others are stopped.
    """
    told = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": str(processes)}
    command = [str(ROOT / "tests/engine" / script), *arguments]
    with ExitStack() as stack:
        folders = [Path(stack.enter_context(tempfile.TemporaryDirectory())) for _ in range(processes)]
        started = []
        for rank, folder in enumerate(folders):
            said = {**told, "RANK": str(rank), "LOCAL_RANK": str(rank)} if processes > 1 else {}
            variables = {**os.environ, "OMP_NUM_THREADS": "1", **NO_GPU, **said, **environment}
            started.append(forked.start(command, folder=folder, environment=variables))
            stack.callback(started[-1].kill)
        code = _end_of(started)
        return subprocess.CompletedProcess(command, code, *forked.printed(folders[0]))


def _end_of(started: list[BaseProcess]) -> int:
    code, left = 0, list(started)
    while left:
        wait([process.sentinel for process in left])
        for process in [each for each in left if not each.is_alive()]:
            left.remove(process)
            if process.exitcode and not code:
                code = process.exitcode
                for other in left:
                    other.terminate()
    return code


def run_processes(processes: int, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`plainnet train` with these arguments in one process or in several."""
    return run_script(processes, "launched.py", *arguments, "--json", **environment)


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
