"""`plainnet train --dry-run`: the plan is what the training does, and nothing is written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from torch import nn

from plainnet.cli.train import train_command
from plainnet.engine.run.build import build_trainer
from plainnet.engine.run.dry_run import dry_run
from plainnet.engine.run.registry import Registry
from plainnet.engine.run.scheduling import rate_curve
from plainnet.engine.run.training_run import resumed_config
from plainnet.errors import RunError, UsageError
from plainnet.results.plots import text_plot

HOOKS = """
from plainnet.engine import Hook


class Early(Hook):
    priority = 10

    def optimizer_step(self, trainer):
        raise AssertionError("a dry run calls nobody")

    def after_rehearsal(self, trainer, train, val):
        raise AssertionError("a dry run calls nobody")


class Late(Hook):
    priority = 51

    def optimizer_step(self, trainer):
        raise AssertionError("a dry run calls nobody")
"""


def files(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_the_plan_says_who_is_called_and_what_matched(configured: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "hooks.py").write_text(HOOKS)
    hooks = "[{type: 'PATH:Late'}, {type: 'PATH:Early'}]".replace("PATH", str(tmp_path / "hooks.py"))
    groups = "[{match: '@norm', weight_decay: 0}, {match: '*.bias', lr_mult: 2}, {match: '@no_decay', lr: 7}]"
    config = configured(f"hooks={hooks}", f"optim.groups={groups}", "schedule={type: constant}")
    before = files(tmp_path)
    plan = dry_run(config)
    assert files(tmp_path) == before
    assert plan.hooks["optimizer_step"] == [("Early", 10), ("trainer", 50), ("Late", 51)]
    rest, norms, biases, none = plan.groups
    assert norms.patterns == ("@norm",)
    assert (norms.options["weight_decay"], biases.options["lr"]) == (0, 0.2)
    assert all(name.endswith("bias") for name in biases.parameters)
    assert (none.parameters, none.options["lr"]) == ((), 7)
    names = [*rest.parameters, *norms.parameters, *biases.parameters]
    model = build_trainer(config, Registry()).model
    assert len(norms.parameters) == 2 * sum(isinstance(module, nn.BatchNorm2d) for module in model.modules())
    assert sorted(names) == sorted(name for name, _ in model.named_parameters())
    assert sum(group.numbers for group in plan.groups) == sum(p.numel() for p in model.parameters())
    assert plan.batches["training"] == {"image": "64 x 1 x 8 x 8, float32", "label": "64, int64"}
    assert plan.results["training"] is not None
    assert plan.results["training"]["loss"] > 0
    text = str(plan)
    assert "├─ task  Classification" in text
    assert "(groups before it have them all)" in text


@pytest.mark.parametrize(
    "overrides",
    [
        ("schedule.warmup=0.25",),
        ("schedule.per=epoch", "train.epochs=5", "schedule.warmup=2"),
        ("train.by=iteration", "train.iterations=9", "schedule.warmup=3"),
        ("schedule={_delete_: true, type: StepLR, step_size: 7, per: iteration}",),
        ("schedule={_delete_: true, type: ExponentialLR, gamma: 0.9, warmup: 0.5, per: iteration}",),
    ],
)
def test_the_curve_is_what_is_trained_with(configured: Callable[..., Any], overrides: tuple[str, ...]) -> None:
    config = configured("optim.groups=[{match: '@bias', lr_mult: 0.5}]", *overrides)
    registry = Registry()
    trainer = build_trainer(config, registry).trainer
    curve = rate_curve(config.value, registry, [0.1, 0.05], updates=23)
    found = []
    for _ in range(len(curve.places)):
        found.append(trainer.learning_rates())
        trainer.optimizer.step()
        trainer.scheduler_step()
    for rates, of_group in zip(curve.rates, zip(*found, strict=True), strict=True):
        assert rates == pytest.approx(of_group)
    assert len(set(curve.rates[0])) > 1
    few = rate_curve(config.value, registry, [0.1, 0.05], updates=23, points=3)
    assert (few.places[-1], few.rates[0][-1]) == (curve.places[-1], curve.rates[0][-1])


def test_a_plan_is_refused_where_the_training_would_be(trained: Callable[..., Any], configured: Any) -> None:
    with pytest.raises(UsageError, match="did you mean accuracy"):
        dry_run(configured("checkpoint.best=acuracy"))
    folder = Path(trained("train.epochs=1").run)
    with pytest.raises(RunError, match="holds a run already"):
        dry_run(configured())
    before = files(folder)
    plan = dry_run(resumed_config(folder, overrides=["optim.lr=0.05"]), continues=True)
    assert files(folder) == before
    assert (plan.after_updates, plan.changes) == (23, ("optim.lr 0.1 -> 0.05",))


def test_the_command_prints_the_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(train_command, ["quick", "device=cpu", "--dry-run", "--json"], catch_exceptions=False)
    plan = json.loads(result.stdout)
    assert (plan["schema"], plan["run"], plan["pieces"]["name"]) == (
        "plainnet.dry_run/1",
        "runs/quick",
        "EpochBasedTrainer",
    )
    assert [call["name"] for call in plan["hooks"]["after_epoch"]] == ["RecordingHook", "CheckpointHook", "ConsoleHook"]
    assert list(tmp_path.iterdir()) == []


def test_a_plot_marks_its_points() -> None:
    lines = text_plot([0, 1, 2], [1.0, 0.0, 0.5], unit="epochs", width=5, height=3)
    assert lines == ["1 |*", "  |    *", "0 |  *", "  +-----", "   0 2 epochs"]
    assert text_plot([0.0], [0.1], width=3, height=2)[0] == "0.1 |*"
