"""The loop: events, accumulation, clipping, freezing, groups, averaging, exact means."""

# ruff: noqa: ARG002 (hooks take what they are given)
from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from engine_models import Dropping, Plain
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from plainnet.engine import (
    Classification,
    EpochBasedTrainer,
    Hook,
    IterBasedTrainer,
    Loader,
    NamedLoss,
    Ratio,
    TensorSamples,
)
from plainnet.engine.build import build_trainer
from plainnet.engine.hooks.averaging import AveragingHook
from plainnet.engine.hooks.events import Events
from plainnet.engine.hooks.freezing import FreezingHook
from plainnet.engine.parameters import matching, parameter_groups
from plainnet.engine.registry import Registry
from plainnet.engine.schedules import cosine, with_warmup
from plainnet.engine.tasks.losses import CrossEntropy
from plainnet.engine.trainer import Trainer
from plainnet.engine.trainer_state import load_trainer, save_trainer, trainer_state
from plainnet.errors import RunError, UsageError

IMAGES = torch.randn(50, 1, 8, 8, generator=torch.Generator().manual_seed(1))
LABELS = torch.randint(0, 10, (50,), generator=torch.Generator().manual_seed(2))
SAMPLES = TensorSamples(IMAGES, LABELS)


def task_of(model: nn.Module) -> Classification:
    return Classification(model, losses=[NamedLoss("ce", CrossEntropy())])


def make_trainer(
    model: nn.Module | None = None,
    *,
    batch_size: int = 8,
    lr: float = 0.1,
    shuffle: bool = False,
    kind: type[Trainer] = EpochBasedTrainer,
    **options: Any,
) -> Any:
    if model is None:
        torch.manual_seed(0)
        model = Plain()
    options = {"epochs": 2, **options} if kind is EpochBasedTrainer else options
    trainer: Any = kind(device="cpu", **options)
    task = task_of(model)
    trainer.register_model(task)
    trainer.register_optimizer(torch.optim.SGD(task.parameters(), lr=lr, momentum=0.9))
    trainer.register_loader(
        Loader(SAMPLES, batch_size=batch_size, shuffle=shuffle), Loader(SAMPLES, batch_size=16, shuffle=False)
    )
    return trainer


def parameters_of(trainer: Trainer) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in trainer.module.parameters()]


# ---- events ----


class Recorder(Hook):
    """Notes every event."""

    def __init__(self, name: str, priority: int, notes: list[str]) -> None:
        self.name, self.priority, self.notes = name, priority, notes


def _noting(event: str) -> Callable[..., None]:
    def note(self: Recorder, *_: Any) -> None:
        self.notes.append(f"{self.name}{event}")

    return note


for _event in (
    "before_train_epoch",
    "before_train_step",
    "train_step",
    "after_backward",
    "optimizer_step",
    "after_train_step",
    "log",
    "scheduler_step",
    "after_train_epoch",
    "before_val_epoch",
    "before_val_step",
    "val_step",
    "after_val_step",
    "after_val_epoch",
):
    setattr(Recorder, _event, _noting(_event))


def test_the_events_come_in_their_order() -> None:
    notes: list[str] = []
    trainer = make_trainer(batch_size=25, epochs=1, log_every=1, hooks=[Recorder("", 60, notes)])
    trainer.register_scheduler(torch.optim.lr_scheduler.StepLR(trainer.optimizer, 1))
    trainer.fit()
    step = ["before_train_step", "train_step", "after_backward", "optimizer_step", "after_train_step", "log"]
    val = ["before_val_step", "val_step", "after_val_step"]
    assert notes == [
        "before_train_epoch",
        *step * 2,
        "scheduler_step",
        "after_train_epoch",
        "before_val_epoch",
        *val * 4,
        "after_val_epoch",
    ]


def test_the_learning_rate_per_iteration_changes_after_each_update() -> None:
    notes: list[str] = []
    trainer = make_trainer(kind=IterBasedTrainer, iterations=3, validate_every=2, hooks=[Recorder("", 60, notes)])
    trainer.register_scheduler(torch.optim.lr_scheduler.StepLR(trainer.optimizer, 1, gamma=0.5))
    history = trainer.fit()
    assert notes.count("scheduler_step") == 3
    assert [entry["iteration"] for entry in history] == [2, 3]
    assert trainer.learning_rates() == [0.0125]


