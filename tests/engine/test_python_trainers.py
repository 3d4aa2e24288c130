"""Trainers in Python with a run folder, trainers of yours in a configuration, and timers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from small import make_trainer, parameters_of

from plainnet.configs import InvalidConfigError
from plainnet.engine import EpochBasedTrainer, IterBasedTrainer, timer
from plainnet.engine.checkpoints.checkpoint import checkpoints
from plainnet.engine.hooks.timing import StepTimer
from plainnet.engine.run.build import build_trainer
from plainnet.engine.run.registry import Registry
from plainnet.errors import RunError


def test_a_run_folder_holds_what_the_command_would_leave(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "x"
    trainer = make_trainer(epochs=2, log_every=3, run=folder, best="accuracy")
    trainer.fit()
    names = {path.name for path in folder.iterdir()} - {"tensorboard"}
    assert names == {"best.safetensors", "checkpoints", "last.safetensors", "lock", "log.jsonl", "log.txt"}
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert [line["event"] for line in lines].count("epoch") == 2
    assert len(lines) == 2 + trainer.iteration // 3
    assert "epoch 2/2" in capsys.readouterr().err
    with pytest.raises(RunError, match="holds a run already: resume=True goes on with it"):
        make_trainer(epochs=2, run=folder).fit()


def test_a_run_goes_on_as_if_it_had_not_stopped(tmp_path: Path) -> None:
    whole = make_trainer(epochs=3)
    whole.fit()
    make_trainer(epochs=2, run=tmp_path, resume=True).fit()
    after = make_trainer(epochs=3, run=str(tmp_path), resume=True)
    after.fit()
    assert after.epoch == 3
    for one, other in zip(parameters_of(whole), parameters_of(after), strict=True):
        assert torch.equal(one, other)
    assert len(checkpoints(tmp_path / "checkpoints")) == 2
    assert make_trainer(run=None).hooks == []


OWN = """
from plainnet.engine import EpochBasedTrainer


class Noisy(EpochBasedTrainer):
    def __init__(self, *, noise: float = 0.1, **options):
        super().__init__(**options)
        self.noise = noise


class Other:
    pass
"""


def test_a_configuration_names_a_trainer_of_yours(tmp_path: Path, configured: Callable[..., Any]) -> None:
    file = tmp_path / "own.py"
    file.write_text(OWN)
    named = f"train.type='{file}:Noisy'"
    trainer = build_trainer(configured(named, "train.arguments={noise: 0.5}", "train.accumulate=2"), Registry()).trainer
    assert (type(trainer).__name__, trainer.noise, trainer.accumulate) == ("Noisy", 0.5, 2)  # type: ignore[attr-defined]
    assert isinstance(
        build_trainer(configured("train.by=iteration", "train.iterations=3"), Registry()).trainer, IterBasedTrainer
    )
    for overrides, said in (
        ((named, "train.arguments={niose: 1}"), "names no argument niose of its own.*\n.*\n.*\n.*did you mean noise"),
        ((named, "train.arguments={noise: loud}"), "Noisy takes float here, got 'loud'"),
        ((named, "train.arguments={seed: 1}"), "names no argument seed of its own"),
        ((f"train.type='{file}:Other'",), "is no EpochBasedTrainer, which by: epoch asks for"),
        ((named, "train.by=iteration", "train.iterations=3"), "is no IterBasedTrainer"),
        ((f"train.type='{file}:Nosy'",), r"(?s)has no Nosy.*did you mean Noisy\?"),
        (("train.arguments={a: 1}",), "arguments are for a trainer of yours"),
    ):
        with pytest.raises(InvalidConfigError, match=said):
            configured(*overrides)


def test_timers_are_logged_by_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(10_000))
    monkeypatch.setattr("plainnet.engine.hooks.timing.time.perf_counter", lambda: float(next(clock)))
    lines: list[dict[str, float]] = []

    class Timed(EpochBasedTrainer):
        def train_step(self, batch: Any) -> Any:
            with timer("forward"), timer("inside"):
                return super().train_step(batch)

        def log(self, result: Any) -> None:
            lines.append(dict(result))

    trainer = make_trainer(kind=Timed, epochs=1, log_every=3)
    trainer.register_hook(StepTimer())
    trainer.fit()
    assert [(line["time/forward_ms"], line["time/inside_ms"]) for line in lines] == [(3000, 1000)] * 2
    with timer("alone") as alone:
        pass
    assert alone.seconds == 1
