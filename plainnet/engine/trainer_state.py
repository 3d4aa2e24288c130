"""The whole state of a trainer as data, and back: what a checkpoint holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from accelerate.utils import gather_object
from torch import nn

from plainnet.engine.checkpoint import load_checkpoint, save_checkpoint
from plainnet.engine.means import added_up
from plainnet.engine.seeds import derive, random_state, restore_random_state, seed_everything
from plainnet.errors import RunError

if TYPE_CHECKING:
    from plainnet.engine.trainer import Trainer

__all__ = ["load_trainer", "save_trainer", "trainer_state"]

POSITION = ("epoch", "batch", "iteration", "rounds", "round_start")


def trainer_state(trainer: Trainer) -> dict[str, Any]:
    """Everything but the model's weights. Every process takes part; the random state and the means of each are inside."""
    own = {"random": random_state(), "means": trainer.means.state_dict()}
    if trainer.sharded:
        from plainnet.engine.sharding import check_state

        check_state(trainer.optimizer)
    state = {
        "position": {name: getattr(trainer, name) for name in POSITION},
        "history": trainer.history,
        "rates": trainer.rates,
        "optimizer": trainer.optimizer.state_dict(),
        "scheduler": trainer.scheduler.state_dict() if trainer.scheduler is not None else None,
        "scaler": trainer.scaler.state_dict() if trainer.scaler is not None else None,
        "averaged": trainer.averaged.state_dict() if trainer.averaged is not None else None,
        "hooks": {name: hook.state_dict() for name, hook in _named_hooks(trainer)},
        "processes": gather_object([own]) if trainer.processes > 1 else [own],
    }
    return {name: trainer.whole(value, keep=trainer.is_main) for name, value in state.items()}


def save_trainer(trainer: Trainer, folder: Path) -> Path | None:
    """Write a checkpoint (the main process does; the others wait) and return its path."""
    weights = trainer.whole(trainer.module.state_dict(), keep=trainer.is_main)
    state = trainer_state(trainer)
    path = save_checkpoint(folder, trainer.iteration, model=weights, state=state) if trainer.is_main else None
    trainer.accelerator.wait_for_everyone()
    return path


def load_trainer(trainer: Trainer, path: Path) -> None:
    """Put a trainer whose pieces are registered where the checkpoint was taken: to the last bit with as many processes as
    took it; with another number (or another way to share the work) from there on.
    """
    weights, state = load_checkpoint(path)
    try:
        _load(trainer, trainer.module, weights)
        _load(trainer, trainer.optimizer, state["optimizer"])
        if trainer.scheduler is not None:
            trainer.scheduler.load_state_dict(state["scheduler"])
        if trainer.averaged is not None:
            _load(trainer, trainer.averaged, state["averaged"])
        if trainer.scaler is not None and state["scaler"]:
            trainer.scaler.load_state_dict(state["scaler"])
    except (RuntimeError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"the checkpoint {path} does not fit this run: {error}") from error
    for name in POSITION:
        setattr(trainer, name, state["position"][name])
    trainer.history, trainer.rates = state["history"], state["rates"]
    hooks = dict(_named_hooks(trainer))
    for name, hook_state in state["hooks"].items():
        if name in hooks:
            hooks[name].load_state_dict(hook_state)
    if trainer.iteration:  # or else torch warns when the first thing that follows is a step of the scheduler
        trainer.optimizer._opt_called = True
    _load_processes(trainer, state["processes"])


def _load(trainer: Trainer, piece: nn.Module | torch.optim.Optimizer, state: dict[str, Any]) -> None:
    if not trainer.sharded:
        piece.load_state_dict(state)
        return
    from plainnet.engine.sharding import load_module, load_optimizer

    if isinstance(piece, nn.Module):
        load_module(piece, state)
    else:
        load_optimizer(piece, state)


def _load_processes(trainer: Trainer, states: list[dict[str, Any]]) -> None:
    if len(states) == trainer.processes:
        trainer.means.load_state_dict(states[trainer.rank]["means"])
        restore_random_state(states[trainer.rank]["random"])
        return
    # another number of processes: the first goes on with the sums of all, and the random states begin anew
    means = added_up([state["means"] for state in states])
    if not trainer.is_main:
        means = {part: dict.fromkeys(values, 0) for part, values in means.items()}
    trainer.means.load_state_dict(means)
    seed_everything(derive(trainer.seed, "resumed", trainer.iteration, trainer.rank))


def _named_hooks(trainer: Trainer) -> list[tuple[str, Any]]:
    names: dict[str, int] = {}
    result = []
    for hook in trainer.hooks:
        kind = type(hook).__name__
        names[kind] = names.get(kind, -1) + 1
        result.append((f"{kind}.{names[kind]}", hook))
    return result
