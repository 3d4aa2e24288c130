"""A training run from a configuration: its folder, its beginning, its resume, its end."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from shlex import quote
from typing import Any

from rich.console import Console

from plainnet.configs import Config, ConfigProblem, read_config
from plainnet.engine.checkpoints.checkpoint import checkpoints
from plainnet.engine.checkpoints.run_folder import own_folder
from plainnet.engine.hooks.checkpointing import CheckpointHook
from plainnet.engine.hooks.console import ConsoleHook
from plainnet.engine.hooks.recording import RecordingHook
from plainnet.engine.loop.trainers import IterBasedTrainer
from plainnet.engine.processes.process_group import join_launcher
from plainnet.engine.run.build import Built, build_trainer, describe
from plainnet.engine.run.config_paths import absolute_imports, placed
from plainnet.engine.run.failure_report import write_failure
from plainnet.engine.run.keeping import keep_finished
from plainnet.engine.run.name_check import check_names
from plainnet.engine.run.registry import Registry
from plainnet.engine.run.resuming import ConfigHook, note_changes, shown_changes
from plainnet.engine.run.run_files import CONFIG, print_line, tell_notes, write_config, write_text
from plainnet.engine.run.run_summary import RunSummary, ending, summarize
from plainnet.engine.run.schema import TrainConfig, recipes
from plainnet.engine.run.taking_up import Begun, begun_run, go_on
from plainnet.engine.writers.usual_writers import usual_writers
from plainnet.errors import PlainnetError, RunError
from plainnet.files.file_kinds import reading
from plainnet.files.lock import only_a_lock
from plainnet.files.run_log import run_log

__all__ = ["check_folder", "headline", "load_config", "register_outputs", "resume", "resumed_config", "train"]

logger = logging.getLogger(__name__)
SUMMARY = "summary.json"
WEIGHTS = ("best.safetensors", "last.safetensors")


def load_config(
    source: str | Path | Mapping[str, Any],
    *,
    overrides: Sequence[str] = (),
    imports: Sequence[str] = (),
    begun: bool = False,
    called: str = "python",
) -> Config[TrainConfig]:
    """A training configuration, checked: the file and its values, and every name and argument in it.

    Relative paths belong to the file that says them; those in plain data and in `overrides`, to the current folder.
    begun: of a run that has trained something, and does not need the weights that it began with. called: what plain data are
    called in errors.
    """
    imports = absolute_imports(imports)

    def further(config: Config[TrainConfig]) -> list[ConfigProblem]:
        config.value.imports.extend(name for name in imports if name not in config.value.imports)
        return check_names(config, begun=begun)

    with reading(source, "training configuration"):
        return read_config(
            source,
            TrainConfig,
            overrides=overrides,
            named=recipes(),
            settle=lambda tree: placed(tree, imports),
            further=further,
            called=called,
        )


def train(
    config: Config[TrainConfig], *, console: Console | None = None, debug: bool = False, continue_existing: bool = False
) -> RunSummary:
    """Train from the beginning in the configuration's run folder, in which nothing may have been trained yet.

    continue_existing: take up the run that the folder holds, if it holds one, as this configuration says.
    """
    folder = Path(config.value.run)
    check_folder(folder, continues=continue_existing)
    return _run(config, folder, console=console, debug=debug, continues=continue_existing)


def check_folder(folder: Path, *, continues: bool) -> None:
    """Refuse a folder in which something was trained, unless that is continued."""
    if has_trained(folder) and not continues:
        raise RunError(
            f"{folder} holds a run already; continue it with: plainnet train {quote(str(folder))}, "
            "or choose another folder: run=..."
        )


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
    config = resumed_config(folder, overrides=overrides, imports=imports)
    return _run(config, Path(folder), console=console, debug=debug, continues=True)


def resumed_config(
    folder: str | Path, *, overrides: Sequence[str] = (), imports: Sequence[str] = ()
) -> Config[TrainConfig]:
    """The configuration of the run in `folder`, with what is to be otherwise from its last checkpoint on."""
    return load_config(
        run_config(Path(folder)),
        overrides=[*overrides, f"run={json.dumps(str(folder))}"],
        imports=imports,
        begun=has_trained(Path(folder)),
    )


def run_config(folder: Path) -> Path:
    """The configuration of the run in `folder`."""
    path = folder / CONFIG
    if not path.is_file():
        raise RunError(f"{folder} holds no run: there is no {path}{only_a_lock(folder)}")
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
    with own_folder(folder):
        begun = begun_run(folder, config) if continues else None
        built, registry = _build(config, folder, debug=debug, begun=begun is not None)
        saver = register_outputs(config, built, folder, console)
        if begun is not None:
            go_on(begun, config, built, registry)
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
                print_line(console, f"ended early: {built.trainer.ended}")
            summary = summarize(built, saver, folder, seconds=time.monotonic() - started)
            if built.trainer.is_main:
                write_text(folder / SUMMARY, json.dumps(asdict(summary), indent=2, allow_nan=False) + "\n")
                logger.info("%s", ending(summary))
                if summary.complete and config.value.store and built.trainer.iteration > before:
                    print_line(console, keep_finished(folder, config.value.store))
    return summary


def _tell_start(config: Config[TrainConfig], built: Built, folder: Path, begun: Begun | None, console: Console) -> None:
    """Say what is trained, on the console and in the log."""
    lines = [headline(config.value, built), *built.notes]
    if begun is not None:
        lines.append(f"continuing {folder} after {built.trainer.iteration} updates")
        if begun.changes:
            lines.append(f"changed from here on:\n{shown_changes(begun.changes)}")
    for number, line in enumerate(lines):
        logger.info("%s", line)
        for part in line.splitlines():
            print_line(console, part)
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


def _build(config: Config[TrainConfig], folder: Path, *, debug: bool, begun: bool) -> tuple[Built, Registry]:
    try:
        registry = Registry(config.value.imports)
        return build_trainer(config, registry, debug=debug, begun=begun), registry
    except PlainnetError:  # says what is wrong by itself
        raise
    except Exception as error:
        write_failure(folder, error, None)
        raise


def headline(value: TrainConfig, built: Built) -> str:
    """What is trained on what, where."""
    params = sum(parameter.numel() for parameter in built.model.parameters())
    what = "images" if built.data.shape else "samples"
    counts = f"{len(built.data.train):,} training and {len(built.data.val):,} validation {what}"
    sharing = "sharded over " if built.trainer.sharded else ""
    processes = f", {sharing}{built.trainer.processes} processes" if built.trainer.processes > 1 else ""
    return (
        f"{value.model.type} of {params:,} parameters on {value.data.type} ({counts}), {built.trainer.device}{processes}, "
        f"run {value.run}"
    )


def register_outputs(config: Config[TrainConfig], built: Built, folder: Path, console: Console) -> CheckpointHook:
    """The hooks that write to the run folder and the console; nothing is written before `before_run`."""
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
    for writer in usual_writers(tensorboard=value.log.tensorboard):
        trainer.register_writer(writer)
    trainer.register_hook(RecordingHook(folder, config=config.plain()))
    trainer.register_hook(saver)
    by_iteration = isinstance(trainer, IterBasedTrainer)
    unit = "round" if by_iteration else "epoch"
    trainer.register_hook(ConsoleHook(console, unit=unit, rounds=trainer.total_rounds))
    return saver
