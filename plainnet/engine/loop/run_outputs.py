"""What a trainer that is made in Python leaves in its run folder: the same as a run of the command, but for its configuration."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console

from plainnet.engine.checkpoints.checkpoint import checkpoints
from plainnet.engine.checkpoints.run_folder import own_folder
from plainnet.engine.checkpoints.trainer_state import load_trainer
from plainnet.engine.hooks.checkpointing import CheckpointHook
from plainnet.engine.hooks.console import ConsoleHook
from plainnet.engine.hooks.recording import RecordingHook
from plainnet.engine.writers.usual_writers import usual_writers
from plainnet.errors import RunError
from plainnet.files.run_log import run_log

if TYPE_CHECKING:
    from plainnet.engine.loop.trainer import Trainer

__all__ = ["run_outputs"]


@contextmanager
def run_outputs(trainer: Trainer) -> Iterator[None]:
    """While a trainer trains: its run folder is locked, and log, checkpoints and console are attached; nothing without a folder.

    A run that the folder holds is taken up from its last checkpoint with `resume`; otherwise it is a `RunError`.
    """
    folder = trainer.run
    if folder is None:
        yield
        return
    with own_folder(folder):
        begun = checkpoints(folder / "checkpoints")
        if begun and not trainer.resume:
            raise RunError(f"{folder} holds a run already: resume=True goes on with it, or choose another folder")
        _attach(trainer)
        if begun:
            load_trainer(trainer, begun[-1])
        trainer.accelerator.wait_for_everyone()
        with run_log(folder if trainer.is_main else None, "plainnet.engine"):
            yield


def _attach(trainer: Trainer) -> None:
    """Add the hooks, unless they were added for a `fit` before this one."""
    if trainer.run is None or any(isinstance(hook, CheckpointHook) for hook in trainer.hooks):
        return
    unit = "epoch" if hasattr(trainer, "epochs") else "round"
    for writer in usual_writers():
        trainer.register_writer(writer)
    trainer.register_hook(RecordingHook(trainer.run))
    trainer.register_hook(CheckpointHook(trainer.run, best=trainer.best))
    trainer.register_hook(ConsoleHook(Console(stderr=True), unit=unit, rounds=trainer.total_rounds))
