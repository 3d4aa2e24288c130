"""What is no number: never the best, null in every file, and counted."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small import make_trainer

from plainnet.engine.checkpoints.checkpoint import checkpoints, load_checkpoint
from plainnet.engine.checkpoints.trainer_state import load_trainer, save_trainer
from plainnet.engine.hooks.checkpointing import CheckpointHook
from plainnet.engine.hooks.hook import Hook
from plainnet.engine.means import Means, Ratio
from plainnet.engine.run.training_run import resume

NAN, INF = math.nan, math.inf


class Says(Hook):
    """A metric of a user's with a value for each validation."""

    priority = 60

    def __init__(self, *, values: list[Any]) -> None:
        self.values = [float(value) for value in values]

    def after_val_epoch(self, trainer: Any, summary: Any) -> None:
        summary["odd"] = self.values[trainer.rounds - 1]


@pytest.mark.parametrize("mode", ["max", "min"])
@pytest.mark.parametrize(
    ("values", "best"),
    [
        ([NAN, 2.0, 1.0], {"max": 2.0, "min": 1.0}),
        ([NAN, NAN, 1.0], {"max": 1.0, "min": 1.0}),
        ([1.0, NAN, 2.0], {"max": 2.0, "min": 1.0}),
        ([INF, -INF, 2.0], {"max": 2.0, "min": 2.0}),
        ([1.0, INF, -INF], {"max": 1.0, "min": 1.0}),
        ([NAN, NAN, NAN], {"max": None, "min": None}),
    ],
)
def test_what_is_not_finite_is_never_the_best(tmp_path: Path, values: list[float], best: Any, mode: str) -> None:
    trainer = make_trainer(epochs=3, hooks=[Says(values=values)])
    saver = CheckpointHook(tmp_path, best="odd", mode=mode, describe=dict)
    trainer.register_hook(saver)
    trainer.fit()
    assert saver.best.get("value") == best[mode]
    assert (tmp_path / "best.safetensors").exists() == (best[mode] is not None)
    assert (tmp_path / "last.safetensors").exists()


def strict(text: str) -> Any:
    def refuse(name: str) -> Any:
        raise ValueError(f"{name} is no JSON")

    return json.loads(text, parse_constant=refuse)


def test_every_file_of_a_run_is_strict_json(trained: Callable[..., Any], tmp_path: Path) -> None:
    hook = f"hooks=[{{type: '{__file__}:Says', values: ['nan', 'inf', 1.0]}}]"
    summary = trained(hook, "train.epochs=3", "log.every=5", "checkpoint.keep=9", "checkpoint.best=odd")
    run = tmp_path / "run"
    lines = [strict(line) for line in (run / "log.jsonl").read_text().splitlines()]
    epochs = [line for line in lines if line["event"] == "epoch"]
    assert [line["val/odd"] for line in epochs] == [None, None, 1.0]
    assert [line.get("not_finite") for line in epochs] == [1, 1, None]
    saved = strict((run / "summary.json").read_text())
    assert saved["not_finite"] == summary.not_finite == {"val/odd": 2}
    assert saved["metrics"]["val/odd"] == 1.0
    for path in run.rglob("*.json"):
        strict(path.read_text())
    first = load_checkpoint(checkpoints(run / "checkpoints")[0])[1]
    assert math.isnan(first["history"][0]["val"]["odd"])


def test_the_last_metrics_of_a_summary_are_null(trained: Callable[..., Any], quiet: Any, tmp_path: Path) -> None:
    hook = f"hooks=[{{type: '{__file__}:Says', values: [1.0, 'nan', 'nan']}}]"
    assert trained(hook).metrics["val/odd"] is None
    again = resume(tmp_path / "run", overrides=["train.epochs=3", "schedule.type=constant"], console=quiet)
    assert again.not_finite == {"val/odd": 2}


def test_a_checkpoint_gives_back_what_is_not_finite(tmp_path: Path) -> None:
    trainer = make_trainer(epochs=1, hooks=[Says(values=[-INF])])
    trainer.fit()
    path = save_trainer(trainer, tmp_path)
    assert path is not None
    strict((path / "state.json").read_text())
    other = make_trainer(epochs=1)
    load_trainer(other, path)
    assert other.history[0]["val"]["odd"] == -INF


def test_a_mean_over_nothing_is_no_zero() -> None:
    means = Means()
    means.add({"recall": Ratio(0, 0), "loss": 1.0}, samples=4)
    assert math.isnan(means.compute()["recall"])
    assert means.compute()["loss"] == 1.0