def test_hooks_run_by_priority_around_the_trainers_own_method() -> None:
    notes: list[str] = []

    class Own(EpochBasedTrainer):
        def before_train_epoch(self) -> None:
            notes.append("own")

    trainer = make_trainer(kind=Own, epochs=1)
    for name, priority in (("late ", 80), ("early ", 10), ("middle ", 50)):
        trainer.register_hook(Recorder(name, priority, notes))
    trainer.fit()
    assert [note for note in notes if "epoch" in note or note == "own"][:4] == [
        "early before_train_epoch",
        "own",
        "middle before_train_epoch",
        "late before_train_epoch",
    ]


def test_a_misspelt_event_is_an_error() -> None:
    class Typo(Hook):
        def after_trian_step(self, *_: Any) -> None: ...

    with pytest.raises(UsageError, match=r"Typo\.after_trian_step is no event; did you mean after_train_step\?"):
        make_trainer(hooks=[Typo()]).fit()


def test_hooks_that_do_nothing_cost_nothing() -> None:
    trainer = make_trainer(hooks=[Hook()])
    assert all(before == () and after == () for before, _, after in Events(trainer, trainer.hooks).calls.values())


def test_a_subclass_writes_its_own_steps() -> None:
    class Mine(EpochBasedTrainer):
        def train_step(self, batch: Any) -> Any:
            logits = self.model(batch["image"])  # type: ignore[misc]
            return {"logits": logits}, {"loss": nn.functional.cross_entropy(logits, batch["label"]), "seen": 1.0}

    torch.manual_seed(0)
    model = Plain()
    trainer = Mine(epochs=1, device="cpu")
    trainer.register_model(model)
    trainer.register_optimizer(torch.optim.SGD(model.parameters(), lr=0.1))
    trainer.register_loader(DataLoader(TensorDataset(IMAGES, LABELS), batch_size=8, shuffle=True), None)
    (entry,) = trainer.fit()
    assert set(entry["train"]) == {"loss", "seen"}
    assert entry["train"]["seen"] == 1.0


def test_a_subclass_validates_in_its_own_way() -> None:
    class Mine(EpochBasedTrainer):
        def val_step(self, batch: Any) -> Any:
            logits = self.evaluated.model(batch["image"])  # type: ignore[operator,union-attr]
            return {"logits": logits}, {"largest": logits.max(), "images": Ratio(float(len(logits)), 1)}

    trainer = make_trainer(kind=Mine, epochs=1)
    (entry,) = trainer.fit()
    with torch.no_grad():
        logits = trainer.module.model(IMAGES)
    largest = [float(part.max()) for part in logits.split(16)]
    expected = sum(value * size for value, size in zip(largest, (16, 16, 16, 2), strict=True)) / 50
    assert entry["val"] == pytest.approx({"largest": expected, "images": 50 / 4}, abs=1e-6)


@pytest.mark.parametrize("name", sorted(set(Registry().names("optimizer")) - {"LBFGS", "SparseAdam", "Muon"}))
def test_any_optimizer_of_torch_trains_and_is_taken_up_again(name: str, tmp_path: Path) -> None:
    """All but three: LBFGS takes a closure, SparseAdam sparse gradients, and Muon matrices alone."""

    def trainer_of(iterations: int) -> Any:
        trainer = make_trainer(kind=IterBasedTrainer, iterations=iterations, validate_every=3, shuffle=True)
        trainer.register_optimizer(getattr(torch.optim, name)(trainer.module.parameters(), lr=0.01))
        return trainer

    whole, first, second = trainer_of(6), trainer_of(3), trainer_of(6)
    before = parameters_of(whole)
    for trainer in (whole, first):
        trainer.fit()
    path = save_trainer(first, tmp_path)
    assert path is not None
    load_trainer(second, path)
    second.fit()
    assert all(torch.equal(one, other) for one, other in zip(parameters_of(whole), parameters_of(second), strict=True))
    assert not any(torch.equal(one, other) for one, other in zip(before, parameters_of(whole), strict=True))


