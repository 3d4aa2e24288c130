"""A training run from a configuration: its folder, its beginning, its resume, its end."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from plainnet.configs import Config, ConfigProblem, read_config
from plainnet.engine.build import Built, build_trainer, describe
from plainnet.engine.checkpoint import checkpoints
from plainnet.engine.failure import write_failure
from plainnet.engine.hooks.checkpointing import CheckpointHook
from plainnet.engine.hooks.console import ConsoleHook
from plainnet.engine.hooks.recording import RecordingHook
from plainnet.engine.names import check_names
from plainnet.engine.processes import is_main_process
from plainnet.engine.registry import Registry
from plainnet.engine.schema import TrainConfig, recipes
from plainnet.engine.trainer_state import load_trainer
from plainnet.engine.trainers import IterBasedTrainer
from plainnet.errors import PlainnetError, RunError

__all__ = ["RunSummary", "load_config", "resume", "train"]

CONFIG = "config.yaml"
SUMMARY = "summary.json"


@dataclass(frozen=True)
class RunSummary:
    """How a run ended."""

    run: str
    complete: bool
    stopped_by: str
    rounds: int
    iterations: int
    params: int
    metrics: dict[str, float | None] = field(default_factory=dict)
    """Of the last round; None for what was not finite."""
    not_finite: dict[str, int] = field(default_factory=dict)
    """In how many rounds a metric was not finite, where it ever was."""
    best: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0


def load_config(
    source: Path | Mapping[str, Any], *, overrides: Sequence[str] = (), imports: Sequence[str] = ()
) -> Config[TrainConfig]:
    """A training configuration, checked: the file and its values, and every name and argument in it."""

    def further(config: Config[TrainConfig]) -> list[ConfigProblem]:
        config.value.imports.extend(name for name in imports if name not in config.value.imports)
        return check_names(config)

    return read_config(source, TrainConfig, overrides=overrides, named=recipes(), further=further)


def train(
    config: Config[TrainConfig], *, console: Console | None = None, debug: bool = False, continue_existing: bool = False
) -> RunSummary:
    """Train from the beginning in the configuration's run folder, which must not hold a run yet.

    continue_existing: take up the run that the folder holds, if it holds one.
    """
    folder = Path(config.value.run)
    if (folder / CONFIG).exists():
        if continue_existing:
            return resume(folder, console=console, debug=debug)
        raise RunError(
            f"{folder} holds a run already; continue it with: plainnet train {folder}, or choose another folder: run=..."
        )
    return _run(config, folder, console=console, debug=debug, checkpoint=None)


def resume(
    folder: Path, *, overrides: Sequence[str] = (), console: Console | None = None, debug: bool = False
) -> RunSummary:
    """Continue the run in `folder` from its last checkpoint (from the beginning if it has none yet)."""
    path = folder / CONFIG
    if not path.is_file():
        raise RunError(f"{folder} holds no run: there is no {path}")
    config = load_config(path, overrides=[*overrides, f"run={json.dumps(str(folder))}"])
    found = checkpoints(folder / "checkpoints")
    return _run(config, folder, console=console, debug=debug, checkpoint=found[-1] if found else None)


def _run(
    config: Config[TrainConfig], folder: Path, *, console: Console | None, debug: bool, checkpoint: Path | None
) -> RunSummary:
    started = time.monotonic()
    console = console or Console(stderr=True)
    try:
        built = build_trainer(config, Registry(config.value.imports), debug=debug)
    except PlainnetError:  # says what is wrong by itself
        raise
    except Exception as error:
        if is_main_process():
            write_failure(folder, error, None)
        raise
    trainer = built.trainer
    saver = _register_outputs(config, built, folder, console)
    if trainer.is_main:
        folder.mkdir(parents=True, exist_ok=True)
        if checkpoint is None:
            _write(folder / CONFIG, config.dump())
    trainer.accelerator.wait_for_everyone()
    if trainer.is_main:
        console.print(_headline(config.value, built), highlight=False, soft_wrap=True)
    if checkpoint is not None:
        load_trainer(trainer, checkpoint)
        if trainer.is_main:
            console.print(f"continuing {folder} after {trainer.iteration} updates", highlight=False)
    try:
        trainer.fit()
    except Exception as error:
        if trainer.is_main:
            write_failure(folder, error, trainer)
        raise
    summary = RunSummary(
        run=str(folder),
        complete=trainer.finished,
        stopped_by=trainer.stop_reason,
        rounds=trainer.rounds,
        iterations=trainer.iteration,
        params=sum(parameter.numel() for parameter in built.model.parameters()),
        metrics={
            name: value if math.isfinite(value) else None for name, value in _last_metrics(trainer.history).items()
        },
        not_finite=_not_finite(trainer.history),
        best=dict(saver.best),
        seconds=round(time.monotonic() - started, 3),
    )
    if trainer.is_main:
        _write(folder / SUMMARY, json.dumps(asdict(summary), indent=2, allow_nan=False) + "\n")
    return summary


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
        describe=lambda: describe(config, built),
    )
    trainer.register_hook(RecordingHook(folder, tensorboard=value.log.tensorboard))
    trainer.register_hook(saver)
    by_iteration = isinstance(trainer, IterBasedTrainer)
    unit = "round" if by_iteration else "epoch"
    trainer.register_hook(ConsoleHook(console, unit=unit, rounds=trainer.total_rounds))
    return saver


def _last_metrics(history: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    if not history:
        return {}
    return _metrics_of(history[-1])


def _metrics_of(entry: Mapping[str, Any]) -> dict[str, float]:
    return {f"{part}/{name}": value for part in ("train", "val") for name, value in entry[part].items()}


def _not_finite(history: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    found = [name for entry in history for name, value in _metrics_of(entry).items() if not math.isfinite(value)]
    return {name: found.count(name) for name in dict.fromkeys(found)}


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(f".writing-{path.name}")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
