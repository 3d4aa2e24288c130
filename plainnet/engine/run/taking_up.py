"""A run that has begun: its last checkpoint, what is asked for otherwise, and the trainer put where it was."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from plainnet.configs import Config
from plainnet.engine.checkpoints.checkpoint import checkpoints, load_checkpoint
from plainnet.engine.checkpoints.checkpoint_state import check_state_of
from plainnet.engine.checkpoints.trainer_state import load_trainer
from plainnet.engine.hooks.checkpointing import CheckpointHook
from plainnet.engine.run.build import Built
from plainnet.engine.run.registry import Registry
from plainnet.engine.run.resuming import (
    Change,
    changes_rates,
    changes_since,
    check_changes,
    check_optimizer,
    check_pieces,
)
from plainnet.engine.run.schema import TrainConfig
from plainnet.errors import RunError, UsageError

__all__ = ["Begun", "begun_run", "go_on"]


@dataclass(frozen=True)
class Begun:
    """The last checkpoint of a run, and what the configuration changes from there on."""

    path: Path
    content: tuple[dict[str, Tensor], dict[str, Any]]
    changes: list[Change]


def begun_run(folder: Path, config: Config[TrainConfig]) -> Begun | None:
    """What a folder holds of a run, and what the configuration says otherwise; None where nothing was trained. Raises
    `UsageError` for what cannot be changed.
    """
    found = checkpoints(folder / "checkpoints")
    if not found:
        return None
    try:
        content = load_checkpoint(found[-1])
        check_state_of(found[-1], content[1])
    except RunError as error:
        before = f"; to go on from the one before it ({found[-2].name}), remove that folder" if found[1:] else ""
        raise RunError(f"{error}{before}") from error
    try:
        changes = changes_since(content[1], config)
        check_changes(changes, content[1])
    except (UsageError, RunError) as error:
        raise type(error)(f"{found[-1]}: {error}") from error
    return Begun(found[-1], content, changes)


def go_on(begun: Begun, config: Config[TrainConfig], built: Built, registry: Registry) -> None:
    """Put the trainer where the checkpoint is."""
    trainer, state = built.trainer, begun.content[1]
    try:
        check_pieces(state, built.data, trainer)
        check_optimizer(begun.changes, state, config.value.optim, registry)
    except (UsageError, RunError) as error:
        raise type(error)(f"{begun.path}: {error}") from error
    load_trainer(trainer, begun.path, loaded=begun.content, own_options=changes_rates(begun.changes))
    if any(change.key in ("checkpoint.best", "checkpoint.mode") for change in begun.changes):
        for hook in trainer.hooks:
            if isinstance(hook, CheckpointHook):
                hook.best = {}  # chosen anew from here on: the weights before are not there any more