def test_an_optimizer_with_a_closure_is_refused() -> None:
    trainer = make_trainer()
    with pytest.raises(UsageError, match=r"LBFGS computes the loss several times in a step"):
        trainer.register_optimizer(torch.optim.LBFGS(trainer.module.parameters()))


def test_pieces_that_are_missing_are_named() -> None:
    with pytest.raises(UsageError, match=r"register a model, an optimizer and a loader"):
        EpochBasedTrainer(epochs=1, device="cpu").fit()
    with pytest.raises(UsageError, match=r"device is 'gpu'; accepted"):
        EpochBasedTrainer(epochs=1, device="gpu")
    trainer = EpochBasedTrainer(epochs=1, device="cpu")
    model = Plain()
    trainer.register_model(model)
    trainer.register_optimizer(torch.optim.SGD(model.parameters(), lr=0.1))
    trainer.register_loader(Loader(SAMPLES, batch_size=8, shuffle=True))
    with pytest.raises(UsageError, match=r"needs a train_step: Plain is no Task"):
        trainer.fit()
    with pytest.raises(UsageError, match=r"no validation data"):
        trainer.validate()


# ---- accumulation ----


@pytest.mark.parametrize("clip", [None, 0.05])
def test_accumulation_equals_the_large_batch(clip: float | None) -> None:
    """50 images in batches of 8, three an update: groups of 24, 24 and 2; against batches of 24."""
    small = make_trainer(batch_size=8, accumulate=3, clip_norm=clip)
    small.fit()
    large = make_trainer(batch_size=24, clip_norm=clip)
    large.fit()
    assert small.iteration == large.iteration == 6
    for one, other in zip(parameters_of(small), parameters_of(large), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-6)
    for one, other in zip(small.history, large.history, strict=True):
        assert one["train"] == pytest.approx(other["train"], abs=1e-6)


# ---- means ----


def test_validation_is_exact_with_an_uneven_last_batch() -> None:
    trainer = make_trainer()
    summary = trainer.validate()
    with torch.no_grad():
        logits = trainer.module.model(IMAGES)
    assert summary["accuracy"] == int((logits.argmax(1) == LABELS).sum()) / 50
    assert summary["loss"] == pytest.approx(float(nn.functional.cross_entropy(logits.double(), LABELS)), abs=1e-6)


# ---- clipping, freezing, groups, averaging ----


class Norms(Hook):
    """Notes the gradient's norm at each update."""

    def __init__(self, *, priority: int) -> None:
        self.priority = priority
        self.norms: list[float] = []

    def optimizer_step(self, trainer: Trainer) -> None:
        gradients = [p.grad.norm() for p in trainer.module.parameters() if p.grad is not None]
        self.norms.append(float(torch.stack(gradients).norm()))


def test_the_gradient_is_clipped() -> None:
    before, after = Norms(priority=49), Norms(priority=51)
    make_trainer(clip_norm=0.01, hooks=[before, after]).fit()
    assert max(after.norms) <= 0.01 + 1e-6 < min(before.norms)


def test_frozen_parameters_stay_until_their_epoch() -> None:
    torch.manual_seed(0)
    model = Dropping()
    trainer = make_trainer(model, epochs=2)
    trainer.register_hook(FreezingHook("stem.*", until=1))
    before = copy.deepcopy(model.state_dict())
    moved: list[set[str]] = []

    class Compare(Hook):
        def after_train_epoch(self, trainer: Trainer, summary: Mapping[str, float]) -> None:
            now = model.state_dict()
            moved.append({name for name in before if not torch.equal(before[name], now[name])})

    trainer.register_hook(Compare())
    trainer.fit()
    assert moved[0] == {"head.weight", "head.bias"}
    assert moved[1] == set(before)


