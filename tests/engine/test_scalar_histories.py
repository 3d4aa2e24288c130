"""The history of a run's numbers: read and added from anywhere by name, over windows, and the same after a resume."""

# ruff: noqa: ARG002 (hooks take what they are given)
from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from engine_models import Plain
from small import make_trainer
from torch import Tensor

from plainnet.engine import Hook, add_scalar, resume, scalar
from plainnet.engine.loop.scalars import LENGTH, ScalarHistory
from plainnet.engine.means import RecentMeans, added_up
from plainnet.errors import UsageError


def test_windows_count_from_the_newest() -> None:
    history = ScalarHistory([1.0, 5.0, 2.0, 4.0])
    assert (history.current, len(history), history.values(2)) == (4.0, 4, [2.0, 4.0])
    assert (history.mean(), history.mean(2), history.mean(50)) == (3.0, 3.0, 3.0)
    assert (history.max(), history.max(2), history.min(), history.min(2)) == (5.0, 4.0, 1.0, 2.0)
    history.add(math.nan)
    assert math.isnan(history.mean(2))
    assert (history.max(2), history.min(), math.isnan(history.max(1))) == (4.0, 1.0, True)
    with pytest.raises(UsageError, match="window is 0; accepted: 1 or more values, None for all"):
        history.mean(0)
    for number in range(2 * LENGTH):
        history.add(number)
    assert (len(history), history.min()) == (LENGTH, LENGTH)


class Warm(Plain):
    """Says a number and reads another from inside the network."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[float] = []

    def forward(self, x: Tensor) -> Tensor:
        add_scalar("warmth", x.mean())
        try:
            self.read.append(scalar("loss").current)
        except UsageError:
            self.read.append(-1.0)
        return super().forward(x)


class Lines(Hook):
    def __init__(self) -> None:
        self.lines: list[dict[str, float]] = []
        self.seen: list[tuple[float, float]] = []

    def log(self, trainer: Any, result: Any) -> None:
        self.lines.append(dict(result))
        self.seen.append((scalar("loss").mean(3), scalar("lr").current))

    def after_epoch(self, trainer: Any, train: Any, val: Any) -> None:
        assert scalar("train/loss").current == train["loss"]
        assert scalar("val/accuracy").current == val["accuracy"]
        with pytest.raises(UsageError, match="no scalar val/acuracy has been logged; did you mean val/accuracy"):
            scalar("val/acuracy")


def test_a_scalar_is_reached_from_anywhere() -> None:
    hook, model = Lines(), Warm()
    trainer = make_trainer(model, hooks=[hook], log_every=2)
    trainer.fit()
    losses = [line["loss"] for line in hook.lines]
    assert len(losses) == 7
    assert trainer.scalars["loss"].values() == losses
    mean, rate = hook.seen[-1]
    assert mean == pytest.approx(sum(losses[-3:]) / 3, abs=1e-12)
    assert rate == 0.1
    assert all("warmth" in line for line in hook.lines), "what the network said"
    assert model.read[1] == -1.0, "nothing of the rehearsal is left"
    assert model.read[-1] == losses[-1], "in the validation at the end"
    assert len(trainer.scalars["train/loss"]) == 2
    with pytest.raises(UsageError, match="no training is running here"):
        scalar("loss")
    add_scalar("warmth", 99.0)
    assert trainer.extras.get("warmth") != 99.0


def test_a_scalar_is_a_number() -> None:
    class Wide(Hook):
        def after_update(self, trainer: Any) -> None:
            add_scalar("wide", torch.ones(2))

    with pytest.raises(UsageError, match=r"the scalar wide is of shape \(2,\); accepted: a number"):
        make_trainer(hooks=[Wide()]).fit()


def test_a_window_is_a_mean_over_samples() -> None:
    """Batches of 8 and a last one of 2: the mean over all samples of the window's updates, whatever is logged."""
    single, windowed, rare = Lines(), Lines(), Lines()
    make_trainer(hooks=[single], log_every=1).fit()
    make_trainer(hooks=[windowed], log_every=1, log_window=4).fit()
    make_trainer(hooks=[rare], log_every=5, log_window=4).fit()
    sizes = 2 * [8, 8, 8, 8, 8, 8, 2]
    losses = [line["loss"] for line in single.lines]
    for number, line in enumerate(windowed.lines):
        part = slice(max(0, number - 3), number + 1)
        mean = sum(a * b for a, b in zip(sizes[part], losses[part], strict=True)) / sum(sizes[part])
        assert line["loss"] == pytest.approx(mean, abs=1e-12)
    assert rare.lines == windowed.lines[4::5]


def test_a_run_that_is_taken_up_has_the_same_history(trained: Callable[..., Any], quiet: Any, tmp_path: Path) -> None:
    options = ("log.every=4", "log.window=10", "hooks=[{type: StepTimer}]", "train.epochs=1")
    trained(*options, run="whole")
    stop = f"hooks.+={{type: '{Path(__file__).parent}/engine_models.py:StopAfter', updates: 9}}"
    trained(*options, stop, run="parts")
    resume(tmp_path / "parts", overrides=["hooks=[{type: StepTimer}]"], console=quiet)
    both = []
    for run in ("whole", "parts"):
        lines = [json.loads(line) for line in (tmp_path / run / "log.jsonl").read_text().splitlines()]
        both.append([{k: v for k, v in line.items() if not k.startswith(("time/", "seconds"))} for line in lines])
    assert both[0] == both[1]
    states = [next((tmp_path / run / "checkpoints").glob("000000023*/state.json")) for run in ("whole", "parts")]
    whole, parts = (json.loads(path.read_text()) for path in states)
    assert whole["scalars"] == parts["scalars"]
    assert (len(whole["scalars"]["loss"]), "time/update_ms" in whole["scalars"]) == (5, False)
    assert len(whole["processes"][0]["recent"]) == 9


def test_the_sums_of_several_processes_are_taken_up_as_one() -> None:
    halves = [RecentMeans(3), RecentMeans(3)]
    for number, half in enumerate(halves):
        for value in (1.0, 2.0, 6.0, 10.0):
            half.begin()
            half.add({"loss": value + number}, samples=1 + number)
    states = [half.state_dict() for half in halves]
    assert [len(state) for state in states] == [2, 2]
    one = RecentMeans(3)
    one.load_state_dict([added_up(updates) for updates in zip(*states, strict=True)])
    one.begin()
    one.add({"loss": 0.0}, samples=3)
    assert one.compute() == {"loss": (6 + 2 * 7 + 10 + 2 * 11) / 9}
    assert RecentMeans().state_dict() == []
