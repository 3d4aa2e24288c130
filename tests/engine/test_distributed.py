"""Two processes compute what one does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from launcher import MODELS, OPTIONS, go_on, launch, run_spawned, run_torchrun, summary_of

from plainnet.files.tensor_files import read_tensors


@pytest.mark.slow
@pytest.mark.parametrize(
    ("launcher", "extra"),
    [
        ("torchrun", ()),
        ("forked", ("train.accumulate=3", "data.val_batch_size=1")),
        pytest.param("spawned", ("train.epochs=1",), marks=pytest.mark.tail),
    ],
)
def test_two_processes_give_the_metrics_of_one(tmp_path: Path, launcher: str, extra: tuple[str, ...]) -> None:
    """With validation batches of one image, one of the two processes sees none."""
    one = launch(1, tmp_path / "one", *extra)
    if launcher == "forked":
        two = launch(2, tmp_path / "two", *extra)
    elif launcher == "torchrun":
        two = summary_of(run_torchrun("launched.py", "quick", *OPTIONS, f"run={tmp_path / 'two'}", "--json"))
    else:
        two = summary_of(run_spawned("quick", *OPTIONS, *extra, f"run={tmp_path / 'two'}", "--json"))
    assert one["iterations"] == two["iterations"]
    assert two["metrics"] == pytest.approx(one["metrics"], abs=1e-5)
    left, right = (read_tensors(tmp_path / name / "last.safetensors")[0] for name in ("one", "two"))
    for name, tensor in left.items():
        torch.testing.assert_close(right[name], tensor, rtol=0, atol=1e-3)
    log = [json.loads(line) for line in (tmp_path / "two" / "log.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in log if line["event"] == "epoch"] == [1, 2][: one["rounds"]]


@pytest.mark.slow
def test_two_processes_are_one_but_for_rounding(tmp_path: Path) -> None:
    """The recipe's own network and learning rate. In float32 a change of the weights by 1e-7 changes an epoch's loss by 1e-3
    there, whatever trains it; in float64 what is left of the difference is rounding alone.
    """
    structure = "SuperConvK3BNRELU(1,32,1,1)SuperResK3K3(32,64,2,32,1)SuperConvK1BNRELU(64,128,1,1)"
    model = f"model={{_delete_: true, type: '{MODELS}:Double', structure: '{structure}'}}"
    one, two = (launch(count, tmp_path / str(count), model, "train.clip_norm=null") for count in (1, 2))
    assert two["metrics"] == pytest.approx(one["metrics"], abs=1e-9)


@pytest.mark.slow
def test_a_run_of_two_processes_can_be_resumed(tmp_path: Path) -> None:
    whole = launch(2, tmp_path / "whole", "schedule.type=constant")
    parts = launch(2, tmp_path / "parts", "schedule.type=constant", "train.epochs=1")
    assert parts["rounds"] == 1
    assert go_on(2, tmp_path / "parts", "train.epochs=2")["metrics"] == whole["metrics"]
