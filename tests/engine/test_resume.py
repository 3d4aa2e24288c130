"""A resumed run ends as the uninterrupted one, to the last bit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from plainnet.engine.checkpoints.checkpoint import checkpoints, load_checkpoint
from plainnet.engine.run.training_run import resume, train
from plainnet.errors import RunError
from plainnet.files.tensor_files import read_tensors

HERE = Path(__file__).parent
STATEFUL = (
    f"model={{_delete_: true, type: '{HERE}/engine_models.py:Dropping'}}",
    "train.ema=0.9",
    "data.mixup=0.2",
    "optim={_delete_: true, type: AdamW, lr: 0.003}",
)


def same_weights(left: Path, right: Path) -> bool:
    one, other = read_tensors(left)[0], read_tensors(right)[0]
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def same_state(left: Any, right: Any) -> bool:
    if isinstance(left, torch.Tensor):
        return isinstance(right, torch.Tensor) and torch.equal(left, right)
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same_state(left[key], right[key]) for key in left)
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(same_state, left, right))
    return bool(left == right)


@pytest.mark.parametrize("updates", [1, 7, 23, 24, 45])
@pytest.mark.parametrize(
    "extra", [(), ("train.accumulate=3",), ("train={by: iteration, iterations: 50, validate_every: 20}",)]
)
def test_a_stopped_run_continues_to_the_last_bit(
    trained: Callable[..., Any], quiet: Console, tmp_path: Path, updates: int, extra: tuple[str, ...]
) -> None:
    if "train.accumulate=3" in extra:
        updates = -(-updates // 3)
    trained(*STATEFUL, *extra, run="whole")
    stop = f"hooks=[{{type: '{HERE}/engine_models.py:StopAfter', updates: {updates}}}]"
    stopped = trained(*STATEFUL, *extra, stop, run="parts")
    assert stopped.stopped_by == "SIGINT"
    assert not stopped.complete
    assert stopped.iterations == updates
    resumed = resume(tmp_path / "parts", overrides=["hooks=[]"], console=quiet)
    assert resumed.complete
    for name in ("best.safetensors", "last.safetensors"):
        assert same_weights(tmp_path / "whole" / name, tmp_path / "parts" / name)
    (whole_model, whole), (parts_model, parts) = (
        load_checkpoint(checkpoints(tmp_path / run / "checkpoints")[-1]) for run in ("whole", "parts")
    )
    assert same_state(whole_model, parts_model)
    for key in ("position", "history", "optimizer", "scheduler", "averaged", "processes"):
        assert same_state(whole[key], parts[key]), key


def test_the_log_of_a_resumed_run_has_each_update_once(
    trained: Callable[..., Any], quiet: Console, tmp_path: Path
) -> None:
    stop = f"hooks=[{{type: '{HERE}/engine_models.py:FailAfter', updates: 31}}]"
    options = ("log.every=1", "checkpoint.every_updates=5")
    with pytest.raises(ZeroDivisionError):
        trained(*options, stop)
    resume(tmp_path / "run", overrides=["hooks=[]"], console=quiet)
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [line["iteration"] for line in lines if line["event"] == "train"] == list(range(1, 47))
    assert [line["epoch"] for line in lines if line["event"] == "epoch"] == [1, 2]


def test_a_broken_run_leaves_a_report_and_its_last_checkpoint(trained: Callable[..., Any], tmp_path: Path) -> None:
    stop = f"hooks=[{{type: '{HERE}/engine_models.py:FailAfter', updates: 31}}]"
    with pytest.raises(ZeroDivisionError) as caught:
        trained("checkpoint.every_updates=5", stop)
    (report,) = (tmp_path / "run").glob("error-*.txt")
    assert caught.value.__notes__[-1] == f"the full trace is in {report}"
    text = report.read_text()
    assert "the test divides by zero" in text
    assert "after_train_step" in text
    assert "epoch 1, batch 8, update 31" in text
    assert checkpoints(tmp_path / "run" / "checkpoints")[-1].name == "000000030"


def test_a_folder_that_holds_a_run_is_not_overwritten(trained: Callable[..., Any]) -> None:
    trained("train.epochs=1")
    with pytest.raises(RunError, match=r"holds a run already; continue it with: plainnet train"):
        trained("train.epochs=1")
    assert trained("train.epochs=1", continue_existing=True).complete


def test_a_longer_schedule_can_be_continued(trained: Callable[..., Any], quiet: Console, tmp_path: Path) -> None:
    trained("schedule.type=constant")
    longer = resume(tmp_path / "run", overrides=["train.epochs=3"], console=quiet)
    assert longer.rounds == 3
    assert longer.iterations == 3 * 23


def test_a_checkpoint_of_another_network_is_refused(
    trained: Callable[..., Any], quiet: Console, tmp_path: Path
) -> None:
    trained()
    with pytest.raises(RunError, match=r"does not fit this run"):
        resume(tmp_path / "run", overrides=["model.structure=SuperConvK3BNRELU(1,16,1,1)"], console=quiet)


def test_a_folder_without_a_run_cannot_be_resumed(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"holds no run"):
        resume(tmp_path)


@pytest.mark.tail
def test_thirty_kills_at_random_times_change_nothing(
    configured: Callable[..., Any], quiet: Console, tmp_path: Path
) -> None:
    """SIGKILL, also in the middle of writing checkpoints: one is written every two updates."""
    options = (*STATEFUL, "train.epochs=12", "checkpoint.every_updates=2", "hooks=[]")
    train(configured(*options, run="whole"), console=quiet)
    (tmp_path / "options.json").write_text(json.dumps([*options, f"run={tmp_path / 'killed'}"]))
    command = [sys.executable, str(HERE / "killer.py"), str(tmp_path / "options.json"), "30"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(HERE.parent.parent)}
    result = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=500)
    assert result.returncode == 0, result.stderr
    kills = json.loads(result.stdout)
    assert len(kills) == 30
    assert len(set(kills)) > 10, "the kills came at different updates"
    for name in ("best.safetensors", "last.safetensors"):
        assert same_weights(tmp_path / "whole" / name, tmp_path / "killed" / name)
    whole, killed = (json.loads((tmp_path / run / "summary.json").read_text()) for run in ("whole", "killed"))
    assert whole["metrics"] == killed["metrics"]
