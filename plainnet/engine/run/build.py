"""A checked configuration turned into the pieces of a run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from plainnet import __version__
from plainnet.configs import Config
from plainnet.engine.data.loader import Loader
from plainnet.engine.data.pipeline import Mix, Normalize, Pipeline
from plainnet.engine.data.source import DataSource
from plainnet.engine.hooks.averaging import AveragingHook
from plainnet.engine.hooks.freezing import FreezingHook
from plainnet.engine.hooks.hook import Hook
from plainnet.engine.hooks.statistics import WatchHook
from plainnet.engine.loop.schedules import with_warmup
from plainnet.engine.loop.trainer import Trainer
from plainnet.engine.loop.trainers import EpochBasedTrainer, IterBasedTrainer
from plainnet.engine.parameters import parameter_groups, with_multiples
from plainnet.engine.run.registry import Registry
from plainnet.engine.run.schema import (
    DataSection,
    LossSpec,
    ModelSection,
    ScheduleSection,
    TeacherSection,
    TrainConfig,
)
from plainnet.engine.run.specs import Maker, make
from plainnet.engine.run.start import load_start, warnings_of_start
from plainnet.engine.run.trained import describe_trained
from plainnet.engine.seeds import derive, seed_everything
from plainnet.engine.tasks.losses import NamedLoss
from plainnet.engine.tasks.task import Task
from plainnet.errors import UsageError

__all__ = ["Built", "build_data", "build_model", "build_trainer"]


@dataclass(frozen=True)
class Built:
    """A trainer with all its pieces, and what is known about the data."""

    trainer: Trainer
    data: DataSource
    model: nn.Module
    task: Task
    notes: tuple[str, ...] = ()
    """What was loaded."""


def build_data(section: DataSection, registry: Registry) -> DataSource:
    """The images."""
    data = make(registry, "data", section)
    if not isinstance(data, DataSource):
        raise UsageError(f"data.type {section.type} gave a {type(data).__name__}, not a DataSource")
    if section.mean is not None or section.std is not None:
        data = replace(data, mean=tuple(section.mean or data.mean), std=tuple(section.std or data.std))
    return data


def build_model(
    section: ModelSection | TeacherSection, registry: Registry, data: DataSource, *, notes: list[str]
) -> nn.Module:
    """The network; a PlainNet takes its channels, classes and resolution from the data where they are not given. What was
    loaded into it is added to `notes`.
    """
    maker = Maker(registry, shape=data.shape, num_classes=len(data.classes))
    model = maker.make("model", section.type, section.arguments)
    if not isinstance(model, nn.Module):
        raise UsageError(f"model.type {section.type} gave a {type(model).__name__}, not an nn.Module")
    if section.weights:
        new_head, parts = getattr(section, "new_head", False), getattr(section, "parts", ())
        notes.append(load_start(model, Path(section.weights), new_head=new_head, parts=parts))
    if isinstance(section, ModelSection) and section.norm_momentum is not None:
        for module in model.modules():
            if isinstance(module, nn.modules.batchnorm._NormBase):
                module.momentum = section.norm_momentum
    return model


def build_losses(specs: Sequence[LossSpec], registry: Registry) -> list[NamedLoss]:
    """The losses of a task, named after their types where no name is given."""
    return [
        NamedLoss(spec.log_name, make(registry, "loss", spec), spec.weight, tuple(spec.takes or ())) for spec in specs
    ]


def build_task(
    config: TrainConfig, registry: Registry, data: DataSource, model: nn.Module, *, notes: list[str]
) -> Task:
    """The task around the network."""
    section = config.task
    given: dict[str, Any] = {"model": model, "losses": build_losses(section.losses, registry)}
    if section.teacher is not None:
        given |= {"teacher": build_model(section.teacher, registry, data, notes=notes), "shape": data.shape}
    task = make(registry, "task", section, **given)
    if not isinstance(task, Task):
        raise UsageError(f"task.type {section.type} gave a {type(task).__name__}, not a Task")
    outputs = getattr(model, "num_classes", None)
    if isinstance(outputs, int) and outputs < len(data.classes) and not task.takes_maps:
        raise UsageError(f"the network has {outputs} outputs, and the data have {len(data.classes)} classes")
    return task


def build_pipelines(section: DataSection, registry: Registry, data: DataSource) -> tuple[Pipeline, Pipeline]:
    """What happens to training and to validation batches."""
    normalize = Normalize(data.mean, data.std)
    early = [make(registry, "transform", spec) for spec in section.augment]
    late = [make(registry, "transform", spec) for spec in section.late_augment]
    mix = None
    if section.mixup or section.cutmix:
        mix = Mix(num_classes=len(data.classes), mixup=section.mixup, cutmix=section.cutmix)
    return Pipeline([*early, normalize, *late], mix=mix), Pipeline([normalize])


def build_schedule(config: TrainConfig, registry: Registry, trainer: Trainer, optimizer: Any) -> Any:
    """The scheduler, in the trainer's unit; the warm-up is counted in epochs, or in iterations with by: iteration."""
    section = config.schedule
    assert trainer.train_loader is not None
    if isinstance(trainer, EpochBasedTrainer):
        per_epoch = -(-len(trainer.train_loader) // trainer.accumulate)
        steps = trainer.updates if trainer.per_iteration else trainer.epochs
        warmup = _warmup(section, per_epoch if trainer.per_iteration else None)
    else:
        assert isinstance(trainer, IterBasedTrainer)
        steps, warmup = trainer.iterations, _warmup(section, None)
    if section.type in ("cosine", "constant"):
        return make(registry, "schedule", section, optimizer, steps=steps, warmup=warmup)
    return with_warmup(optimizer, make(registry, "schedule", section, optimizer), warmup=warmup)


def _warmup(section: ScheduleSection, updates: int | None) -> float:
    """Steps of the scheduler. Where an epoch has several, they are whole ones: the nearest number of updates."""
    if updates is None:
        return section.warmup
    steps = round(section.warmup * updates)
    if steps == 0 and section.warmup > 0:
        raise UsageError(
            f"schedule.warmup is {section.warmup:g} epochs, which is less than half an update of {updates}"
        )
    return steps


def build_trainer(
    config: Config[TrainConfig], registry: Registry, *, debug: bool = False, begun: bool = False
) -> Built:
    """The trainer with everything registered but the hooks that write to the run folder. begun: its weights come from a
    checkpoint, not from those that the configuration begins with.
    """
    value = config.value
    start = value.model.model_copy(update={"weights": None}) if begun else value.model
    seed_everything(derive(value.seed, "weights"))
    data = build_data(value.data, registry)
    seed_everything(derive(value.seed, "weights"))
    notes: list[str] = []
    model = build_model(start, registry, data, notes=notes)
    if start.weights is not None:
        notes += warnings_of_start(Path(start.weights), value.optim, data)
    task = build_task(value, registry, data, model, notes=notes)
    trainer = _make_trainer(value, debug)
    average = AveragingHook(task, decay=value.train.ema) if value.train.ema is not None else None
    trainer.register_model(task)
    if average is not None:
        average.attach(trainer)
    optimizer = _make_optimizer(value, registry, task)
    trainer.register_optimizer(optimizer)
    section = value.data
    common: dict[str, Any] = {
        "seed": value.seed,
        "workers": 0 if debug else section.workers,
        "rank": trainer.rank,
        "processes": trainer.processes,
        "pin_memory": trainer.device.type == "cuda",
    }
    trainer.register_loader(
        Loader(data.train, batch_size=section.batch_size, shuffle=True, drop_last=section.drop_last, **common),
        Loader(data.val, batch_size=section.val_batch_size, shuffle=False, **common),
    )
    trainer.register_transform(*build_pipelines(section, registry, data))
    trainer.register_scheduler(build_schedule(value, registry, trainer, optimizer))
    for evaluator in value.evaluators:
        trainer.register_evaluator(make(registry, "evaluator", evaluator), name=evaluator.name)
        trainer.evaluators[-1].classes = data.classes
    for hook in _hooks(value, registry, task, trainer):
        trainer.register_hook(hook)
    return Built(trainer, data, model, task, notes=tuple(notes))


def _make_optimizer(value: TrainConfig, registry: Registry, task: Task) -> Any:
    options = value.optim.arguments
    groups = [(group.match, with_multiples(group.model_extra or {}, options)) for group in value.optim.groups]
    return make(registry, "optimizer", value.optim, parameter_groups(task, groups))


def _make_trainer(value: TrainConfig, debug: bool) -> Trainer:
    section = value.train
    options: dict[str, Any] = {
        "seed": value.seed,
        "accumulate": section.accumulate,
        "clip_norm": section.clip_norm,
        "precision": section.precision,
        "device": value.device,
        "sync_batch_norm": section.sync_batch_norm,
        "sharded": section.sharded,
        "log_every": value.log.every,
        "debug": debug,
    }
    if section.by == "iteration":
        assert section.iterations is not None
        return IterBasedTrainer(iterations=section.iterations, validate_every=section.validate_every, **options)
    options["validate_every"] = section.validate_every or 1
    return EpochBasedTrainer(epochs=section.epochs, per_iteration=value.schedule.per == "iteration", **options)


def _hooks(value: TrainConfig, registry: Registry, task: Task, trainer: Trainer) -> list[Hook]:
    hooks: list[Hook] = [FreezingHook(spec.match, start=spec.start, until=spec.until) for spec in value.train.freeze]
    if value.log.watch:
        trainer.tensors.watch_modules(task, value.log.watch)
        hooks.append(WatchHook())
    for spec in value.hooks:
        hook = make(registry, "hook", spec)
        if not isinstance(hook, Hook):
            raise UsageError(f"hooks: {spec.type} gave a {type(hook).__name__}, not a Hook")
        hooks.append(hook)
    return hooks


def describe(config: Config[TrainConfig], built: Built) -> dict[str, str]:
    """What the metadata of saved weights say."""
    found = {
        "plainnet": __version__,
        "torch": str(torch.__version__),
        **describe_trained(config.value, built.task, built.data),
    }
    structure = getattr(built.model, "structure", None)
    if structure is not None:
        found |= {"structure": str(structure), "structure_hash": str(getattr(structure, "hash", ""))}
    norm_eps = getattr(built.model, "norm_eps", None)
    if norm_eps is not None:
        found["norm_eps"] = json.dumps(norm_eps)
    return found
