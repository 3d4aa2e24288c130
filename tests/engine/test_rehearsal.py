"""Before the first epoch: what is wrong is told at once, and nothing is left of the look."""

# ruff: noqa: ARG001, ARG002, ARG005 (hooks take what they are given)
from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from engine_models import Dropping, Plain
from small import IMAGES, LABELS, make_trainer, parameters_of, task_of
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from plainnet.engine import (
    Classification,
    EpochBasedTrainer,
    Evaluator,
    Hook,
    IterBasedTrainer,
    NamedLoss,
    SingleTester,
)
from plainnet.engine.hooks.averaging import AveragingHook
from plainnet.engine.hooks.checkpointing import CheckpointHook
from plainnet.engine.hooks.freezing import FreezingHook
from plainnet.engine.tasks.losses import CrossEntropy
from plainnet.errors import RunError, UsageError


class UpdateCameError(Exception):
    """A test's update came: what was wrong should have been told before it."""


class NoUpdate(Hook):
    priority = 1

    def before_train_step(self, trainer: Any, batch: Any) -> None:
        raise UpdateCameError


def own(step: Callable[[Any, Any], Any], **options: Any) -> Any:
    class Mine(EpochBasedTrainer):
        def train_step(self, batch: Any) -> Any:
            return step(self, batch)

    return make_trainer(kind=Mine, epochs=1, **options)


def loss_of(trainer: Any, batch: Any) -> Tensor:
    return F.cross_entropy(trainer.model.model(batch["image"]), batch["label"])


def other_model(trainer: Any) -> Any:
    trainer.register_optimizer(torch.optim.SGD(Plain().parameters(), lr=0.1))
    return trainer


def half_another(trainer: Any) -> Any:
    trainer.register_optimizer(torch.optim.SGD([*trainer.module.parameters(), nn.Parameter(torch.ones(2))], lr=0.1))
    return trainer


def with_loss(loss: nn.Module, takes: Any) -> Any:
    torch.manual_seed(0)
    task = Classification(Plain(), losses=[NamedLoss("odd", loss, takes=takes)])
    trainer = make_trainer(epochs=1)
    trainer.register_model(task)
    trainer.register_optimizer(torch.optim.SGD(task.parameters(), lr=0.1))
    return trainer


def best(metric: str, **options: Any) -> Any:
    trainer = make_trainer(**options)
    trainer.register_hook(CheckpointHook(Path("nowhere"), best=metric, describe=dict))
    return trainer


class BadVal(EpochBasedTrainer):
    def val_step(self, batch: Any) -> Any:
        return {"accuracy": 1.0}


class VectorVal(EpochBasedTrainer):
    def val_step(self, batch: Any) -> Any:
        return None, {"accuracy": torch.ones(len(batch["label"]))}


class Lazy(Evaluator):
    def update(self, outputs: Any, batch: Any) -> None: ...


