"""A training run from a configuration: its folder, its beginning, its resume, its end."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from torch import Tensor

from plainnet.configs import Config, ConfigProblem, read_config
from plainnet.engine.checkpoints.checkpoint import checkpoints, clear, load_checkpoint
from plainnet.engine.checkpoints.checkpoint_state import check_state_of
from plainnet.engine.checkpoints.trainer_state import load_trainer
from plainnet.engine.hooks.checkpointing import CheckpointHook
from plainnet.engine.hooks.console import ConsoleHook
from plainnet.engine.hooks.recording import RecordingHook
from plainnet.engine.loop.trainers import IterBasedTrainer
from plainnet.engine.processes.process_group import is_main_process, join_launcher
from plainnet.engine.run.build import Built, build_trainer, describe
from plainnet.engine.run.failure import write_failure
from plainnet.engine.run.keeping import keep_finished
from plainnet.engine.run.names import check_names
from plainnet.engine.run.places import absolute_imports, placed
from plainnet.engine.run.registry import Registry
from plainnet.engine.run.resuming import (
    Change,
    ConfigHook,
    changes_rates,
    changes_since,
    check_changes,
    check_optimizer,
    check_pieces,
    note_changes,
    shown_changes,
)
from plainnet.engine.run.run_files import CONFIG, tell_notes, write_config, write_text
from plainnet.engine.run.run_summary import RunSummary, ending, summarize
from plainnet.engine.run.schema import TrainConfig, recipes
from plainnet.errors import PlainnetError, RunError, not_written
from plainnet.files.lock import RunLock
from plainnet.files.run_log import run_log

__all__ = ["load_config", "resume", "train"]

logger = logging.getLogger(__name__)
SUMMARY = "summary.json"
WEIGHTS = ("best.safetensors", "last.safetensors")


def load_config(
    source: str | Path | Mapping[str, Any],
    *,
    overrides: Sequence[str] = (),
    imports: Sequence[str] = (),
    begun: bool = False,
) -> Config[TrainConfig]:
    """A training configuration, checked: the file and its values, and every name and argument in it.

    Relative paths belong to the file that says them; those in plain data and in `overrides`, to the current folder.
    begun: of a run that has trained something, and does not need the weights that it began with.
    """
    imports = absolute_imports(imports)

    def further(config: Config[TrainConfig]) -> list[ConfigProblem]:
        config.value.imports.extend(name for name in imports if name not in config.value.imports)
        return check_names(config, begun=begun)

    return read_config(
        source,
        TrainConfig,
        overrides=overrides,
        named=recipes(),
        settle=lambda tree: placed(tree, imports),
        further=further,
    )


def train(
    config: Config[TrainConfig], *, console: Console | None = None, debug: bool = False, continue_existing: bool = False
) -> RunSummary:
    """Train from the beginning in the configuration's run folder, in which nothing may have been trained yet.

    continue_existing: take up the run that the folder holds, if it holds one, as this configuration says.
    """
    folder = Path(config.value.run)
    if has_trained(folder) and not continue_existing:
        raise RunError(
            f"{folder} holds a run already; continue it with: plainnet train {folder}, or choose another folder: run=..."
        )
    return _run(config, folder, console=console, debug=debug, continues=continue_existing)


def resume(
    folder: str | Path,
    *,
    overrides: Sequence[str] = (),
    imports: Sequence[str] = (),
    console: Console | None = None,
    debug: bool = False,
) -> RunSummary:
    """Continue the run in `folder` from its last checkpoint (from the beginning if it has none yet).

    What `overrides` change is changed from there on, in the folder's configuration too, or refused with the reason.
    """
    folder = Path(folder)
    config = load_config(
        run_config(folder),
        overrides=[*overrides, f"run={json.dumps(str(folder))}"],
        imports=imports,
        begun=has_trained(folder),
    )
    return _run(config, folder, console=console, debug=debug, continues=True)


def run_config(folder: Path) -> Path:
    """The configuration of the run in `folder`."""
    path = folder / CONFIG
    if not path.is_file():
        raise RunError(f"{folder} holds no run: there is no {path}")
    return path


def has_trained(folder: Path) -> bool:
    """Whether something has been trained in a folder: a start that failed before its first checkpoint may be made again."""
    return bool(checkpoints(folder / "checkpoints")) or any(os.path.exists(folder / name) for name in WEIGHTS)


def _run(
    config: Config[TrainConfig], folder: Path, *, console: Console | None, debug: bool, continues: bool
) -> RunSummary:
    started = time.monotonic()
    join_launcher()
    console = console or Console(stderr=True)
    with _own_folder(folder):
        begun = _begun(folder, config) if continues else None
        built, registry = _build(config, folder, debug=debug, begun=begun is not None)
        saver = _register_outputs(config, built, folder, console)
        if begun is not None:
            _go_on(begun, config, built, registry)
        changes = begun.changes if begun is not None else []
        if built.trainer.is_main:
            write_config(folder, config, built.data)
            if changes:
                note_changes(folder, changes, built.trainer.iteration)
        built.trainer.accelerator.wait_for_everyone()
        with run_log(folder if built.trainer.is_main else None, "plainnet.engine"):
            if built.trainer.is_main:
                _tell_start(config, built, folder, begun, console)
            before = built.trainer.iteration
            _fit(built, folder)
            if built.trainer.is_main and built.trainer.ended:
                logger.info("ended early: %s", built.trainer.ended)
                console.print(f"ended early: {built.trainer.ended}", highlight=False, soft_wrap=True)
            summary = summarize(built, saver, folder, seconds=time.monotonic() - started)
            if built.trainer.is_main:
                write_text(folder / SUMMARY, json.dumps(asdict(summary), indent=2, allow_nan=False) + "\n")
                logger.info("%s", ending(summary))
                if summary.complete and config.value.store and built.trainer.iteration > before:
                    console.print(keep_finished(folder, config.value.store), highlight=False, soft_wrap=True)
    return summary


def _tell_start(
    config: Config[TrainConfig], built: Built, folder: Path, begun: _Begun | None, console: Console
) -> None:
    """Say what is trained, on the console and in the log."""
    lines = [_headline(config.value, built), *built.notes]
    if begun is not None:
        lines.append(f"continuing {folder} after {built.trainer.iteration} updates")
        if begun.changes:
            lines.append(f"changed from here on:\n{shown_changes(begun.changes)}")
    for number, line in enumerate(lines):
        logger.info("%s", line)
        console.print(line, highlight=False, soft_wrap=True)
        if number == 0:
            tell_notes(built.data.notes, folder, console)
    for note in built.data.notes:
        logger.warning("%s", note)


def _fit(built: Built, folder: Path) -> None:
    try:
        built.trainer.fit()
    except Exception as error:
        write_failure(folder, error, built.trainer)
        raise


@contextmanager
def _own_folder(folder: Path) -> Iterator[None]:
    """The run folder, made where it is not there yet, and locked: two trainings would mix their files. The first of several
    processes holds the lock for all. A folder that was made for nothing is removed again.
    """
    if not is_main_process():
        yield
        return
    made = not os.path.exists(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise not_written(f"the run folder {folder}", error, done="made") from None
    try:
        with RunLock(folder):
            clear(folder)
            clear(folder / "checkpoints")
            try:
                yield
            finally:
                if made and [path.name for path in folder.iterdir()] == ["lock"]:
                    (folder / "lock").unlink()
    finally:
        if made and os.path.isdir(folder) and not any(folder.iterdir()):
            folder.rmdir()


def _build(config: Config[TrainConfig], folder: Path, *, debug: bool, begun: bool) -> tuple[Built, Registry]:
    try:
        registry = Registry(config.value.imports)
        return build_trainer(config, registry, debug=debug, begun=begun), registry
    except PlainnetError:  # says what is wrong by itself
        raise
    except Exception as error:
        write_failure(folder, error, None)
        raise


@dataclass(frozen=True)
class _Begun:
    """The last checkpoint of a run, and what the configuration changes from there on."""

    path: Path
    content: tuple[dict[str, Tensor], dict[str, Any]]
    changes: list[Change]


def _begun(folder: Path, config: Config[TrainConfig]) -> _Begun | None:
    found = checkpoints(folder / "checkpoints")
    if not found:
        return None
    try:
        content = load_checkpoint(found[-1])
        check_state_of(found[-1], content[1])
    except RunError as error:
        before = f"; to go on from the one before it ({found[-2].name}), remove that folder" if found[1:] else ""
        raise RunError(f"{error}{before}") from error
    changes = changes_since(content[1], config)
    check_changes(changes, content[1])
    return _Begun(found[-1], content, changes)


def _go_on(begun: _Begun, config: Config[TrainConfig], built: Built, registry: Registry) -> None:
    """Put the trainer where the checkpoint is."""
    trainer, state = built.trainer, begun.content[1]
    check_pieces(state, built.data, trainer)
    check_optimizer(begun.changes, state, config.value.optim, registry)
    load_trainer(trainer, begun.path, loaded=begun.content, own_options=changes_rates(begun.changes))
    if any(change.key in ("checkpoint.best", "checkpoint.mode") for change in begun.changes):
        for hook in trainer.hooks:
            if isinstance(hook, CheckpointHook):
                hook.best = {}  # chosen anew from here on: the weights before are not there any more


def _headline(value: TrainConfig, built: Built) -> str:
    """What is trained on what, where."""
    params = sum(parameter.numel() for parameter in built.model.parameters())
    counts = f"{len(built.data.train):,} training and {len(built.data.val):,} validation images"
    sharing = "sharded over " if built.trainer.sharded else ""
    processes = f", {sharing}{built.trainer.processes} processes" if built.trainer.processes > 1 else ""
    return (
        f"{value.model.type} of {params:,} parameters on {value.data.type} ({counts}), {built.trainer.device}{processes}, "
        f"run {value.run}"
    )


def _register_outputs(config: Config[TrainConfig], built: Built, folder: Path, console: Console) -> CheckpointHook:
    value, trainer = config.value, built.trainer
    section = value.checkpoint
    saver = CheckpointHook(
        folder,
        every=section.every,
        every_updates=section.every_updates,
        keep=section.keep,
        best=section.best,
        mode=section.mode,
        rule=section.save,
        describe=lambda: describe(config, built),
    )
    trainer.register_hook(ConfigHook(config, built.data))
    trainer.register_hook(RecordingHook(folder, tensorboard=value.log.tensorboard))
    trainer.register_hook(saver)
    by_iteration = isinstance(trainer, IterBasedTrainer)
    unit = "round" if by_iteration else "epoch"
    trainer.register_hook(ConsoleHook(console, unit=unit, rounds=trainer.total_rounds))
    return saver