def test_parameter_groups_by_pattern() -> None:
    model = task_of(Dropping())
    groups = parameter_groups(model, [("@norm", {"weight_decay": 0}), (["stem.*"], {"lr": 1.0})])
    sizes = [sum(p.numel() for p in group["params"]) for group in groups]
    assert sizes == [16 * 16 * 10 + 10, 32, 16 * 9 + 16]
    assert [{k: v for k, v in group.items() if k != "params"} for group in groups] == [
        {},
        {"weight_decay": 0},
        {"lr": 1.0},
    ]
    assert matching(model, "@bias") == {"stem.0.bias", "stem.1.bias", "head.bias"}
    with pytest.raises(UsageError, match=r"no parameter matches stem\.0\.wight; did you mean stem\.0\.weight\?"):
        matching(model, "stem.0.wight")


def test_the_moving_average_is_the_formula_and_is_validated() -> None:
    trainer = make_trainer(epochs=1)
    hook = AveragingHook(trainer.module, decay=0.8)
    hook.attach(trainer)
    expected = parameters_of(trainer)
    steps = []

    class Follow(Hook):
        priority = 56

        def optimizer_step(self, trainer: Trainer) -> None:
            steps.append(0)
            for average, now in zip(expected, parameters_of(trainer), strict=True):
                # torch's AveragedModel starts from the first weights that it sees
                average.copy_(now if len(steps) == 1 else 0.8 * average + 0.2 * now)

    trainer.register_hook(Follow())
    (entry,) = trainer.fit()
    for average, own in zip(expected, hook.average.module.parameters(), strict=True):
        torch.testing.assert_close(average, own.detach(), rtol=0, atol=1e-6)
    with torch.no_grad():
        logits = hook.average.module.model(IMAGES)
    assert entry["val"]["accuracy"] == int((logits.argmax(1) == LABELS).sum()) / 50


def test_the_cosine_is_the_formula() -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=2.0)
    scheduler = cosine(optimizer, steps=10, warmup=2, final=0.1)
    rates = []
    for _ in range(11):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert rates[:3] == pytest.approx([2 / 3, 4 / 3, 2.0])
    assert rates[6] == pytest.approx(2 * (0.1 + 0.9 / 2))
    assert rates[10] == pytest.approx(0.2)
    with pytest.raises(UsageError, match=r"a warm-up of 5 steps leaves nothing of 5"):
        cosine(optimizer, steps=5, warmup=5)


def test_any_scheduler_can_be_warmed_up() -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = with_warmup(optimizer, torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.1), warmup=1)
    rates = []
    for _ in range(4):
        rates.append(round(optimizer.param_groups[0]["lr"], 9))
        optimizer.step()
        scheduler.step()
    assert rates == [0.5, 1.0, 1.0, 0.1]


# ---- tensors, failures, modes ----


def test_intermediate_tensors_have_gradients_during_a_step_and_are_gone_after_it() -> None:
    seen: list[tuple[torch.Size, float]] = []

    class Look(Hook):
        def after_backward(self, trainer: Trainer, batch: Any, output: Any, result: Any) -> None:
            gradient = trainer.tensors["stem"].grad
            assert gradient is not None
            seen.append((gradient.shape, float(gradient.abs().sum())))
            with pytest.raises(UsageError, match=r"no tensor stam was registered in this step; did you mean stem"):
                _ = trainer.tensors["stam"]

        def after_update(self, trainer: Trainer) -> None:
            assert len(trainer.tensors) == 0

    torch.manual_seed(0)
    trainer = make_trainer(Dropping(), epochs=1, hooks=[Look()])
    trainer.fit()
    assert seen[0][0] == (8, 16, 4, 4)
    assert all(total > 0 for _, total in seen)
    trainer.validate()
    assert len(trainer.tensors) == 0


def test_modules_are_watched_by_pattern() -> None:
    trainer = make_trainer(epochs=1)
    handles = trainer.tensors.watch_modules(trainer.module, ["conv"])
    names = []

    class Look(Hook):
        def after_backward(self, trainer: Trainer, batch: Any, output: Any, result: Any) -> None:
            names.extend(trainer.tensors)

    trainer.register_hook(Look())
    trainer.fit()
    assert set(names) == {"conv"}
    for handle in handles:
        handle.remove()
    with pytest.raises(UsageError, match=r"no module matches cnv; did you mean"):
        trainer.tensors.watch_modules(trainer.module, ["cnv"])