def evaluated_by(evaluator: Evaluator) -> Any:
    trainer = make_trainer()
    trainer.register_evaluator(evaluator)
    return trainer


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: own(lambda t, b: {"loss": loss_of(t, b)}), r"train_step gave a dict; it must give two things"),
        (lambda: own(lambda t, b: loss_of(t, b)), r"train_step gave a Tensor"),
        (lambda: own(lambda t, b: None), r"train_step gave a NoneType"),
        (lambda: own(lambda t, b: (1, 2, 3)), r"train_step gave 3 things"),
        (lambda: own(lambda t, b: (1, loss_of(t, b))), r"train_step gave a int and a Tensor"),
        (lambda: own(lambda t, b: (1, {"los": loss_of(t, b)})), r'gave no "loss", but los; did you mean los to be'),
        (lambda: own(lambda t, b: (1, {})), r'gave no "loss", but nothing'),
        (lambda: own(lambda t, b: (1, {"loss": loss_of(t, b).item()})), r"the loss is a float; it must be a tensor"),
        (lambda: own(lambda t, b: (1, {"loss": loss_of(t, b).detach()})), r"the loss depends on no parameter"),
        (lambda: own(lambda t, b: (1, {"loss": loss_of(t, b).expand(3)})), r"train_step gave loss of shape \(3,\)"),
        (lambda: own(lambda t, b: (1, {"loss": loss_of(t, b), "a": LABELS})), r"gave a of shape \(50,\)"),
        (lambda: other_model(make_trainer()), r"4 of the optimizer's 4 parameters are not the model's"),
        (lambda: half_another(make_trainer()), r"1 of the optimizer's 5 parameters are not the model's"),
        (
            lambda: with_loss(nn.MSELoss(), ["logits", "lable"]),
            r"the loss odd takes logits, lable, .*did you mean label",
        ),
        (
            lambda: with_loss(CrossEntropy(), ["label", "logits"]),
            r"the loss odd cannot take label \(8,\) int64 and logits \(8, 10\) float32: ",
        ),
        (lambda: with_loss(nn.NLLLoss(), ["logits", "image"]), r"the loss odd cannot take logits .* and image"),
        (
            lambda: best("acuracy"),
            r"checkpoint.best is acuracy, and the metrics are loss, accuracy; did you mean accuracy",
        ),
        (lambda: best("f1", kind=IterBasedTrainer, iterations=100), r"checkpoint.best is f1"),
        (lambda: make_trainer(kind=BadVal), r"val_step gave a dict"),
        (lambda: make_trainer(kind=VectorVal), r"val_step gave accuracy of shape \(16,\)"),
        (lambda: evaluated_by(Lazy()), r"the evaluator Lazy has gathered nothing: update\(\) gives"),
        (
            lambda: make_trainer(hooks=[FreezingHook("cnv.*")]),
            r"no parameter matches cnv\.\*; parameters are called conv",
        ),
        (lambda: make_trainer(hooks=[FreezingHook("@norm")]), r"nothing can be frozen: no parameter matches @norm"),
        (lambda: make_trainer(hooks=[FreezingHook("conv.*", start=2, until=1)]), r"until must be above start"),
    ],
)
def test_what_is_wrong_is_told_before_the_first_update(make: Callable[[], Any], message: str) -> None:
    def run() -> None:
        trainer = make()
        trainer.register_hook(NoUpdate())
        trainer.fit()

    with pytest.raises((UsageError, RunError), match=message) as caught:
        run()
    assert "\n" not in str(caught.value)


def test_an_error_of_the_model_says_where_it_came() -> None:
    trainer = make_trainer(nn.Linear(3, 3))
    trainer.register_hook(NoUpdate())
    with pytest.raises(RuntimeError) as caught:
        trainer.fit()
    assert caught.value.__notes__ == ["a first batch was taken through training; nothing has been trained"]


def test_a_metric_that_a_hook_may_add_is_not_refused(tmp_path: Path) -> None:
    class Adds(Hook):
        def after_val_epoch(self, trainer: Any, summary: Any) -> None:
            summary["f1"] = 0.5

    trainer = make_trainer(epochs=1, hooks=[Adds()])
    saver = CheckpointHook(tmp_path, best="f1", describe=dict)
    trainer.register_hook(saver)
    trainer.fit()
    assert saver.best["value"] == 0.5


# ---- misspelt methods ----


def misspelt(base: type, *names: str) -> Any:
    return type("Mine", (base,), {name: lambda self, *_: None for name in names})


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("after_trian_epoch", "after_train_epoch"),
        ("before_validation", "before_run|before_val_epoch|before_val_step"),
        ("trian_step", "train_step"),
        ("vall_step", "val_step"),
        ("optimzer_step", "optimizer_step"),
        ("schedular_step", "scheduler_step"),
        ("count_sample", "count_samples"),
    ],
)
@pytest.mark.parametrize("base", [EpochBasedTrainer, IterBasedTrainer, Hook])
def test_a_misspelt_method_of_a_trainer_or_hook_is_told(base: type, name: str, near: str) -> None:
    if base is Hook:
        if name == "count_sample":
            return  # which no hook has
        trainer = make_trainer(hooks=[misspelt(base, name)()])
    else:
        options = {"iterations": 2} if base is IterBasedTrainer else {}
        trainer = make_trainer(kind=misspelt(base, name), **options)
    with pytest.raises(UsageError, match=rf"Mine\.{name} is no event; did you mean ({near})\?"):
        trainer.fit()


@pytest.mark.parametrize("name", ["train_forwrad", "infer_foward", "postproces", "metric", "val_loses"])
def test_a_misspelt_method_of_a_task_is_told(name: str) -> None:
    task = misspelt(Classification, name)(Plain(), losses=[])
    with pytest.raises(UsageError, match=rf"Mine\.{name} is no method of a task; did you mean "):
        make_trainer().register_model(task)


@pytest.mark.parametrize("name", ["after_test_epohc", "eval_stpe", "tst_step", "split_batch_dcit"])
def test_a_misspelt_method_of_a_tester_is_told(name: str) -> None:
    tester = misspelt(SingleTester, name)(device="cpu")
    tester.register_model(task_of(Plain()))
    tester.register_loader([{"image": IMAGES, "label": LABELS}])
    with pytest.raises(UsageError, match=rf"Mine\.{name} is no method of a tester; did you mean "):
        tester.run()


