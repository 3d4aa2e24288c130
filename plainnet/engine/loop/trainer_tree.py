"""The pieces of a trainer as a tree of text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from plainnet.engine.tasks.task import Task
from plainnet.files.text_files import printable

if TYPE_CHECKING:
    from plainnet.engine.loop.trainer import Trainer

__all__ = ["Branch", "trainer_tree", "tree_lines"]


@dataclass(frozen=True)
class Branch:
    """A piece: what it is in its place, what it is made with, and its own pieces."""

    name: str
    text: str = ""
    parts: tuple[Branch, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {"name": self.name, "text": self.text, "parts": [part.as_dict() for part in self.parts]}


def tree_lines(branch: Branch) -> list[str]:
    """The tree in lines of text."""
    return [_line(branch), *_below(branch.parts, "")]


def _below(parts: Sequence[Branch], indent: str) -> Iterator[str]:
    for number, part in enumerate(parts):
        is_last = number == len(parts) - 1
        yield f"{indent}{'└─' if is_last else '├─'} {_line(part)}"
        yield from _below(part.parts, f"{indent}{'  ' if is_last else '│ '} ")


def _line(branch: Branch) -> str:
    return printable(f"{branch.name}  {branch.text}".rstrip())


def trainer_tree(trainer: Trainer) -> Branch:
    """What has been registered with a trainer."""
    unit = "epochs" if hasattr(trainer, "epochs") else "iterations"
    said = [f"{getattr(trainer, unit, '?')} {unit}", f"device {trainer.device}"]
    said += [
        f"{name} {value}" for name in ("accumulate", "clip_norm") if (value := getattr(trainer, name)) not in (None, 1)
    ]
    said += [f"run {trainer.run}"] if trainer.run is not None else []
    parts = [
        _model(trainer),
        Branch("optimizer", _optimizer(trainer.optimizer)),
        Branch("scheduler", _kind(trainer.scheduler)),
    ]
    sets = {
        "train": trainer.train_loader,
        **{f"val {name}".strip(): each for name, each in trainer.validation_sets.items()},
    }
    parts += [Branch(name, _batches(loader)) for name, loader in sets.items()]
    parts += _several("evaluators", [Branch(each.name, _kind(each)) for each in trainer.evaluators])
    ordered = sorted(trainer.hooks, key=lambda hook: hook.priority)
    parts += _several("hooks", [Branch(_kind(hook), f"priority {hook.priority}") for hook in ordered])
    parts += _several("writers", [Branch(_kind(writer)) for writer in trainer.writers.all])
    return Branch(_kind(trainer), ", ".join(said), tuple(parts))


def _model(trainer: Trainer) -> Branch:
    if trainer.model is None:
        return Branch("model", "none")
    module = trainer.module
    inner = module.model if isinstance(module, Task) else module
    count = sum(parameter.numel() for parameter in inner.parameters())
    text = f"{_kind(inner)}, {count:,} parameters"
    if not isinstance(module, Task):
        return Branch("model", text)
    losses = [
        Branch(loss.name, f"{loss.weight:g} x {_kind(loss.module)} of {', '.join(loss.takes)}")
        for loss in module.named_losses
    ]
    return Branch("task", _kind(module), (Branch("model", text), *_several("losses", losses)))


def _optimizer(optimizer: Any) -> str:
    if optimizer is None:
        return "none"
    groups = optimizer.param_groups
    rates = ", ".join(f"{rate:g}" for rate in dict.fromkeys(group["lr"] for group in groups))
    return f"{_kind(optimizer)}, {len(groups)} {'group' if len(groups) == 1 else 'groups'}, lr {rates}"


def _batches(loader: Any) -> str:
    if loader is None:
        return "none"
    size = getattr(loader, "batch_size", None)
    return f"{len(loader):,} batches{f' of {size}' if size else ''}"


def _several(name: str, parts: Sequence[Branch]) -> list[Branch]:
    return [Branch(name, "", tuple(parts))] if parts else []


def _kind(thing: Any) -> str:
    return "none" if thing is None else type(thing).__name__