def test_a_loss_that_is_no_number_stops_with_the_learning_rate() -> None:
    trainer = make_trainer(lr=1e30, log_every=1)
    trainer.register_transform(lambda batch: {**batch, "image": batch["image"] / 0})
    with pytest.raises(RunError, match=r"the loss is nan after \d+ updates \(learning rate 1e\+30\): lower"):
        trainer.fit()


def test_debug_mode_finds_the_operation_that_made_a_nan() -> None:
    class Bad(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(64, 10)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.head(x.flatten(1))
            return torch.sqrt(out - out)

    trainer = make_trainer(Bad(), debug=True)
    warned = pytest.warns(UserWarning, match=r"Error detected in AddmmBackward0")
    with pytest.raises(RuntimeError, match=r"returned nan values"), warned:
        trainer.fit()


@pytest.mark.parametrize("precision", ["no", "bf16"])
def test_mixed_precision_trains(precision: str) -> None:
    trainer = make_trainer(precision=precision, epochs=3, shuffle=True)
    history = trainer.fit()
    assert history[-1]["train"]["loss"] < history[0]["train"]["loss"]


def test_a_scaled_loss_changes_nothing() -> None:
    """fp16's loss scaling, by a power of two on a CPU: the hooks and the clipping see the gradients as they are."""
    norms = [Norms(priority=20), Norms(priority=20)]
    plain, scaled = (make_trainer(clip_norm=0.5, accumulate=2, hooks=[hook]) for hook in norms)
    scaled.scaler = torch.amp.GradScaler("cpu", init_scale=256.0, growth_interval=3)
    for trainer in (plain, scaled):
        trainer.fit()
    assert norms[0].norms == norms[1].norms
    assert all(torch.equal(one, other) for one, other in zip(parameters_of(plain), parameters_of(scaled), strict=True))
    assert trainer_state(scaled)["scaler"]["scale"] > 256


def test_an_overflow_of_a_scaled_loss_leaves_the_weights() -> None:
    trainer = make_trainer(epochs=1, batch_size=50)
    trainer.register_transform(lambda batch: {**batch, "image": 1000 * batch["image"]})
    trainer.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**127)
    before = parameters_of(trainer)
    trainer.fit()
    assert all(torch.equal(one, other) for one, other in zip(before, parameters_of(trainer), strict=True))
    assert trainer.scaler.get_scale() == 2.0**126


def test_a_trainer_from_a_configuration_is_the_same_each_time(configured: Callable[..., Any]) -> None:
    runs = []
    for _ in range(2):
        trainer = build_trainer(configured("data.mixup=0.2"), Registry()).trainer
        trainer.fit()
        runs.append(parameters_of(trainer))
    assert all(torch.equal(one, other) for one, other in zip(*runs, strict=True))


def test_another_seed_gives_another_network(trained: Callable[..., Any]) -> None:
    assert trained("seed=1", run="a").metrics != trained("seed=2", run="b").metrics


def test_processes_that_cannot_join_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or else each would train alone, and all of them would write to the same folder."""
    from accelerate import Accelerator

    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(Accelerator, "__init__", lambda *_, **__: None)
    monkeypatch.setattr(Accelerator, "device", torch.device("cpu"))
    monkeypatch.setattr(Accelerator, "num_processes", 1)
    with pytest.raises(UsageError, match=r"2 processes were started, and they cannot work together on device auto"):
        EpochBasedTrainer(epochs=1)


def test_a_precision_that_the_device_has_not_is_refused() -> None:
    with pytest.raises(UsageError, match=r"precision is fp16, which needs a GPU"):
        make_trainer(precision="fp16")


def test_other_ways_to_share_the_work_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from accelerate import Accelerator, DistributedType

    monkeypatch.setattr(Accelerator, "distributed_type", DistributedType.DEEPSPEED)
    with pytest.raises(UsageError, match=r"trains with data parallelism \(DDP, FSDP\), not with DEEPSPEED"):
        make_trainer()
