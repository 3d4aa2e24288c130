"""What a training would refuse before it reads its data, found by making the pieces that need none."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from plainnet.blocks.structure import Structure
from plainnet.configs import Config, ConfigProblem
from plainnet.engine.data.image_samples import reading
from plainnet.engine.data.pipeline import Normalize
from plainnet.engine.evaluators.evaluator import Evaluator, register
from plainnet.engine.hooks.freezing import FreezingHook
from plainnet.engine.hooks.save_rule import check_rule
from plainnet.engine.loop.schedules import check_schedule_kind
from plainnet.engine.loop.step_tensors import StepTensors
from plainnet.engine.parameters import check_optimizer_kind, matching, with_multiples
from plainnet.engine.processes.devices import check_device
from plainnet.engine.run.loss_names import own_name
from plainnet.engine.run.network_arguments import network_arguments
from plainnet.engine.run.registry import KINDS, Registry
from plainnet.engine.run.scheduling import build_schedule, scaled_rates
from plainnet.engine.run.schema import LossSpec, ModelSection, Spec, TeacherSection, TrainConfig
from plainnet.engine.run.starting_weights import check_parts, refuse_weights
from plainnet.engine.run.typed_values import make
from plainnet.engine.tasks.losses import check_loss_names
from plainnet.errors import PlainnetError, UsageError
from plainnet.network.plain_net import PlainNet

__all__ = ["refusals"]

Place = tuple[str | int, ...]
UPDATES = 1_000_000
"""Updates of an epoch of data that nobody has read."""


def refusals(config: Config[TrainConfig], registry: Registry, *, begun: bool = False) -> list[ConfigProblem]:
    """What the pieces say about their arguments, each at its place. Hooks of yours are not made: they may do something.

    begun: something has been trained already, so that the weights of the beginning are not needed any more.
    """
    value, problems = config.value, _Problems(config)
    with problems.at("device"):
        check_device(value.device)
    with problems.at("train", "precision"):
        check_device(value.device, precision=value.train.precision)
    _weights(value, problems, begun=begun)
    for place, kind, spec in _made(value):
        with problems.at(*place):
            make(registry, kind, spec, **(own_name(registry, spec) if isinstance(spec, LossSpec) else {}))
    _data(value, problems)
    with problems.at("task", "losses"):
        _check_loss_names(value)
    _evaluators(value, registry, problems)
    for index, window in enumerate(value.train.freeze):
        with problems.at("train", "freeze", index):
            FreezingHook(window.match, start=window.start, until=window.until)
    _optimization(value, registry, problems)
    _patterns(value, problems)
    return problems.found


def _weights(value: TrainConfig, problems: _Problems, *, begun: bool) -> None:
    """The weights that a training begins with, and the rule by which it saves some."""
    sections: list[tuple[Place, ModelSection | TeacherSection | None]] = [
        (("model",), value.model),
        (("task", "teacher"), value.task.teacher),
    ]
    for place, section in sections:
        if section is None or (begun and section is value.model):
            continue
        if section.weights and not Path(section.weights).is_file():
            with problems.at(*place, "weights"):
                refuse_weights(section.weights, value.store)
    if value.model.parts and not begun:
        with problems.at("model", "parts"):
            check_parts(value.model)
    with problems.at("checkpoint", "save"):
        check_rule(value.checkpoint.save)
    if value.model.new_head and not value.model.weights:
        problems.add(
            ("model", "new_head"), "there are no weights to leave the classifier out of: model.weights names them"
        )


def _data(value: TrainConfig, problems: _Problems) -> None:
    """How images are read."""
    if value.data.mean is not None and value.data.std is not None:
        with problems.at("data", "mean"):
            Normalize(value.data.mean, value.data.std)
    if value.data.type in ("folder", "huggingface"):
        known = inspect.signature(reading).parameters
        with problems.at("data"):
            reading(**{name: option for name, option in value.data.arguments.items() if name in known})


class _Problems:
    def __init__(self, config: Config[TrainConfig]) -> None:
        self.config, self.found = config, list[ConfigProblem]()

    def add(self, place: Place, message: str) -> None:
        if not any(problem.message == message for problem in self.found):
            self.found.append(self.config.problem(place, message))

    @contextmanager
    def at(self, *place: str | int) -> Iterator[None]:
        """Whatever is refused inside is a problem at `place`; any other exception is for the training itself, with its trace."""
        try:
            yield
        except PlainnetError as error:
            self.add(place, str(error))
        except Exception:
            return


def _made(value: TrainConfig) -> Iterator[tuple[Place, str, Spec]]:
    for index, loss in enumerate(value.task.losses):
        yield ("task", "losses", index), "loss", loss
    kinds = {"augment": "transform", "late_augment": "transform", "filters": "filter", "targets": "maker"}
    for name, kind in kinds.items():
        for index, spec in enumerate(getattr(value.data, name)):
            yield ("data", name, index), kind, spec
    for index, spec in enumerate(value.log.writers):
        if spec.type in KINDS["writer"][0]:
            yield ("log", "writers", index), "writer", spec
    for index, spec in enumerate(value.hooks):
        if spec.type in KINDS["hook"][0]:
            yield ("hooks", index), "hook", spec


def _evaluators(value: TrainConfig, registry: Registry, problems: _Problems) -> None:
    """Shipped evaluators and their names; one of yours may do something when it is made."""
    made: list[Evaluator] = []
    for index, spec in enumerate(value.evaluators):
        if spec.type in KINDS["evaluator"][0]:
            with problems.at("evaluators", index):
                register(made, make(registry, "evaluator", spec), name=spec.name)


def _check_loss_names(value: TrainConfig) -> None:
    """Raise `UsageError` unless each loss has a name of its own."""
    if not value.task.losses and value.task.type in KINDS["task"][0]:
        raise UsageError("there is no loss, and nothing to train for; the usual one: [{type: CrossEntropy}]")
    check_loss_names([loss.log_name for loss in value.task.losses])


def _optimization(value: TrainConfig, registry: Registry, problems: _Problems) -> None:
    optimizer: Any = None
    with problems.at("optim"):
        check_optimizer_kind(registry.find("optimizer", value.optim.type))
        section = scaled_rates(value)
        own_options = [with_multiples(group.model_extra or {}, section.arguments) for group in section.groups]
        options: list[Mapping[str, Any]] = [{}, *own_options]
        groups = [{"params": [nn.Parameter(torch.ones(2, 2))], **own} for own in options]
        optimizer = make(registry, "optimizer", section, groups)
    if optimizer is None:
        return
    with problems.at("schedule"):
        kind = registry.find("schedule", value.schedule.type)
        check_schedule_kind(kind)
        build_schedule(value, registry, optimizer, updates=UPDATES)


def _patterns(value: TrainConfig, problems: _Problems) -> None:
    """Patterns of parameters and modules, where the network can be had without its data: as a string, without weights."""
    wanted: list[tuple[Place, Callable[[nn.Module], object]]] = []
    for index, group in enumerate(value.optim.groups):
        wanted.append((("optim", "groups", index, "match"), _matcher(group.match)))
    for index, spec in enumerate(value.train.freeze):
        wanted.append((("train", "freeze", index, "match"), _matcher(spec.match)))
    if value.log.watch:
        wanted.append((("log", "watch"), lambda model: StepTensors().watch_modules(model, value.log.watch)))
    if not wanted or value.model.type != "PlainNet" or value.task.type not in KINDS["task"][0]:
        return
    model = _outline(value.model.arguments)
    if model is None:
        return
    for place, check in wanted:
        with problems.at(*place):
            check(model)


def _matcher(patterns: str | Iterable[str]) -> Callable[[nn.Module], object]:
    chosen = patterns if isinstance(patterns, str) else list(patterns)
    return lambda model: matching(model, chosen)


def _outline(arguments: Mapping[str, Any]) -> nn.Module | None:
    """The network without memory for its weights; None where only the data can tell its size."""
    try:
        complete = network_arguments("PlainNet", arguments, shape=(3, 224, 224), num_classes=10)
        if not isinstance(complete["structure"], Structure):
            return None  # which is refused as what it is
        complete["in_channels"] = complete["structure"].in_channels
        with torch.device("meta"):
            return PlainNet(**{**complete, "init": "default"})
    except PlainnetError:
        return None
