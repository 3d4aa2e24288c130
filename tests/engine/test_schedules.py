"""Schedules one after another, momentum over time, rates for a batch, and what the log says of them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from small import make_trainer

from plainnet.cli.config import config_command
from plainnet.configs import InvalidConfigError
from plainnet.engine.hooks.momentum import MomentumSchedule
from plainnet.engine.loop.trainers import IterBasedTrainer
from plainnet.engine.run.build import build_trainer
from plainnet.engine.run.registry import Registry
from plainnet.engine.run.scheduling import rate_curve, scaled_rates
from plainnet.errors import UsageError

THREE = "[{type: LinearLR, start_factor: 0.1, end: 1}, {type: constant, begin: 1, end: 3}, {type: cosine, final: 0.1}]"


def sequence(parts: str, per: str = "iteration") -> str:
    return f"schedule={{_delete_: true, type: SequentialLR, per: {per}, schedulers: {parts}}}"


def test_each_schedule_has_its_window(configured: Callable[..., Any]) -> None:
    config = configured(sequence(THREE), "train.epochs=5")
    rates = rate_curve(config.value, Registry(), [1.0], updates=10).rates[0]
    wanted = [0.1 + 0.9 * step / 10 for step in range(10)] + [1.0] * 20
    wanted += [0.1 + 0.9 * (1 + math.cos(math.pi * step / 20)) / 2 for step in range(20)]
    assert rates == pytest.approx(wanted)


def test_the_unit_is_the_run_s(configured: Callable[..., Any]) -> None:
    by_epoch = configured(
        sequence("[{type: CosineAnnealingLR, end: 2}, {type: PolynomialLR}]", "auto"), "train.epochs=4"
    )
    rates = rate_curve(by_epoch.value, Registry(), [1.0], updates=10).rates[0]
    assert rates == pytest.approx([1.0, 0.5, 1.0, 0.5])
    parts = "[{type: ExponentialLR, gamma: 0.5, end: 3}, {type: StepLR, step_size: 1, gamma: 0.1}]"
    by_update = configured(sequence(parts), "train.by=iteration", "train.iterations=5")
    rates = rate_curve(by_update.value, Registry(), [1.0], updates=10).rates[0]
    assert rates == pytest.approx([1.0, 0.5, 0.25, 1.0, 0.1])


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (
            "[{type: constant, end: 1}, {type: cosine, begin: 2}]",
            "schedulers.1 begins at 2, and the one before it ends at 1",
        ),
        ("[{type: constant, end: 1}, {type: cosine, end: 9}]", "the last, ends at 9, and the run at 2"),
        ("[{type: constant, end: 1}, {type: cosine, end: 1}, {type: cosine}]", "it has no step"),
        ("[{type: OneCycleLR, max_lr: 1, total_steps: 5, end: 1}, {type: cosine}]", "sets rates of its own"),
        ("[{type: ReduceLROnPlateau, end: 1}, {type: cosine}]", "needs metrics at each step"),
        ("[{type: LinaerLR, end: 1}, {type: cosine}]", "did you mean LinearLR"),
        ("[{type: LinearLR, start_facto: 0.1, end: 1}, {type: cosine}]", "did you mean start_factor"),
        ("[{type: StepLR, end: 1}, {type: cosine}]", "StepLR needs step_size"),
        ("[]", "belong together"),
    ],
)
def test_what_is_no_sequence_is_refused(configured: Callable[..., Any], parts: str, said: str) -> None:
    with pytest.raises(InvalidConfigError, match=said):
        configured(sequence(parts))


def test_a_sequence_is_taken_up_where_it_was(configured: Callable[..., Any]) -> None:
    config = configured(sequence(THREE), "train.epochs=5")
    one, other = (build_trainer(config, Registry()).trainer for _ in range(2))
    assert one.scheduler is not None
    assert other.scheduler is not None
    rates = []
    for step in range(90):
        if step == 60:  # in the second part; the third begins at 69
            other.scheduler.load_state_dict(one.scheduler.state_dict())
            other.optimizer.load_state_dict(one.optimizer.state_dict())
        rates.append((one.learning_rates(), other.learning_rates()))
        for trainer in (one, other) if step >= 60 else (one,):
            trainer.optimizer.step()
            trainer.scheduler_step()
    assert [a for a, _ in rates[60:]] == [b for _, b in rates[60:]]
    assert rates[69][0] != rates[89][0]


def test_momentum_moves() -> None:
    seen: list[float] = []

    class Look(MomentumSchedule):
        priority = 45

        def optimizer_step(self, trainer: Any) -> None:
            seen.append(trainer.optimizer.param_groups[0]["momentum"])

    trainer = make_trainer(batch_size=25, accumulate=1, epochs=3)  # two updates an epoch
    trainer.register_hook(MomentumSchedule(start=0.5, end=0.9, over=2))
    trainer.register_hook(Look(start=0, end=0, over=1))
    trainer.fit()
    assert seen == pytest.approx([0.5, 0.6, 0.7, 0.8, 0.9, 0.9])
    seen.clear()
    trainer = make_trainer(kind=IterBasedTrainer, iterations=3)
    trainer.register_hook(MomentumSchedule(start=0.9, end=0.5, over=2, shape="cosine"))
    trainer.register_hook(Look(start=0, end=0, over=1))
    trainer.fit()
    assert seen == pytest.approx([0.9, 0.7, 0.5])


def test_momentum_is_the_first_of_betas_or_refused() -> None:
    trainer = make_trainer()
    trainer.register_optimizer(torch.optim.Adam(trainer.module.parameters(), betas=(0.9, 0.99)))
    hook = MomentumSchedule(start=0.8, end=0.8, over=1)
    hook.before_run(trainer)
    trainer.extras, trainer.logs_now = {}, True
    hook.optimizer_step(trainer)
    assert trainer.optimizer.param_groups[0]["betas"] == (0.8, 0.99)
    assert trainer.extras == {"momentum": 0.8}
    trainer.register_optimizer(torch.optim.Adagrad(trainer.module.parameters()))
    with pytest.raises(UsageError, match="Adagrad has neither"):
        hook.before_run(trainer)


def test_rates_are_for_a_batch(configured: Callable[..., Any]) -> None:
    groups = "optim.groups=[{match: '@bias', lr: 0.4}, {match: '@norm', lr_mult: 2}]"
    config = configured("optim.lr=0.1", "optim.lr_for_batch=256", "data.batch_size=64", "train.accumulate=2", groups)
    trainer = build_trainer(config, Registry()).trainer
    assert [group["initial_lr"] for group in trainer.optimizer.param_groups] == pytest.approx([0.05, 0.2, 0.1])
    assert scaled_rates(configured("optim.lr_for_batch=64").value).arguments["lr"] == 0.1
    with pytest.raises(InvalidConfigError, match="there is none"):
        configured("optim={_delete_: true, type: AdamW, lr_for_batch: 8}")


def test_the_log_has_the_rates_of_all_groups(trained: Callable[..., Any]) -> None:
    groups = "optim.groups=[{match: '@no_decay', weight_decay: 0}, {match: 'head.*', lr_mult: 0.5}]"
    summary = trained(groups, "log.every=5", "train.epochs=1", "log.tensorboard=true")
    lines = [json.loads(line) for line in (Path(summary.run) / "log.jsonl").read_text().splitlines()]
    assert len(lines) == 5
    for line in lines:
        assert line["lr/head.*"] == pytest.approx(line["lr"] / 2)
        assert "lr/@no_decay" not in line


def test_the_curve_is_shown_without_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(config_command, ["show", "quick", "train.epochs=2", "--plot", "lr"])
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert lines[0].startswith("      0.1 |")
    assert lines[-1].endswith("1.957 epochs")
    assert list(tmp_path.iterdir()) == []
