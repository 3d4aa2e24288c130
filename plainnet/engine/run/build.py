"""A checked configuration turned into the pieces of a run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from plainnet import __version__
from plainnet.configs import Config
from plainnet.engine.data.loader import Loader
from plainnet.engine.data.pipeline import Mix, Normalize, Pipeline
from plainnet.engine.data.source import DataSource, Samples
from plainnet.engine.hooks.averaging import AveragingHook
from plainnet.engine.hooks.freezing import FreezingHook
from plainnet.engine.hooks.hook import Hook
from plainnet.engine.hooks.statistics import WatchHook
from plainnet.engine.loop.trainer import Trainer
from plainnet.engine.loop.trainers import EpochBasedTrainer, IterBasedTrainer, updates_of_a_pass
from plainnet.engine.parameters import Matched, matched_groups, parameter_groups, with_multiples
from plainnet.engine.run.data_sources import build_data, made_data, target_makers, train_sampler
from plainnet.engine.run.loss_names import own_name
from plainnet.engine.run.registry import Registry
from plainnet.engine.run.scheduling import build_schedule, scaled_rates
from plainnet.engine.run.schema import (
    DataSection,
    LossSpec,
    ModelSection,
    TeacherSection,
    TrainConfig,
)
from plainnet.engine.run.starting_weights import load_start, warnings_of_start
from plainnet.engine.run.typed_values import Maker, make
from plainnet.engine.run.weights_metadata import describe_trained
from plainnet.engine.seeds import derive, seed_everything
from plainnet.engine.tasks.losses import NamedLoss
from plainnet.engine.tasks.task import Task
from plainnet.engine.writers.writer import Writer
from plainnet.errors import RunError, UsageError

__all__ = ["Built", "build_model", "build_trainer", "optimizer_groups", "trainer_kind"]


@dataclass(frozen=True)
class Built:
    """A trainer with all its pieces, and what is known about the data."""

    trainer: Trainer
    data: DataSource
    model: nn.Module
    task: Task
    notes: tuple[str, ...] = ()
    """What was loaded."""


def _further_samples(value: TrainConfig, registry: Registry, data: DataSource) -> dict[str, Samples]:
    """The validation images of further data sets, by name."""
    found: dict[str, Samples] = {}
    for number, spec in enumerate(value.validate_also):
        where = f"validate_also.{number} ({spec.name})"
        other = made_data(spec, registry, where=where)
        if spec.name in found:
            raise UsageError(f"{where}: the name is there twice")
        for what in ("classes", "shape"):
            one, own = getattr(other, what), getattr(data, what)
            if tuple(one) != tuple(own):
                raise UsageError(f"{where} has other {what} than the data: {one}; accepted: {own}")
        found[spec.name] = other.val
    return found


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
        try:
            notes.append(load_start(model, Path(section.weights), new_head=new_head, parts=parts))
        except (RunError, UsageError) as error:
            key = "model" if isinstance(section, ModelSection) else "task.teacher"
            raise (RunError if isinstance(error, RunError) else UsageError)(f"{key}.weights: {error}") from error
    if isinstance(section, ModelSection) and section.norm_momentum is not None:
        for module in model.modules():
            if isinstance(module, nn.modules.batchnorm._NormBase):
                module.momentum = section.norm_momentum
    return model


def build_losses(specs: Sequence[LossSpec], registry: Registry) -> list[NamedLoss]:
    """The losses of a task, named after their types where no name is given."""
    return [
        NamedLoss(
            spec.log_name,
            make(registry, "loss", spec, **own_name(registry, spec)),
            spec.weight,
            tuple(spec.takes or ()),
        )
        for spec in specs
    ]


def build_task(
    config: TrainConfig, registry: Registry, data: DataSource, model: nn.Module, *, notes: list[str]
) -> Task:
    """The task around the network."""
    section = config.task
    given: dict[str, Any] = {"model": model, "losses": build_losses(section.losses, registry)}
    if section.teacher is not None:
        if not data.shape:
            raise UsageError(f"task.teacher: a teacher sees images, and the data {config.data.type} hold none")
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
    _check_takes_images(section, data)
    normalize = Normalize(data.mean, data.std)
    early = [make(registry, "transform", spec) for spec in section.augment]
    late = [make(registry, "transform", spec) for spec in section.late_augment]
    mix = None
    if section.mixup or section.cutmix:
        mix = Mix(num_classes=len(data.classes), mixup=section.mixup, cutmix=section.cutmix)
    makers = target_makers(section, registry)
    return Pipeline([*early, normalize, *late], mix=mix, makers=makers), Pipeline([normalize], makers=makers)


def _check_takes_images(section: DataSection, data: DataSource) -> None:
    """Raise `UsageError` for what happens to images, where samples are none."""
    asked = {name: getattr(section, name) for name in ("augment", "late_augment", "mixup", "cutmix")}
    wanted = [name for name, value in {**asked, "mean": data.mean}.items() if value]
    if wanted and not data.shape:
        raise UsageError(
            f"data.{wanted[0]} is for images, and the data {section.type} hold none: they say no shape (C, H, W)"
        )


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
        notes += warnings_of_start(Path(start.weights), scaled_rates(value), data)
    task = build_task(value, registry, data, model, notes=notes)
    trainer = _make_trainer(value, registry, debug)
    average = AveragingHook(task, decay=value.train.ema) if value.train.ema is not None else None
    trainer.register_model(task)
    if average is not None:
        average.attach(trainer)
    optimizer = _make_optimizer(value, registry, task)
    trainer.register_optimizer(optimizer)
    trainer.group_names = [", ".join(group.patterns) for group in optimizer_groups(value, task) if group.names]
    _register_loaders(trainer, value, registry, data, workers=0 if debug else value.data.workers)
    trainer.register_transform(*build_pipelines(value.data, registry, data))
    trainer.register_scheduler(build_schedule(value, registry, optimizer, updates=updates_of_a_pass(trainer)))
    for evaluator in value.evaluators:
        trainer.register_evaluator(make(registry, "evaluator", evaluator), name=evaluator.name)
        trainer.evaluators[-1].classes = data.classes
    for spec in value.log.writers:
        writer = make(registry, "writer", spec)
        if not isinstance(writer, Writer):
            raise UsageError(f"log.writers: {spec.type} gave a {type(writer).__name__}, not a Writer")
        trainer.register_writer(writer)
    for hook in _hooks(value, registry, task, trainer):
        hook.classes = data.classes
        trainer.register_hook(hook)
    return Built(trainer, data, model, task, notes=tuple(notes))


def _register_loaders(
    trainer: Trainer, value: TrainConfig, registry: Registry, data: DataSource, *, workers: int
) -> None:
    section = value.data
    sampler = train_sampler(section, registry, data)
    common: dict[str, Any] = {
        "seed": value.seed,
        "workers": workers,
        "rank": trainer.rank,
        "processes": trainer.processes,
        "pin_memory": trainer.device.type == "cuda",
    }
    trainer.register_loader(
        Loader(
            data.train,
            batch_size=section.batch_size,
            shuffle=True,
            drop_last=section.drop_last,
            sampler=sampler,
            **common,
        ),
        Loader(data.val, batch_size=section.val_batch_size, shuffle=False, **common),
        **{
            name: Loader(samples, batch_size=section.val_batch_size, shuffle=False, **common)
            for name, samples in _further_samples(value, registry, data).items()
        },
    )


def _make_optimizer(value: TrainConfig, registry: Registry, task: Task) -> Any:
    return make(registry, "optimizer", scaled_rates(value), parameter_groups(task, _group_options(value)))


def optimizer_groups(value: TrainConfig, task: Task) -> list[Matched]:
    """The parameters of each group of the optimizer by name, in its order."""
    return matched_groups(task, _group_options(value))


def _group_options(value: TrainConfig) -> list[tuple[str | list[str], dict[str, Any]]]:
    section = scaled_rates(value)
    return [(group.match, with_multiples(group.model_extra or {}, section.arguments)) for group in section.groups]


def trainer_kind(value: TrainConfig, registry: Registry) -> type[Trainer]:
    """The class of the trainer; `UsageError` for what is none, or counts in another unit."""
    base: type[Trainer] = IterBasedTrainer if value.train.by == "iteration" else EpochBasedTrainer
    if value.train.type is None:
        return base
    kind = registry.find("trainer", value.train.type)
    if not isinstance(kind, type) or not issubclass(kind, base):
        raise UsageError(f"{value.train.type} is no {base.__name__}, which by: {value.train.by} asks for")
    return kind


def _make_trainer(value: TrainConfig, registry: Registry, debug: bool) -> Trainer:
    section, kind = value.train, trainer_kind(value, registry)
    options: dict[str, Any] = {
        "seed": value.seed,
        "validate_from": section.validate_from,
        "accumulate": section.accumulate,
        "clip_norm": section.clip_norm,
        "precision": section.precision,
        "device": value.device,
        "sync_batch_norm": section.sync_batch_norm,
        "sharded": section.sharded,
        "log_every": value.log.every,
        "log_window": value.log.window,
        "debug": debug,
    }
    if section.by == "iteration":
        assert section.iterations is not None
        options |= {"iterations": section.iterations, "validate_every": section.validate_every}
    else:
        per_iteration = value.schedule.per == "iteration"
        options |= {
            "epochs": section.epochs,
            "per_iteration": per_iteration,
            "validate_every": section.validate_every or 1,
        }
    return kind(**options, **section.arguments)


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
