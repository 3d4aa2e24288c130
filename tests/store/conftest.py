"""What the store's tests share: small records without a training, and one real training run."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from plainnet.engine.run.training_run import load_config, train
from plainnet.files.tensor_files import write_tensors
from plainnet.store.keeping import keep
from plainnet.store.record import Data, Identity, Metric, Record, Structure

NET = "SuperConvK3BNRELU(1,8,1,1)SuperResK3K3(8,16,2,8,1)SuperConvK1BNRELU(16,32,1,1)"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The store of a test is its own."""
    monkeypatch.setenv("PLAINNET_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(os, "fsync", lambda _: None)  # tests outlive no power cut
    return tmp_path / "home"


@pytest.fixture
def root(home: Path) -> Path:
    return home / "models"


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training run of an epoch on the digits."""
    folder = tmp_path_factory.mktemp("runs") / "first"
    source: dict[str, Any] = {
        "_base_": "quick",
        "model": {"_delete_": True, "type": "PlainNet", "structure": NET},
        "train": {"epochs": 1},
        "log": {"tensorboard": False},
        "device": "cpu",
        "run": str(folder),
    }
    train(load_config(source), console=Console(quiet=True))
    return folder


def small_record(name: str = "net", tag: str = "one", *, accuracy: float | None = 0.5, **changes: Any) -> Record:
    """A record of a network that is no string."""
    identity: dict[str, Any] = {"digest": "0" * 64, "family": "own", "kind": "network", "task": "cls"}
    return Record(
        identity=Identity(name=name, tag=tag, **identity | changes.pop("identity", {})),
        structure=Structure(constructor="Linear", parts={"backbone": ["body."], "head": ["head."]}),
        data=Data(name="digits"),
        metrics=[Metric(dataset="digits", split="val", name="accuracy", value=accuracy, better="higher")],
        **changes,
    )


def write_small(path: Path) -> None:
    write_tensors(path, {"body.weight": torch.arange(4.0), "head.weight": torch.ones(2)})


@pytest.fixture
def put(root: Path) -> Callable[..., Record]:
    """Puts a small record into the store."""

    def put(name: str = "net", tag: str = "one", **changes: Any) -> Record:
        return keep(root, small_record(name, tag, **changes), write_small)

    return put
