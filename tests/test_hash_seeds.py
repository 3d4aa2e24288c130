"""What surrounds a process decides nothing, no row of a search and no byte of weights: Python's hash seed, which differs from
process to process, the locale, a home that cannot be written.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.search.small import rows_of

SURROUNDINGS = {
    "0": {"LC_ALL": "C.UTF-8"},
    "1": {"LC_ALL": "C", "LANG": "C", "HOME": "/proc", "PLAINNET_HOME": "/proc/none", "TZ": "Asia/Kathmandu"},
}
"""By hash seed."""
NET = "SuperConvK3BNRELU(1,4,2,1)SuperConvK1BNRELU(4,8,1,1)"


def run(folder: Path, seed: str, *arguments: str) -> None:
    (folder / seed).mkdir()
    subprocess.run(
        [sys.executable, "-m", "plainnet", *arguments],
        cwd=folder / seed,
        env={**os.environ, "PYTHONHASHSEED": seed, **SURROUNDINGS[seed]},
        capture_output=True,
        check=True,
    )


@pytest.mark.slow
def test_a_search_finds_the_same(tmp_path: Path) -> None:
    arguments = (
        "search",
        "tinynas-k1dwk1",
        "--max-params",
        "3e6",
        "--candidates",
        "400",
        "--ladder",
        "none",
        "--out",
        "run",
    )
    for seed in ("0", "1"):
        run(tmp_path, seed, *arguments)
    rows = [rows_of(tmp_path / seed / "run") for seed in ("0", "1")]
    assert sum(map(len, rows[0].values())) > 100
    assert rows[0] == rows[1]


@pytest.mark.tail
def test_a_training_writes_the_same_bytes(tmp_path: Path) -> None:
    arguments = (
        "train",
        NET,
        "train.epochs=1",
        "log.tensorboard=false",
        "device=cpu",
        "data.batch_size=256",
        "--out",
        "run",
    )
    for seed in ("0", "1"):
        run(tmp_path, seed, *arguments)
    found = {
        hashlib.sha256((tmp_path / seed / "run" / "best.safetensors").read_bytes()).hexdigest() for seed in ("0", "1")
    }
    assert len(found) == 1
