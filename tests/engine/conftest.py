"""What the engine's tests share."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from plainnet.configs import Config
from plainnet.engine.run.run_summary import RunSummary
from plainnet.engine.run.schema import TrainConfig
from plainnet.engine.run.training_run import load_config, train

NET = "SuperConvK3BNRELU(1,8,1,1)SuperResK3K3(8,16,2,8,1)SuperConvK1BNRELU(16,32,1,1)"


@pytest.fixture(autouse=True)
def _no_process_is_left() -> Iterator[None]:
    """torch raises the death of a loader's process in whatever runs then, which may be another test."""
    before = multiprocessing.active_children()
    yield
    assert [process for process in multiprocessing.active_children() if process not in before] == []


@pytest.fixture
def quiet() -> Console:
    """A console that nobody reads."""
    return Console(quiet=True)


@pytest.fixture
def configured(tmp_path: Path) -> Callable[..., Config[TrainConfig]]:
    """A configuration of a small network on the digits, two epochs long, with overrides."""

    def make(*overrides: str, run: str = "run") -> Config[TrainConfig]:
        source: dict[str, Any] = {
            "_base_": "quick",
            "model": {"_delete_": True, "type": "PlainNet", "structure": NET},
            "train": {"epochs": 2},
            "log": {"tensorboard": False},
            "device": "cpu",
            "run": str(tmp_path / run),
        }
        return load_config(source, overrides=overrides)

    return make


@pytest.fixture
def trained(configured: Callable[..., Any], quiet: Console) -> Callable[..., RunSummary]:
    """The summary of a finished run with overrides."""

    def run(*overrides: str, run: str = "run", **options: Any) -> RunSummary:
        return train(configured(*overrides, run=run), console=quiet, **options)

    return run
