"""What a training would do: its pieces made, one batch tried, and nothing written."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from torch import Tensor

from plainnet.configs import Config
from plainnet.engine.data.loader import Loader
from plainnet.engine.hooks.event_calls import OWN_PRIORITY, Events
from plainnet.engine.hooks.hook import EVENTS, Hook
from plainnet.engine.loop.rehearsal import rehearse
from plainnet.engine.loop.trainer import Trainer
from plainnet.engine.loop.trainer_settings import OwnEvents
from plainnet.engine.loop.trainer_tree import Branch, tree_lines
from plainnet.engine.loop.trainers import IterBasedTrainer, updates_of_a_pass
from plainnet.engine.parameters import Matched, named_parameters
from plainnet.engine.run.build import Built, build_trainer, optimizer_groups
from plainnet.engine.run.plan_tree import piece_tree
from plainnet.engine.run.registry import Registry
from plainnet.engine.run.scheduling import RateCurve, rate_curve
from plainnet.engine.run.schema import TrainConfig
from plainnet.engine.run.taking_up import Begun, begun_run, go_on
from plainnet.engine.run.training_run import check_folder, headline, register_outputs
from plainnet.results.result import Result, View
from plainnet.results.tables import Table

__all__ = ["DryRun", "dry_run"]

TRAINER = "trainer"
"""What a trainer's own method is called among the hooks."""


@dataclass(frozen=True)
class GroupPlan:
    """Parameters that are optimised alike. patterns: none for those that no group of the configuration matches. parameters:
    their names; numbers: how many numbers they hold; options: of the optimizer, the learning rate without its schedule.
    """

    patterns: tuple[str, ...]
    parameters: tuple[str, ...]
    numbers: int
    options: Mapping[str, Any]


@dataclass(frozen=True)
class DryRun(Result):
    """The plan of a training.

    pieces: a tree of names, texts and parts. hooks: event -> who is called, in order, with priorities. batches: for training and
    validation the entries of the first batch, as the network gets it. results: what one batch of each gave, before any update.
    changes: what a run that is taken up goes on with otherwise.
    """

    headline: str
    run: str
    after_updates: int
    changes: tuple[str, ...]
    notes: tuple[str, ...]
    pieces: Branch
    hooks: Mapping[str, Sequence[tuple[str, int]]]
    groups: Sequence[GroupPlan]
    curve: RateCurve
    batches: Mapping[str, Mapping[str, str]]
    results: Mapping[str, Mapping[str, float] | None]

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        plain = {
            name: value for name, value in vars(self).items() if name not in ("pieces", "groups", "curve", "hooks")
        }
        return {
            "schema": "plainnet.dry_run/1",
            **plain,
            "pieces": self.pieces.as_dict(),
            "hooks": {
                event: [{"name": name, "priority": priority} for name, priority in calls]
                for event, calls in self.hooks.items()
            },
            "groups": [vars(group) for group in self.groups],
            "curve": vars(self.curve),
        }

    def records(self) -> list[Mapping[str, Any]]:
        """A record for each group of parameters."""
        return [
            {"patterns": ", ".join(group.patterns), "parameters": len(group.parameters), "numbers": group.numbers}
            | dict(group.options)
            for group in self.groups
        ]

    def view(self) -> View:
        """The plan as a person reads it."""
        before = [self.headline, *self.notes]
        if self.after_updates:
            before.append(f"it would go on after {self.after_updates} updates")
        before += [f"changed from here on: {change}" for change in self.changes]
        before += ["", *tree_lines(self.pieces)]
        tables = [
            Table(["event", "called, with priorities"], list(_event_rows(self.hooks)), left=2),
            Table(
                ["parameters", "names", "options", "tensors", "numbers"], [_group_row(g) for g in self.groups], left=3
            ),
            Table(["first batch", "entry", "shape"], list(_batch_rows(self.batches)), left=3),
        ]
        after = [f"learning rate, by {self.curve.unit}", *self.curve.lines(), ""]
        after += [f"{part}, a first batch: {_results(values)}" for part, values in self.results.items()]
        after.append("nothing was written")
        return View([("", line) for line in before], tables, [("", line) for line in after])


def _event_rows(hooks: Mapping[str, Sequence[tuple[str, int]]]) -> Iterator[list[str]]:
    for event, calls in hooks.items():
        yield [event, ", ".join(f"{name} {priority}" for name, priority in calls)]


def _group_row(group: GroupPlan) -> list[str]:
    options = ", ".join(f"{name} {value:g}" for name, value in group.options.items())
    names = group.parameters
    shown = ", ".join(names if len(names) < 3 else [names[0], "...", names[-1]])
    what = ", ".join(group.patterns) or "all others"
    return [what, shown or "(groups before it have them all)", options, str(len(names)), f"{group.numbers:,}"]


def _batch_rows(batches: Mapping[str, Mapping[str, str]]) -> Iterator[list[str]]:
    for part, entries in batches.items():
        for number, (name, text) in enumerate(entries.items()):
            yield [part if number == 0 else "", name, text]


def _results(values: Mapping[str, float] | None) -> str:
    if values is None:
        return "none"
    return ", ".join(f"{name} {value:.4g}" for name, value in values.items() if "/" not in name)


