"""A run that is stopped or killed anywhere ends as one that was not, to the last bit: the cross product of how runs can be."""

# ruff: noqa: ARG002 (hooks take what they are given)
from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from engine_models import Dropping
from small import IMAGES, LABELS, task_of
from test_resume import same_state, same_weights

from plainnet.engine import EpochBasedTrainer, Hook, IterBasedTrainer, Loader, TensorSamples
from plainnet.engine.checkpoints.checkpoint import checkpoints, load_checkpoint
from plainnet.engine.checkpoints.trainer_state import load_trainer
from plainnet.engine.data.pipeline import Mix, Pipeline
from plainnet.engine.data.transforms import Flip
from plainnet.engine.hooks.averaging import AveragingHook
from plainnet.engine.hooks.checkpointing import CheckpointHook
from plainnet.engine.hooks.freezing import FreezingHook
from plainnet.engine.hooks.recording import RecordingHook
from plainnet.engine.loop.schedules import cosine

FACTORS: dict[str, list[Any]] = {
    "by": ["epoch", "iteration"],
    "validate_every": [1, 2, 5, None],
    "freeze": [None, (0, 1), (1, 2), (1, None)],
    "ema": [None, 0.8],
    "accumulate": [1, 3],
    "workers": [0, 0, 0, 1],
    "augment": [False, True],
    "schedule": [None, "epoch", "iteration"],
    "every_updates": [None, 1, 3],
    "every": [1, 2],
}
"""50 images in batches of 8: 7 updates a pass, or 3."""


def combination(draw: random.Random) -> dict[str, Any]:
    return {name: draw.choice(values) for name, values in FACTORS.items()}


class End(Hook):
    """Stops a run after some update, as a signal does, or breaks it off anywhere within it, as a kill does."""

    priority = 94

    def __init__(self, updates: int, event: str = "") -> None:
        self.updates, self.event = updates, event

    def after_update(self, trainer: Any) -> None:
        if not self.event and trainer.iteration == self.updates:
            trainer.signal.name = "SIGTERM"
        self._kill(trainer, "after_update")

    def after_train_step(self, trainer: Any, batch: Any, output: Any, result: Any) -> None:
        self._kill(trainer, "after_train_step")

    def after_val_step(self, trainer: Any, batch: Any, output: Any, result: Any) -> None:
        self._kill(trainer, "after_val_step")

    def after_epoch(self, trainer: Any, train: Any, val: Any) -> None:
        self._kill(trainer, "after_epoch")

    def _kill(self, trainer: Any, event: str) -> None:
        if event == self.event and trainer.iteration >= self.updates:
            raise InterruptedError


def trainer_of(options: dict[str, Any], run: Path) -> Any:
    torch.manual_seed(3)
    task = task_of(Dropping(width=4))
    common = {"device": "cpu", "accumulate": options["accumulate"], "log_every": 2, "seed": 5}
    trainer: Any
    if options["by"] == "epoch":
        every = min(options["validate_every"] or 1, 2)
        per_iteration = options["schedule"] == "iteration"
        trainer = EpochBasedTrainer(epochs=3, validate_every=every, per_iteration=per_iteration, **common)
    else:
        trainer = IterBasedTrainer(iterations=17, validate_every=options["validate_every"], **common)
    if options["ema"]:
        average = AveragingHook(task, decay=options["ema"])
        trainer.register_model(task)
        average.attach(trainer)
    else:
        trainer.register_model(task)
    trainer.register_optimizer(torch.optim.AdamW(task.parameters(), lr=0.01))
    samples = TensorSamples(IMAGES, LABELS)
    train = Loader(samples, batch_size=8, shuffle=True, seed=5, workers=options["workers"])
    trainer.register_loader(train, Loader(samples, batch_size=16, shuffle=False))
    if options["augment"]:
        trainer.register_transform(Pipeline([Flip()], mix=Mix(num_classes=10, mixup=0.3)))
    if options["schedule"]:
        steps = 3 if options["by"] == "epoch" and options["schedule"] == "epoch" else 21
        trainer.register_scheduler(cosine(trainer.optimizer, steps=steps))
    if options["freeze"]:
        start, until = options["freeze"]
        trainer.register_hook(FreezingHook(["stem.0.*", "stem.1.weight"], start=start, until=until))
        trainer.register_hook(FreezingHook("stem.1.bias", start=start, until=until))
    run.mkdir(exist_ok=True)
    trainer.register_hook(RecordingHook(run))
    saver = {"every": options["every"], "every_updates": options["every_updates"], "describe": dict}
    trainer.register_hook(CheckpointHook(run, keep=2, **saver))
    return trainer


def continued(options: dict[str, Any], run: Path, *hooks: Hook) -> Any:
    """A trainer where the last checkpoint left off."""
    trainer = trainer_of(options, run)
    for hook in hooks:
        trainer.register_hook(hook)
    found = checkpoints(run / "checkpoints")
    if found:
        load_trainer(trainer, found[-1])
    return trainer


def log_of(run: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "seconds"} for line in lines]


