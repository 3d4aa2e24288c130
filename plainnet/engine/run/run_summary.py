"""How a run ended, in numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from plainnet.engine.hooks.checkpointing import CheckpointHook
from plainnet.engine.run.build import Built
from plainnet.engine.run.kept_trainings import BEST
from plainnet.results.result import Result, View
from plainnet.results.tables import Table

PARTS = {"train": "training", "val": "validation"}
"""How the names of metrics begin -> what that is."""

__all__ = ["RunSummary", "ending", "summarize"]


@dataclass(frozen=True)
class RunSummary(Result):
    """How a run ended: `print(plainnet.train(...))` is the table of its last metrics, and what was best."""

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

    def as_dict(self) -> dict[str, Any]:
        """The JSON form, as `summary.json` and `plainnet train --json` have it."""
        return asdict(self)

    def records(self) -> list[Mapping[str, Any]]:
        """A record for each metric of the last round: its name, the value in training, the one in validation."""
        names = dict.fromkeys(name.partition("/")[2] for name in self.metrics)
        return [
            {"metric": name, **{part: self.metrics.get(f"{short}/{name}") for short, part in PARTS.items()}}
            for name in names
        ]

    def view(self) -> View:
        """The metrics of the last round, the best validation, and how it ended."""
        rows = [["" if cell is None else _cell(cell) for cell in record.values()] for record in self.records()]
        table = [Table(["metric", *PARTS.values()], rows)] if rows else []
        best = [("weights", str(Path(self.run) / BEST))] if self.best else []
        return View([], table, [("run", self.run), ("ended", ending(self)), ("parameters", f"{self.params:,}"), *best])


def _cell(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.4f}"


def summarize(built: Built, saver: CheckpointHook, folder: Path, *, seconds: float) -> RunSummary:
    """What there is to say of a run that has come to its end."""
    trainer = built.trainer
    return RunSummary(
        run=str(folder),
        complete=trainer.finished,
        stopped_by=trainer.stop_reason,
        rounds=trainer.rounds,
        iterations=trainer.iteration,
        params=sum(parameter.numel() for parameter in built.model.parameters()),
        metrics=_or_none(_last_metrics(trainer.history)),
        not_finite=_not_finite(trainer.history),
        best=dict(saver.best),
        seconds=round(seconds, 3),
    )


def ending(summary: RunSummary) -> str:
    """The same in one line."""
    best = f", best {summary.best['value']:.6g} in round {summary.best['round']}" if summary.best else ""
    how = "finished" if summary.complete else f"stopped by {summary.stopped_by or 'nothing'}"
    return f"{how} after {summary.rounds} rounds and {summary.iterations} updates in {summary.seconds:.1f} s{best}"


def _last_metrics(history: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    if not history:
        return {}
    return _metrics_of(history[-1])


def _metrics_of(entry: Mapping[str, Any]) -> dict[str, float]:
    return {f"{part}/{name}": value for part in ("train", "val") for name, value in entry[part].items()}


def _or_none(metrics: Mapping[str, float]) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in metrics.items()}


def _not_finite(history: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    found = [name for entry in history for name, value in _metrics_of(entry).items() if not math.isfinite(value)]
    return {name: found.count(name) for name in dict.fromkeys(found)}