def dry_run(config: Config[TrainConfig], *, debug: bool = False, continues: bool = False) -> DryRun:
    """Everything that a training begins with, made as the training makes it: data, network, optimizer, hooks; and one batch of
    training and of validation tried, without a trace. Hooks of yours are made and not called.

    continues: take up the run that the folder holds. Raises whatever the training would raise until its first update.
    """
    folder = Path(config.value.run)
    check_folder(folder, continues=continues)
    begun = begun_run(folder, config) if continues and os.path.isdir(folder) else None
    registry = Registry(config.value.imports)
    built = build_trainer(config, registry, debug=debug, begun=begun is not None)
    trainer = built.trainer
    register_outputs(config, built, folder, Console(quiet=True))
    if begun is not None:
        go_on(begun, config, built, registry)
    events = Events(trainer, trainer.hooks)
    groups = _groups(config.value, built)
    rates = [group["initial_lr"] for group in trainer.optimizer.param_groups]
    curve = rate_curve(config.value, registry, rates, updates=updates_of_a_pass(trainer))
    try:
        batches, results = _tried(trainer, events)
    finally:
        for loader in (trainer.train_loader, *trainer.validation_sets.values()):
            if isinstance(loader, Loader):
                loader.close()
    return _planned(config.value, built, begun, events, groups, curve, batches, results)


def _planned(
    value: TrainConfig,
    built: Built,
    begun: Begun | None,
    events: Events,
    groups: Sequence[GroupPlan],
    curve: RateCurve,
    batches: Mapping[str, Mapping[str, str]],
    results: Mapping[str, Mapping[str, float] | None],
) -> DryRun:
    trainer = built.trainer
    unit = f"{trainer.updates:,} updates" if isinstance(trainer, IterBasedTrainer) else f"{trainer.total_rounds} epochs"
    length = f"{unit}, {updates_of_a_pass(trainer):,} updates a pass over the data"
    return DryRun(
        headline=headline(value, built),
        run=value.run,
        after_updates=trainer.iteration,
        changes=tuple(map(str, begun.changes)) if begun is not None else (),
        notes=(*built.notes, *built.data.notes),
        pieces=piece_tree(value, built, length),
        hooks=dict(_calls(trainer, events)),
        groups=groups,
        curve=curve,
        batches=batches,
        results=results,
    )


def _groups(value: TrainConfig, built: Built) -> list[GroupPlan]:
    """The groups as the optimizer has them, and those of the configuration for which nothing was left."""
    parameters, real = named_parameters(built.task), iter(built.trainer.optimizer.param_groups)
    return [_group_plan(group, parameters, real) for group in optimizer_groups(value, built.task)]


def _group_plan(group: Matched, parameters: Mapping[str, Any], real: Iterator[dict[str, Any]]) -> GroupPlan:
    own = next(real) if group.names else {**group.options}
    options = {name: item for name, item in own.items() if _is_number(item) and name != "initial_lr"}
    if "initial_lr" in own:
        options["lr"] = own["initial_lr"]
    return GroupPlan(group.patterns, group.names, sum(parameters[name].numel() for name in group.names), options)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _calls(trainer: Trainer, events: Events) -> Iterator[tuple[str, list[tuple[str, int]]]]:
    for event in EVENTS:
        before, _, after = events.calls[event]
        does_nothing = getattr(type(trainer), event) is getattr(OwnEvents, event, None)
        mine = [] if does_nothing else [(TRAINER, OWN_PRIORITY)]
        calls = [*map(_called, before), *mine, *map(_called, after)]
        if calls:
            yield event, calls


def _called(method: Any) -> tuple[str, int]:
    hook: Hook = method.__self__
    return type(hook).__name__, hook.priority


def _tried(trainer: Trainer, events: Events) -> tuple[dict[str, dict[str, str]], dict[str, Mapping[str, float] | None]]:
    """The first batches, and what they gave; plainnet's own hooks say what they miss in it."""
    assert trainer.model is not None
    assert trainer.train_loader is not None
    trainer.events = events
    trainer.model.train()
    batch = next(iter(trainer.train_loader.at(trainer.epoch, trainer.batch)))
    train, val = rehearse(trainer, batch)
    shapes = {"training": _shapes(trainer.prepare(batch))}
    for hook in trainer.hooks:
        if type(hook).__module__.startswith("plainnet."):
            hook.after_rehearsal(trainer, train, val)
    if trainer.val_loader is not None:
        trainer.model.eval()
        first = next(iter(trainer.val_loader.at(0)), None)
        shapes["validation"] = _shapes(trainer.prepare(first)) if first is not None else {}
    return shapes, {"training": train, "validation": val}


def _shapes(batch: Any) -> dict[str, str]:
    if not isinstance(batch, Mapping):
        return {"batch": _shape(batch)}
    return {str(name): _shape(value) for name, value in batch.items() if name != "draw"}


def _shape(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"{' x '.join(map(str, value.shape)) or 'a number'}, {str(value.dtype).removeprefix('torch.')}"
    return f"{type(value).__name__}{f' of {len(value)}' if hasattr(value, '__len__') else ''}"