def test_helpers_of_a_subclass_are_their_own_business() -> None:
    kind = misspelt(
        EpochBasedTrainer, "eval_step", "train_one_step", "logs", "compute_loss", "trainer", "fit_all", "_after_x"
    )
    make_trainer(kind=kind, epochs=1).fit()


# ---- no trace ----


class Stateful(nn.Module):
    """Keeps all kinds of state in its training passes."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = Dropping(), nn.Linear(10, 10)
        self.register_buffer("replaced", torch.zeros(10))
        self.passes = 0

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.passes += 1
            self.replaced = 0.9 * self.replaced + float(x.mean())
        out: Tensor = self.head(self.body(x)) * (1 + self.passes / 100) + self.replaced
        return out


class InPlace(EpochBasedTrainer):
    """Changes its batches, draws, and counts."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.steps, self.seen = 0, list[int]()

    def train_step(self, batch: Any) -> Any:
        batch["image"] += torch.rand(())
        self.steps += 1
        self.seen.append(self.steps)
        return super().train_step(batch)


class Drawing:
    """A user's batches, drawn anew with every pass from torch's generator and from one of its own."""

    def __init__(self) -> None:
        self.generator = torch.Generator().manual_seed(3)

    def __len__(self) -> int:
        return 5

    def __iter__(self) -> Iterator[Any]:
        order = torch.randperm(50, generator=self.generator)
        for number in range(5):
            index = order[10 * number : 10 * number + 10]
            yield {"image": IMAGES[index] + torch.rand(()), "label": LABELS[index]}


@pytest.mark.parametrize("own_batches", [False, True])
def test_nothing_is_left_of_the_rehearsal(own_batches: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def run() -> Any:
        torch.manual_seed(7)
        trainer = make_trainer(Stateful(), kind=InPlace, epochs=2, shuffle=True)
        average = AveragingHook(trainer.module, decay=0.8)
        average.attach(trainer)
        if own_batches:
            trainer.register_loader(Drawing(), [{"image": IMAGES.clone(), "label": LABELS}])
        trainer.fit()
        return trainer

    rehearsed = run()
    monkeypatch.setattr("plainnet.engine.loop.trainer.rehearse", lambda *_: ({}, None))
    plain = run()
    for one, other in zip(parameters_of(rehearsed), parameters_of(plain), strict=True):
        assert torch.equal(one, other)
    for one, other in zip(rehearsed.module.buffers(), plain.module.buffers(), strict=True):
        assert torch.equal(one, other)
    for one, other in zip(rehearsed.averaged.parameters(), plain.averaged.parameters(), strict=True):
        assert torch.equal(one, other)
    assert rehearsed.history == plain.history
    assert rehearsed.seen == plain.seen


def test_the_random_state_is_as_it_was() -> None:
    states = []

    class Look(Hook):
        def before_train_epoch(self, trainer: Any) -> None:
            states.append(torch.get_rng_state())

        def after_rehearsal(self, trainer: Any, train: Any, val: Any) -> None:
            states.append(torch.get_rng_state())
            assert set(train) == set(val) == {"loss", "accuracy"}
            assert all(parameter.grad is None for parameter in trainer.module.parameters())
            assert trainer.module.training
            assert len(trainer.tensors) == 0

    trainer = make_trainer(Dropping(), epochs=1, hooks=[Look()])
    trainer.fit()
    assert torch.equal(states[0], states[1])


# ---- hooks that raise ----


@pytest.mark.parametrize("event", ["before_run", "after_rehearsal", "optimizer_step", "after_val_step", "after_run"])
def test_an_error_in_a_hook_is_traced_to_it(event: str) -> None:
    def fails(self: Any, *_: Any) -> None:
        raise ZeroDivisionError("in the test")

    hook = type("Failing", (Hook,), {event: fails})()
    with pytest.raises(ZeroDivisionError) as caught:
        make_trainer(epochs=1, hooks=[hook]).fit()
    assert any(note.startswith(f"raised in Failing.{event}, {__file__}:") for note in caught.value.__notes__)


@pytest.mark.parametrize("code", [0, 1, None])
def test_a_hook_that_exits_is_named(code: Any) -> None:
    class Leaving(Hook):
        def after_update(self, trainer: Any) -> None:
            raise SystemExit(code)

    with pytest.raises(RunError, match=r"Leaving\.after_update called exit\("):
        make_trainer(epochs=1, hooks=[Leaving()]).fit()
