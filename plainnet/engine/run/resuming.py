"""What a run that is taken up again goes on with: what was changed since its checkpoint, applied or refused, and written down.

config.yaml is what is being run. changes.jsonl has an object a line for each time that it became another:
{"after_update": 460, "changed": {"optim.lr": {"from": 0.1, "to": 0.01}}, "at": "2026-01-31T12:00:00+00:00"}.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import nn
from torch.optim import Optimizer

from plainnet.configs import Config
from plainnet.engine.data.source import DataSource
from plainnet.engine.hooks.hook import Hook
from plainnet.engine.loop.trainer import Trainer
from plainnet.engine.run.registry import Registry
from plainnet.engine.run.schema import OptimSection, TrainConfig
from plainnet.engine.run.typed_values import make
from plainnet.errors import PlainnetError, RunError, UsageError

__all__ = [
    "Change",
    "ConfigHook",
    "changes_rates",
    "changes_since",
    "check_changes",
    "check_optimizer",
    "check_pieces",
    "note_changes",
    "shown_changes",
]

CHANGES = "changes.jsonl"
ABSENT = object()

FIXED = {
    "seed": "the order of the images, and all that is random about them, follows from it",
    "train.by": "a run counts its length in one unit",
    "optim.type": "what the optimizer remembers is of the other kind",
    "model.weights": "weights are loaded when a run begins",
    "model.new_head": "weights are loaded when a run begins",
    "model.parts": "weights are loaded when a run begins",
}
"""What cannot be changed once something was trained, and why."""
WITHIN_AN_EPOCH = ("data.batch_size", "data.drop_last")
"""What cannot be changed inside an epoch, whose place is counted in batches."""
RATES = (
    "optim.",
    "schedule.",
    "train.epochs",
    "train.iterations",
    "train.accumulate",
    "data.batch_size",
    "data.drop_last",
)
"""What the options of the optimizer and their course over time follow from."""


@dataclass(frozen=True)
class Change:
    """A key of the configuration that is not what it was: `ABSENT` is a key that was not there, or is no more."""

    key: str
    before: Any
    after: Any

    def __str__(self) -> str:
        old, new = ("nothing" if value is ABSENT else json.dumps(value) for value in (self.before, self.after))
        return f"{self.key} {old} -> {new}"


class ConfigHook(Hook):
    """Keeps in each checkpoint under which configuration it was made, and on which data."""

    def __init__(self, config: Config[TrainConfig], data: DataSource) -> None:
        self.config, self.data = comparable(config), facts_of(data)

    def state_dict(self) -> dict[str, Any]:
        """The configuration and the data."""
        return {"config": self.config, "data": self.data}


def comparable(config: Config[TrainConfig]) -> dict[str, Any]:
    """The effective values but for the folder, since a run may be moved, and for what follows from the data."""
    return {name: value for name, value in config.plain().items() if name not in ("run", "derived", "store")}


def facts_of(data: DataSource) -> dict[str, Any]:
    """What must stay the same of the data."""
    return {"images": len(data.train), "classes": list(data.classes), "shape": list(data.shape)}


def changes_since(state: Mapping[str, Any], config: Config[TrainConfig]) -> list[Change]:
    """What is different from the configuration that a checkpoint was made under."""
    return list(_differences(_kept(state)["config"], comparable(config), ""))


def _kept(state: Mapping[str, Any]) -> Mapping[str, Any]:
    kept: Mapping[str, Any] = state["hooks"].get("ConfigHook.0", {})
    if not isinstance(kept.get("config"), dict) or not isinstance(kept.get("data"), dict):
        raise RunError("the checkpoint does not say which configuration it was made under")
    return kept


def _differences(old: Any, new: Any, key: str) -> Iterator[Change]:
    if isinstance(old, dict) and isinstance(new, dict):
        for name in dict.fromkeys([*old, *new]):
            yield from _differences(old.get(name, ABSENT), new.get(name, ABSENT), f"{key}.{name}".lstrip("."))
    elif type(old) is not type(new) or old != new:
        yield Change(key, old, new)


def check_changes(changes: list[Change], state: Mapping[str, Any]) -> None:
    """Refuse what cannot be changed where the checkpoint is, with the reason; nothing needs to have been built."""
    if changes:
        _kept_optim(state)
    batch = state["position"]["batch"]
    reasons = [f"{change}: {FIXED[change.key]}" for change in changes if change.key in FIXED]
    reasons += [
        f"{change}: which parameter is in which group cannot change" for change in changes if _regrouped(change)
    ]
    if batch:
        where = f"the checkpoint is inside an epoch, after {batch} batches of it"
        reasons += [f"{change}: {where}" for change in changes if change.key in WITHIN_AN_EPOCH]
    _refuse(reasons)


def check_pieces(state: Mapping[str, Any], data: DataSource, trainer: Trainer) -> None:
    """Refuse a length that is over already, and data of another kind."""
    reasons = _too_short(trainer, state["position"])
    reasons += _other_data(_kept(state)["data"], facts_of(data), inside=state["position"]["batch"] > 0)
    _refuse(reasons)


def _refuse(reasons: list[str]) -> None:
    if reasons:
        raise UsageError(
            "this cannot be changed in a run that has begun; begin a new one, from its weights if you like "
            "(model.weights=RUN/last.safetensors):\n  " + "\n  ".join(reasons)
        )


def changes_rates(changes: list[Change]) -> bool:
    """Whether the options of the optimizer, or their course over time, are others now."""
    return any(change.key.startswith(RATES) for change in changes)


def check_optimizer(changes: list[Change], state: Mapping[str, Any], optim: OptimSection, registry: Registry) -> None:
    """Refuse options with which the optimizer needs to remember what it has not remembered: tried on small parameters."""
    asked = [change for change in changes if change.key.startswith("optim.")]
    if not asked:
        return
    try:
        before = _stepped(_kept_optim(state), registry, None)
    except RunError:
        raise
    except Exception as error:  # whatever an optimizer says of options that it does not take
        raise RunError(f"{DAMAGE}: {str(error).splitlines()[0] if str(error) else type(error).__name__}") from error
    try:
        _stepped(optim, registry, before.state_dict())
    except PlainnetError:
        raise
    except Exception as error:
        missing = f"the optimizer has remembered no {error.args[0]}" if isinstance(error, KeyError) else str(error)
        raise UsageError(
            f"this cannot be changed in a run that has begun: {missing}\n{shown_changes(asked)}"
        ) from error


DAMAGE = "state.json is damaged: hooks.ConfigHook.0.config.optim"


def _kept_optim(state: Mapping[str, Any]) -> OptimSection:
    """The options of the optimizer that a checkpoint was made under. They are data: nothing is built from them but the
    optimizer itself, whose type the run's own configuration names, too.
    """
    try:
        optim = OptimSection.model_validate(_kept(state)["config"].get("optim"))
    except ValidationError as error:
        raise RunError(f"{DAMAGE}: {error.errors(include_url=False)[0]['msg']}") from error
    for options in (optim.model_extra or {}, *(group.model_extra or {} for group in optim.groups)):
        for name, value in options.items():
            if isinstance(value, Mapping) or (isinstance(value, list) and any(isinstance(x, Mapping) for x in value)):
                raise RunError(f"{DAMAGE}.{name} is no option of an optimizer")
    return optim


def _stepped(optim: OptimSection, registry: Registry, state: dict[str, Any] | None) -> Optimizer:
    """An optimizer of small parameters in the groups of a section, after a step, which follows on a state where there is one."""
    groups = [dict(group.model_extra or {}) for group in optim.groups]
    parameters = [nn.Parameter(torch.ones(2, 2)) for _ in range(len(groups) + 1)]
    optimizer: Optimizer = make(
        registry,
        "optimizer",
        optim,
        [{"params": [parameter], **options} for parameter, options in zip(parameters, [{}, *groups], strict=True)],
    )
    options = [{name: value for name, value in group.items() if name != "params"} for group in optimizer.param_groups]
    if state is not None:
        optimizer.load_state_dict(state)
        for group, own in zip(optimizer.param_groups, options, strict=True):
            group.update(own)
    for parameter in parameters:
        parameter.grad = torch.ones(2, 2)
    optimizer.step()
    return optimizer


def _regrouped(change: Change) -> bool:
    if change.key != "optim.groups":
        return False
    both = ([] if groups is ABSENT else groups for groups in (change.before, change.after))
    matches = [[group.get("match") for group in groups] for groups in both]
    return matches[0] != matches[1]


def _too_short(trainer: Trainer, position: Mapping[str, int]) -> list[str]:
    """A run cannot have been shorter than it was."""
    epochs, iterations = getattr(trainer, "epochs", None), getattr(trainer, "iterations", None)
    begun = position["epoch"] + (position["batch"] > 0)
    if epochs is not None and begun > epochs:
        return [f"train.epochs {epochs}: {begun} epochs have been trained or begun"]
    if iterations is not None and position["iteration"] > iterations:
        return [f"train.iterations {iterations}: {position['iteration']} have been trained"]
    return []


def _other_data(old: Mapping[str, Any], new: Mapping[str, Any], *, inside: bool) -> list[str]:
    reasons = [
        f"the data: {name} {_short(old.get(name))} -> {_short(new[name])}"
        for name in ("classes", "shape")
        if old.get(name) != new[name]
    ]
    if inside and old.get("images") != new["images"]:
        count = f"the data: {old.get('images')} training images -> {new['images']}"
        reasons.append(f"{count}: the checkpoint is inside an epoch, whose order would be another")
    return reasons


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def shown_changes(changes: list[Change]) -> str:
    """The changes as a person reads them."""
    return "\n".join(f"  {change}" for change in changes)


def note_changes(folder: Path, changes: list[Change], iteration: int) -> None:
    """Add a line to the history of the run's configuration, unless its last line says the same already."""
    changed = {
        change.key: {
            name: value for name, value in (("from", change.before), ("to", change.after)) if value is not ABSENT
        }
        for change in changes
    }
    entry = {"after_update": iteration, "changed": changed}
    path = folder / CHANGES
    try:
        last = json.loads(path.read_text(encoding="utf-8").splitlines()[-1])
        if {name: last.get(name) for name in entry} == entry:
            return
    except (OSError, ValueError, IndexError, AttributeError):
        pass  # none yet, or a line that a kill cut off: what follows stands on a line of its own
    begin = "" if not path.exists() or path.read_bytes().endswith(b"\n") or not path.stat().st_size else "\n"
    line = json.dumps({**entry, "at": time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())})
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{begin}{line}\n")
