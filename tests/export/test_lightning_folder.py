"""The lightning target: LightningCLI trains it, from its YAML."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from plainnet.export import Network
from tests.export.conftest import COUNT, images, probe, run

pytestmark = pytest.mark.slow

QUIET = ("--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false")


@pytest.fixture
def folder(export: Callable[..., Path], tmp_path: Path) -> Path:
    pytest.importorskip("lightning")
    pytest.importorskip("jsonargparse")
    return Path(shutil.copytree(export("lightning"), tmp_path / "net"))


@pytest.mark.tail
def test_the_command_line_trains_the_same_network(folder: Path, network: Network, reference: Any) -> None:
    pytest.importorskip("sklearn")
    logger = (
        "--trainer.logger.class_path=CSVLogger",
        "--trainer.logger.save_dir=logs",
        "--trainer.log_every_n_steps=5",
    )
    run(folder, "-W", "ignore", "train.py", "fit", "--config", "fit.yaml", "--trainer.max_epochs=3", *QUIET, *logger)
    (metrics,) = folder.rglob("metrics.csv")
    with metrics.open() as file:
        reached = [float(row["val_accuracy"]) for row in csv.DictReader(file) if row["val_accuracy"]]
    assert len(reached) == 3
    assert reached[-1] > 0.5  # of ten classes
    (checkpoint,) = folder.rglob("*.ckpt")
    torch.save(images(2, *network.shape), folder / "images.pt")
    counts = probe(
        folder,
        f"{COUNT}\nimport json, torch\nfrom lit import LitNet\nnet = LitNet(weights='weights.pt').eval()\n"
        "torch.save(net(torch.load('images.pt')), 'logits.pt')\n"
        f"LitNet.load_from_checkpoint({str(checkpoint)!r}, weights_only=False)\n"
        "print(json.dumps(count(net, 3, 16, 16)))",
    )
    assert counts == {"params": network.counts.params, "macs": network.counts.macs}
    assert torch.equal(torch.load(folder / "logits.pt"), reference(images(2, *network.shape)))
