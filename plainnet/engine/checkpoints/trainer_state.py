"""The whole state of a trainer as data, and back: what a checkpoint holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from plainnet.engine.checkpoints.checkpoint import load_checkpoint, save_checkpoint
from plainnet.engine.checkpoints.checkpoint_state import check_like, check_optimizer_state, check_state_of
from plainnet.engine.means import added_up
from plainnet.engine.processes.collectives import gather
from plainnet.engine.seeds import derive, random_state, restore_random_state, seed_everything
from plainnet.errors import RunError

if TYPE_CHECKING:
    from plainnet.engine.loop.trainer import Trainer

__all__ = ["load_trainer", "save_trainer", "trainer_state"]

POSITION = ("epoch", "batch", "iteration", "rounds", "round_start")


def trainer_state(trainer: Trainer) -> dict[str, Any]:
    """Everything but the model's weights. Every process takes part; the random state and the means of each are inside."""
    own: dict[str, Any] = {"random": random_state(), "means": trainer.means.state_dict()}
    own["recent"] = trainer.update_means.state_dict()
    if trainer.sharded:
        from plainnet.engine.processes.sharding import check_state

        check_state(trainer.optimizer)
    state = {
        "position": {name: getattr(trainer, name) for name in POSITION},
        "history": trainer.history,
        "rates": trainer.rates,
        "scalars": trainer.scalars.state_dict(),
        "optimizer": trainer.optimizer.state_dict(),
        "scheduler": trainer.scheduler.state_dict() if trainer.scheduler is not None else None,
        "scaler": trainer.scaler.state_dict() if trainer.scaler is not None else None,
        "averaged": trainer.averaged.state_dict() if trainer.averaged is not None else None,
        "hooks": {name: hook.state_dict() for name, hook in _named_hooks(trainer)},
        "processes": gather(own),
    }
    return {name: trainer.whole(value, keep=trainer.is_main) for name, value in state.items()}


def save_trainer(trainer: Trainer, folder: Path) -> Path | None:
    """Write a checkpoint (the main process does; the others wait) and return its path."""
    weights = trainer.whole(trainer.module.state_dict(), keep=trainer.is_main)
    state = trainer_state(trainer)
    path = save_checkpoint(folder, trainer.iteration, model=weights, state=state) if trainer.is_main else None
    trainer.accelerator.wait_for_everyone()
    return path


def load_trainer(
    trainer: Trainer,
    path: Path,
    *,
    loaded: tuple[dict[str, Tensor], dict[str, Any]] | None = None,
    own_options: bool = False,
) -> None:
    """Put a trainer whose pieces are registered where the checkpoint was taken: to the last bit with as many processes as
    took it; with another number (or another way to share the work) from there on.

    loaded: what `load_checkpoint` gave, where it has been called. own_options: the options of the trainer's optimizer (learning
    rate, momentum, ...) stay, as its scheduler has them at this place of the run; otherwise they are the checkpoint's.
    """
    weights, state = loaded or load_checkpoint(path)
    check_state_of(path, state)
    try:
        for name in POSITION:
            setattr(trainer, name, state["position"][name])
        trainer.history, trainer.rates = state["history"], state["rates"]
        trainer.scalars.load_state_dict(state.get("scalars", {}))
        _load(trainer, trainer.module, weights)
        _load_optimizer(trainer, state, own_options=own_options)
        if trainer.averaged is not None:  # where there was no average, it begins with the weights of now
            _load(trainer, trainer.averaged, state["averaged"] or weights)
        if trainer.scaler is not None and state["scaler"]:
            trainer.scaler.load_state_dict(state["scaler"])
        hooks = dict(_named_hooks(trainer))
        for name, hook_state in state["hooks"].items():
            if name in hooks:
                hooks[name].load_state_dict(hook_state)
        _load_processes(trainer, state["processes"])
    except (RuntimeError, ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
        reason = f"{error.args[0]} is missing" if isinstance(error, KeyError) else error
        raise RunError(f"the checkpoint {path} does not fit this run: {reason}") from error


def _load_optimizer(trainer: Trainer, state: dict[str, Any], *, own_options: bool) -> None:
    groups = trainer.optimizer.param_groups
    # torch's own mark, without which a scheduler that is stepped before the next update warns of a wrong order
    trainer.optimizer._opt_called = trainer.iteration > 0
    saved = state["optimizer"]["param_groups"]
    kind = type(trainer.optimizer)
    if kind.__module__.startswith("torch.optim.") and kind is not torch.optim.Adafactor:
        check_optimizer_state([p.shape for group in groups for p in group["params"]], state["optimizer"]["state"])
    if not own_options:
        for number, (own, other) in enumerate(zip(groups, saved, strict=True)):
            options = {name: value for name, value in own.items() if name != "params" and name in other}
            check_like(options, {name: other[name] for name in options}, f"optimizer.param_groups.{number}")
        if trainer.scheduler is not None:
            check_like(trainer.scheduler.state_dict(), state["scheduler"], "scheduler")
        _load(trainer, trainer.optimizer, state["optimizer"])
        if trainer.scheduler is not None:
            trainer.scheduler.load_state_dict(state["scheduler"])
        return
    for _ in range(trainer.scheduled_steps if trainer.scheduler is not None else 0):
        trainer.scheduler.step()  # type: ignore[union-attr]
    own = [{name: value for name, value in group.items() if name != "params"} for group in groups]
    _load(trainer, trainer.optimizer, state["optimizer"])
    for group, options in zip(trainer.optimizer.param_groups, own, strict=True):
        group.update(options)


def _load(trainer: Trainer, piece: nn.Module | torch.optim.Optimizer, state: dict[str, Any]) -> None:
    if not trainer.sharded:
        piece.load_state_dict(state)
        return
    from plainnet.engine.processes.sharding import load_module, load_optimizer

    if isinstance(piece, nn.Module):
        load_module(piece, state)
    else:
        load_optimizer(piece, state)


def _load_processes(trainer: Trainer, states: list[dict[str, Any]]) -> None:
    if len(states) == trainer.processes:
        trainer.means.load_state_dict(states[trainer.rank]["means"])
        trainer.update_means.load_state_dict(states[trainer.rank].get("recent", []))
        restore_random_state(states[trainer.rank]["random"])
        return
    # another number of processes: the first goes on with the sums of all, and the random states begin anew
    means = added_up([state["means"] for state in states])
    recent = [added_up(updates) for updates in zip(*(state.get("recent", []) for state in states), strict=True)]
    if not trainer.is_main:
        means = {part: dict.fromkeys(values, 0) for part, values in means.items()}
        recent = []
    trainer.means.load_state_dict(means)
    trainer.update_means.load_state_dict(recent)
    seed_everything(derive(trainer.seed, "resumed", trainer.iteration, trainer.rank))


def _named_hooks(trainer: Trainer) -> list[tuple[str, Any]]:
    names: dict[str, int] = {}
    result = []
    for hook in trainer.hooks:
        kind = type(hook).__name__
        names[kind] = names.get(kind, -1) + 1
        result.append((f"{kind}.{names[kind]}", hook))
    return result
