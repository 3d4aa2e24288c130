"""Training runs that were kept: found and described from their files, without torch."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from plainnet.configs import read_config
from plainnet.engine.metric_direction import is_made_small
from plainnet.engine.run.run_curves import best_logged, rounds_logged
from plainnet.engine.run.schema import TrainConfig, recipes
from plainnet.errors import PlainnetError, RunError
from plainnet.files.text_files import json_value, read_text

__all__ = [
    "BEST",
    "CONFIG",
    "Training",
    "config_of",
    "describe_training",
    "find_trainings",
    "is_training",
    "read_summary",
    "training_of",
]

CONFIG, SUMMARY, BEST = "config.yaml", "summary.json", "best.safetensors"


class _Data(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)


class _Best(_Data):
    value: float
    round: int
    iteration: int | None = None


class _Summary(_Data):
    """The types of what a run writes at its end, as far as it is read again."""

    complete: bool = False
    stopped_by: str | None = None
    rounds: Annotated[int, Field(ge=0)] | None = None
    iterations: Annotated[int, Field(ge=0)] | None = None
    params: Annotated[int, Field(ge=0)] | None = None
    metrics: dict[str, float | None] = {}
    best: _Best | Annotated[dict[str, Any], Field(max_length=0)] = {}
    seconds: float | None = None


@dataclass(frozen=True)
class Training:
    """A training run in one line. `score` is the best validation's so far, under the name of the metric that chooses; None where
    there was none. state: finished, stopped, or unfinished (interrupted, or still running).
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
    value, summary = config_of(folder), read_summary(folder)
    model = value.model.arguments.get("structure") or value.model.arguments.get("name") or value.model.type
    best = _best(folder, value, summary)
    state = "finished" if summary.get("complete") else "stopped" if summary.get("stopped_by") else "unfinished"
    of = value.train.epochs if value.train.by == "epoch" else None
    rounds = summary["rounds"] if "rounds" in summary else rounds_logged(folder)
    return Training(str(model), value.data.type, rounds, of, best.get("value"), value.checkpoint.best, state)


def describe_training(folder: Path) -> dict[str, Any]:
    """A training run in full, as plain data."""
    value, summary = config_of(folder), read_summary(folder)
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
        "best": _best(folder, value, summary) or None,
        "score_name": value.checkpoint.best,
        "less_is_better": _is_small(value),
        "weights": str(folder / BEST) if os.path.isfile(folder / BEST) else None,
    }
    return {name: value for name, value in found.items() if value not in (None, {})} | {"state": about["state"]}


def _best(folder: Path, value: TrainConfig, summary: dict[str, Any]) -> dict[str, Any]:
    """The best validation: as the run says at its end, else by its log."""
    return summary.get("best") or best_logged(folder, value.checkpoint.best, is_small=_is_small(value))


def _is_small(value: TrainConfig) -> bool:
    return is_made_small(value.checkpoint.best, mode=value.checkpoint.mode, losses=_losses(value))


def _losses(value: TrainConfig) -> list[str]:
    """What a task's losses may be called: by their own names, or their kinds."""
    return [str(name) for spec in value.task.losses for name in (getattr(spec, "name", None), spec.type) if name]


def config_of(folder: Path) -> TrainConfig:
    """The configuration of a training run, its fields checked and nothing that it names run."""
    if not is_training(folder):
        raise RunError(f"{folder} holds no training run")
    return read_config(folder / CONFIG, TrainConfig, named=recipes()).value


def read_summary(folder: Path) -> dict[str, Any]:
    """What summary.json says, which a run writes at its end; nothing where it has not come to one. `RunError` names the field
    that is damaged.
    """
    path = folder / SUMMARY
    if not os.path.isfile(path):
        return {}
    found = json_value(read_text(path, what="summary"), str(path))
    try:
        summary = _Summary.model_validate(found)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "it"
        raise RunError(f"{path} is damaged: it is no summary of a run ({place}: {first['msg']})") from None
    except RecursionError:
        raise RunError(f"{path} is damaged: it is nested too deeply") from None
    return summary.model_dump(exclude_unset=True)