def same_run(options: dict[str, Any], folder: Path, draw: random.Random) -> None:
    """Run it once as a whole and once with stops and kills, and compare everything that is left."""
    whole = trainer_of(options, folder / "whole")
    whole.fit()
    assert whole.finished
    ends, last = [], 0
    for _ in range(draw.randint(1, 4)):
        last = draw.randint(last + 1, max(last + 1, whole.iteration))
        if last > whole.iteration:
            break
        ends.append(
            End(last, draw.choice(["", "", "after_train_step", "after_val_step", "after_update", "after_epoch"]))
        )
    for end in ends:
        try:
            stopped = continued(options, folder / "parts", end)
            stopped.fit()
            assert stopped.finished or stopped.stop_reason == "SIGTERM"
        except InterruptedError:
            pass
    parts = continued(options, folder / "parts")
    parts.fit()
    assert parts.finished
    assert parts.history == whole.history
    assert log_of(folder / "parts") == log_of(folder / "whole")
    for name in ("best.safetensors", "last.safetensors"):
        assert same_weights(folder / "whole" / name, folder / "parts" / name), name
    paths = [checkpoints(folder / run / "checkpoints")[-1] for run in ("whole", "parts")]
    (model, state), (other_model, other_state) = map(load_checkpoint, paths)
    assert same_state(model, other_model)
    for own in (state, other_state):  # the test's own hook may have been there at the end
        own["hooks"] = {name: value for name, value in own["hooks"].items() if not name.startswith("End")}
    for key in state:
        assert same_state(state[key], other_state[key]), key


@pytest.mark.parametrize("number", range(10))
def test_a_stop_or_a_kill_anywhere_changes_nothing(number: int, tmp_path: Path) -> None:
    draw = random.Random(number)
    same_run({**combination(draw), "by": ["epoch", "iteration"][number % 2]}, tmp_path, draw)


@pytest.mark.tail
@pytest.mark.parametrize("number", range(100, 200))
def test_more_stops_and_kills_change_nothing(number: int, tmp_path: Path) -> None:
    draw = random.Random(number)
    same_run(combination(draw), tmp_path, draw)


PLAIN: dict[str, Any] = {name: values[0] for name, values in FACTORS.items()}


@pytest.mark.parametrize("updates", [5, 7, 10, 17])
def test_a_stop_between_an_update_and_its_validation_loses_nothing(updates: int, tmp_path: Path) -> None:
    """After updates 5, 10 and 15 there is a validation, and after the last, 17; 7 ends an epoch."""
    options = {**PLAIN, "by": "iteration", "validate_every": 5}
    stopped = continued(options, tmp_path, End(updates))
    stopped.fit()
    assert (stopped.iteration, stopped.finished) == (updates, False)
    parts = continued(options, tmp_path)
    parts.fit()
    assert [entry["iteration"] for entry in parts.history] == [5, 10, 15, 17]
    assert all(entry["val"] for entry in parts.history)
    assert parts.finished


@pytest.mark.parametrize("validate_every", [1, 2, 5, 6, 20, None])
@pytest.mark.parametrize(("start", "until"), [(0, 1), (1, 2), (1, None)])
def test_windows_of_freezing_follow_the_epoch(
    validate_every: int | None, start: int, until: int | None, tmp_path: Path
) -> None:
    """Whenever it is validated: epoch 0 are updates 1 to 7, epoch 1 are 8 to 14."""
    moved, statistics = set(), set()

    class Look(Hook):
        priority = 80

        def before_run(self, trainer: Any) -> None:
            self.take(trainer)

        def take(self, trainer: Any) -> None:
            self.weight = trainer.module.model.stem[0].weight.detach().clone()
            self.mean = trainer.module.model.stem[1].running_mean.clone()

        def after_update(self, trainer: Any) -> None:
            stem = trainer.module.model.stem
            if not torch.equal(stem[0].weight, self.weight):
                moved.add(trainer.iteration)
            if not torch.equal(stem[1].running_mean, self.mean):
                statistics.add(trainer.iteration)
            self.take(trainer)

    options = {**PLAIN, "by": "iteration", "validate_every": validate_every, "freeze": (start, until)}
    trainer = continued(options, tmp_path, Look())
    trainer.fit()
    frozen = {update for update in range(1, 18) if start <= (update - 1) // 7 < (until or 99)}
    assert moved == statistics == set(range(1, 18)) - frozen


def test_an_epoch_is_over_with_its_last_batch() -> None:
    seen = []

    class Look(Hook):
        def after_update(self, trainer: Any) -> None:
            seen.append((trainer.epoch, trainer.batch))

    trainer = IterBasedTrainer(iterations=9, device="cpu", hooks=[Look()])
    task = task_of(Dropping(width=4))
    trainer.register_model(task)
    trainer.register_optimizer(torch.optim.SGD(task.parameters(), lr=0.01))
    trainer.register_loader(Loader(TensorSamples(IMAGES, LABELS), batch_size=16, shuffle=True))
    trainer.fit()
    assert seen == [(0, 1), (0, 2), (0, 3), (1, 0), (1, 1), (1, 2), (1, 3), (2, 0), (2, 1)]
    assert [entry["iteration"] for entry in trainer.history] == [4, 8, 9]  # a pass over the data, unless said


@pytest.mark.parametrize(("every_updates", "names"), [(7, ["000000014", "000000021"]), (4, ["000000020", "000000021"])])
def test_a_validation_after_a_save_replaces_it(every_updates: int, names: list[str], tmp_path: Path) -> None:
    trainer_of({**PLAIN, "every_updates": every_updates}, tmp_path).fit()
    assert [path.name.partition(".")[0] for path in checkpoints(tmp_path / "checkpoints")] == names


def test_lines_show_the_rate_of_their_updates(tmp_path: Path) -> None:
    trainer_of({**PLAIN, "schedule": "epoch"}, tmp_path).fit()
    rates = [line["lr"] for line in log_of(tmp_path) if line["event"] == "epoch"]
    assert rates == pytest.approx([0.01, 0.0075, 0.0025])
