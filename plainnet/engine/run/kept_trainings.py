"""Training runs that were kept: found and described from their files, without torch."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from plainnet.configs import read_config
from plainnet.engine.run.schema import TrainConfig, recipes
from plainnet.errors import PlainnetError, RunError
from plainnet.files.text_files import json_value, read_text

__all__ = ["Training", "describe_training", "find_trainings", "is_training"]

CONFIG, SUMMARY, BEST = "config.yaml", "summary.json", "best.safetensors"


@dataclass(frozen=True)
class Training:
    """A training run in one line. `score` is the best validation's, under the name of the metric that chooses; None where no
    validation was saved. state: finished, stopped, or unfinished (interrupted, or still running).
    """

    model: str
    data: str
    rounds: int | None
    of: int | None
    score: float | None
    score_name: str
    state: str


def is_training(folder: Path) -> bool:
    """Whether a folder holds a training run: its configuration beside what a training leaves."""
    return os.path.isfile(folder / CONFIG) and any(
        os.path.exists(folder / name) for name in (SUMMARY, BEST, "checkpoints", "log.jsonl")
    )


def find_trainings(folder: Path) -> Iterator[tuple[Path, Training | PlainnetError]]:
    """The training runs in a folder and below it, each with what it is or what is wrong with it."""
    for path in sorted(folder.rglob(CONFIG)) if os.path.isdir(folder) else ():
        if is_training(path.parent):
            try:
                yield path.parent, training_of(path.parent)
            except PlainnetError as error:
                yield path.parent, error


def training_of(folder: Path) -> Training:
    """A training run in one line."""
    value, summary = _config(folder), _summary(folder)
    model = value.model.arguments.get("structure") or value.model.arguments.get("name") or value.model.type
    best = summary.get("best") or {}
    state = "finished" if summary.get("complete") else "stopped" if summary.get("stopped_by") else "unfinished"
    of = value.train.epochs if value.train.by == "epoch" else None
    return Training(
        str(model), value.data.type, summary.get("rounds"), of, best.get("value"), value.checkpoint.best, state
    )


def describe_training(folder: Path) -> dict[str, Any]:
    """A training run in full, as plain data."""
    value, summary = _config(folder), _summary(folder)
    about = asdict(training_of(folder))
    found: dict[str, Any] = {
        "kind": "training",
        "state": about["state"],
        "model": f"{value.model.type} {about['model']}" if about["model"] != value.model.type else value.model.type,
        "task": value.task.type,
        "data": value.data.type,
        "rounds": about["rounds"],
        "of": about["of"],
        "optimizer": value.optim.type,
        "seed": value.seed,
        "parameters": summary.get("params"),
        "updates": summary.get("iterations"),
        "seconds": summary.get("seconds"),
        "metrics": summary.get("metrics") or {},
        "best": summary.get("best") or None,
        "weights": str(folder / BEST) if os.path.isfile(folder / BEST) else None,
    }
    return {name: value for name, value in found.items() if value not in (None, {})} | {"state": about["state"]}


def _config(folder: Path) -> TrainConfig:
    if not is_training(folder):
        raise RunError(f"{folder} holds no training run")
    return read_config(folder / CONFIG, TrainConfig, named=recipes()).value


def _summary(folder: Path) -> dict[str, Any]:
    """summary.json, which a run writes at its end; nothing where it has not come to one."""
    path = folder / SUMMARY
    if not os.path.isfile(path):
        return {}
    found = json_value(read_text(path, what="summary"), str(path))
    if not isinstance(found, dict) or not isinstance(found.get("best") or {}, dict):
        raise RunError(f"{path} is damaged: it is no summary of a run ({json.dumps(found)[:40]})")
    return found
