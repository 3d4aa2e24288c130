"""Several validation sets, validation alone, gradients by parameter, results by sample, and the contract of a loop."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from engine_models import Plain
from small import IMAGES, LABELS, SAMPLES, make_trainer
from torch import Tensor, nn

from plainnet.cli.evaluate import evaluate_command
from plainnet.configs import InvalidConfigError
from plainnet.engine import Detection, EpochBasedTrainer, Hook, IterBasedTrainer, Loader, TensorSamples
from plainnet.engine.evaluators.classification import F1
from plainnet.engine.hooks.averaging import AveragingHook
from plainnet.engine.hooks.freezing import FreezingHook
from plainnet.engine.hooks.hook import EVENTS
from plainnet.engine.hooks.patience import EarlyStopping
from plainnet.engine.run.build import build_trainer
from plainnet.engine.run.registry import Registry
from plainnet.errors import DivergedError, UsageError
from plainnet.testing import LoopContractError, check_loop

FEW = TensorSamples(IMAGES[:10], LABELS[:10])


def loader(samples: TensorSamples, size: int = 16) -> Loader:
    return Loader(samples, batch_size=size, shuffle=False)


def test_each_validation_set_has_its_own_metrics() -> None:
    trainer = make_trainer(epochs=1)
    trainer.register_evaluator(F1())
    trainer.register_loader(loader(SAMPLES), loader(SAMPLES), few=loader(FEW), again=loader(SAMPLES))
    trainer.fit()
    val = trainer.history[-1]["val"]
    alone = make_trainer(epochs=1)
    alone.register_evaluator(F1())
    alone.module.load_state_dict(trainer.module.state_dict())
    alone.register_loader(None, loader(FEW))
    few = alone.validate()
    assert {name: val[f"few/{name}"] for name in few} == few
    assert val["few/loss"] != val["loss"] == val["again/loss"]
    assert val["again/f1"] == val["f1"]
    trainer.register_loader(loader(SAMPLES), loader(SAMPLES), f1=loader(FEW))
    trainer.register_evaluator(F1(), name="f1/f1")
    with pytest.raises(UsageError, match="two metrics are called f1/f1: give the validation set f1 another name"):
        trainer.validate()


def test_pieces_come_together_or_not_at_all() -> None:
    trainer = make_trainer()
    for given, said in (((None,), "there are no batches"), ((loader(SAMPLES), None), "further validation sets")):
        with pytest.raises(UsageError, match=said):
            trainer.register_loader(*given, **({"few": loader(FEW)} if len(given) > 1 else {}))
    trainer.register_loader(None, loader(FEW))
    assert trainer.validate()["accuracy"] <= 1
    with pytest.raises(
        UsageError, match=r"register training batches before fit\(\): a training has all of a model, an opt"
    ):
        trainer.fit()
    with pytest.raises(UsageError, match="register a model and an optimizer and training batches"):
        EpochBasedTrainer(epochs=1, device="cpu").fit()
    for register, said in (
        (lambda half: half.register_evaluator(F1()), "f1"),
        (lambda half: half.register_transform(None, dict), "a transform"),
    ):
        half = make_trainer()
        half.register_loader(loader(FEW))
        register(half)
        with pytest.raises(UsageError, match=f"{said} for validation, and no validation batches"):
            half.fit()


@pytest.mark.parametrize(
    ("begin", "every", "judged"), [(1, 1, [1, 2, 3, 4, 5]), (3, 1, [3, 4, 5]), (2, 2, [2, 4, 5]), (9, 1, [5])]
)
def test_validations_begin_where_they_are_wanted(begin: int, every: int, judged: list[int]) -> None:
    trainer = make_trainer(epochs=5, validate_from=begin, validate_every=every)
    trainer.fit()
    assert [entry["epoch"] for entry in trainer.history if entry["val"]] == judged


@pytest.mark.parametrize(
    ("begin", "judged"), [(1, [2, 4, 6, 7]), (3, [4, 6, 7]), (4, [4, 6, 7]), (5, [6, 7]), (100, [7])]
)
def test_validations_begin_at_an_update(begin: int, judged: list[int]) -> None:
    trainer = make_trainer(kind=IterBasedTrainer, iterations=7, validate_every=2, validate_from=begin)
    trainer.fit()
    assert [entry["iteration"] for entry in trainer.history if entry["val"]] == judged
    assert [entry["iteration"] for entry in trainer.history] == [2, 4, 6, 7]


def test_a_configuration_says_where_validations_begin(configured: Callable[..., Any]) -> None:
    trainer = build_trainer(configured("train.validate_from=4", "train.epochs=5"), Registry()).trainer
    assert trainer.validate_from == 4
    with pytest.raises(InvalidConfigError, match=r"train\.validate_from"):
        configured("train.validate_from=0")


@pytest.mark.parametrize(
    "wrong",
    [
        *(
            {name: value}
            for name in ("validate_every", "validate_from", "accumulate", "log_every", "log_window")
            for value in (0, -1, 1.5, True)
        ),
        *({"clip_norm": value} for value in (0, -1.0, float("nan"))),
    ],
)
def test_a_trainer_refuses_what_counts_nothing(wrong: dict[str, Any]) -> None:
    (name,) = wrong
    for kind, length in ((EpochBasedTrainer, "epochs"), (IterBasedTrainer, "iterations")):
        with pytest.raises(UsageError, match=f"{name} is .*; accepted"):
            kind(device="cpu", **{length: 1}, **wrong)
        with pytest.raises(UsageError, match=f"{length} is 0; accepted: whole numbers from 1"):
            kind(device="cpu", **{length: 0})


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Loader(SAMPLES, batch_size=0, shuffle=True), "batch_size is 0; accepted: whole numbers from 1"),
        (lambda: Loader(SAMPLES, batch_size=-3, shuffle=True), "batch_size is -3"),
        (lambda: Loader(SAMPLES, batch_size=2.5, shuffle=True), "batch_size is 2.5"),  # type: ignore[arg-type]
        (
            lambda: Loader(SAMPLES, batch_size=2, shuffle=True, workers=-1),
            "workers is -1; accepted: whole numbers from 0",
        ),
        (lambda: EarlyStopping(patience=2.5), "patience is 2.5"),  # type: ignore[arg-type]
        (lambda: EarlyStopping(patience=0), "patience is 0"),
        (lambda: FreezingHook("a", start=-1), "start is -1"),
        (lambda: FreezingHook([]), "nothing is named to be frozen"),
        (lambda: AveragingHook(nn.Linear(1, 1), decay=1.5), "decay is 1.5; accepted: 0 to below 1"),
        (lambda: AveragingHook(nn.Linear(1, 1), decay=float("nan")), "decay is nan"),
        (lambda: Detection(nn.Identity(), losses=[], most=1.5), "most is 1.5"),  # type: ignore[arg-type]
        (lambda: Detection(nn.Identity(), losses=[], scale=float("nan")), "scale is nan"),
    ],
)
def test_pieces_refuse_what_counts_nothing(make: Callable[[], Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        make()


def test_further_sets_are_configured(configured: Callable[..., Any]) -> None:
    config = configured("validate_also=[{name: all, type: digits}]", "checkpoint.best=all/accuracy")
    trainer = build_trainer(config, Registry()).trainer
    val = trainer.validate()
    assert val["all/accuracy"] == val["accuracy"]
    with pytest.raises(UsageError, match=r"validate_also.0 \(other\) has other classes than the data"):
        build_trainer(configured("validate_also=[{name: other, type: digits-scenes, train: 1, val: 1}]"), Registry())
    for also, said in (("{name: a/b, type: digits}", "pattern"), ("{name: a, type: digit}", "did you mean digits")):
        with pytest.raises(InvalidConfigError, match=said):
            configured(f"validate_also=[{also}]")


class Root(nn.Module):
    """A network whose bias has an infinite gradient at zero, and whose other weights have finite ones."""

    def __init__(self, *, power: float) -> None:
        super().__init__()
        self.plain, self.power = Plain(), power
        self.root = nn.Parameter(torch.zeros(10))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.plain(x) + self.root.abs().pow(self.power)
        return out


def test_gradients_that_are_not_finite_are_named_by_parameter() -> None:
    with pytest.raises(RuntimeError, match="returned nan values") as caught:
        make_trainer(Root(power=0.5), debug=True).fit()
    assert any("gradients that are not finite: root (10 of 10)" in note for note in caught.value.__notes__)

    class Infinite(EpochBasedTrainer):
        def train_step(self, batch: Any) -> Any:
            output, result = super().train_step(batch)
            task: Any = self.module
            head = task.model.head.weight
            if not head._backward_hooks:
                head.register_hook(lambda gradient: gradient / 0)
            return output, result

    with pytest.raises(DivergedError, match=r"gradients that are not finite, at a loss of 2\.\d+: head.weight \(\d"):
        make_trainer(kind=Infinite, debug=True).fit()
    make_trainer(debug=True, epochs=1).fit()

    class Spoils(Hook):
        def after_backward(self, trainer: Any, batch: Any, output: Any, result: Any) -> None:  # noqa: ARG002
            trainer.module.model.head.bias.grad[0] = float("nan")

    with pytest.raises(DivergedError, match=r"were when they were computed: head.bias \(1 of \d+\)"):
        make_trainer(debug=True, hooks=[Spoils()]).fit()


@pytest.mark.parametrize("accumulate", [1, 3])
@pytest.mark.parametrize("kind", [EpochBasedTrainer, IterBasedTrainer])
def test_our_loops_keep_the_contract(kind: Any, accumulate: int) -> None:
    options: dict[str, Any] = {} if kind is EpochBasedTrainer else {"iterations": 5, "validate_every": 2}
    trainer = make_trainer(kind=kind, accumulate=accumulate, log_every=2, **options)
    trainer.register_scheduler(torch.optim.lr_scheduler.ConstantLR(trainer.optimizer))
    assert set(check_loop(trainer)) == set(EVENTS)


@pytest.mark.parametrize("missing", EVENTS)
def test_a_loop_that_forgets_an_event_is_found(missing: str) -> None:
    class Forgets(EpochBasedTrainer):
        """Does itself what it should tell everybody."""

        def emit(self, event: str, *arguments: Any) -> Any:
            return getattr(self, event)(*arguments) if event == missing else super().emit(event, *arguments)

    trainer = make_trainer(kind=Forgets, epochs=1, batch_size=25, log_every=1)
    with pytest.raises(LoopContractError, match=missing):
        check_loop(trainer)


def test_a_loop_with_events_at_wrong_places_is_found() -> None:
    class Early(EpochBasedTrainer):
        def optimizer_step(self) -> None:
            super().optimizer_step()
            self.emit("after_update")

    with pytest.raises(LoopContractError, match="after optimizer_step came after_update; promised: after_train_step"):
        check_loop(make_trainer(kind=Early, epochs=1))

    class NoValidation(EpochBasedTrainer):
        def _validation_due(self) -> bool:
            return False

    with pytest.raises(LoopContractError, match="before_val_epoch never came"):
        check_loop(make_trainer(kind=NoValidation, epochs=1))


def test_results_by_sample_add_up_to_those_of_the_set(trained: Callable[..., Any], tmp_path: Path) -> None:
    folder, file = trained("train.epochs=1").run, tmp_path / "samples.jsonl"
    arguments = [folder, "--json", "--metric", "F1"]
    plain = CliRunner().invoke(evaluate_command, arguments, catch_exceptions=False)
    result = CliRunner().invoke(evaluate_command, [*arguments, "--samples", str(file)], catch_exceptions=False)
    whole, again = (json.loads(each.stdout)["metrics"] for each in (plain, result))
    assert again == pytest.approx(whole)
    cases = [json.loads(line) for line in file.read_text().splitlines()]
    assert [case["sample"] for case in cases] == list(range(360))
    for name in ("loss", "accuracy"):
        assert sum(case[name] for case in cases) / 360 == pytest.approx(whole[name])
    assert sum(case["label"] == case["answer"] for case in cases) / 360 == pytest.approx(whole["accuracy"])
