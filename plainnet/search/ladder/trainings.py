"""What a run trained: its table, the weights of a candidate, the networks for a calibration."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, NamedTuple

from plainnet.errors import RunError
from plainnet.search.candidates.training_names import is_training, training_length
from plainnet.search.ladder.train_rung import training_folder
from plainnet.search.settings.rungs import Rung
from plainnet.search.store import Candidate, Measure, RunStore, damaged

__all__ = ["Training", "best_training", "trained_in", "trainings"]

WEIGHTS = "best.safetensors"


class Training(NamedTuple):
    """A candidate on a rung that trains.

    accuracy: the mean over its seeds of the best value of the metric that weights are chosen by (None where a training
    failed), with the standard error of the mean (None for one seed). seconds: of its trainings; None where their folders
    are gone. folder: of the best seed's; None where it holds no weights any more.
    """

    rung: int
    name: str
    length: int | None
    hash: str
    structure: str
    seeds: int
    accuracy: float | None
    stderr: float | None
    seconds: float | None
    folder: Path | None

    def as_dict(self) -> dict[str, Any]:
        """The same as JSON's data."""
        return {**self._asdict(), "folder": str(self.folder) if self.folder is not None else None}


def trainings(store: RunStore) -> list[Training]:
    """Everything that a run trained: rung by rung, the best first, those that failed last."""
    found = []
    measures = [each for each in store.measures() if is_training(each.proxy)]
    candidates = {each.hash: each for each in _candidates(store, measures)}
    ladder = dict(enumerate(store.config.ladder, 1))
    for measure in measures:
        rung = ladder.get(measure.rung)
        if rung is None or rung.proxy != measure.proxy or not measure.scores:
            raise damaged(
                store.path or "memory", f"measures: rung {measure.rung} is no {measure.proxy[:40]!r} of the ladder"
            )
        if measure.hash in candidates:
            found.append(_training(store, rung, measure, candidates[measure.hash]))
    return sorted(found, key=lambda each: (each.rung, each.accuracy is None, -(each.accuracy or 0.0), each.hash))


def _candidates(store: RunStore, measures: list[Measure]) -> list[Candidate]:
    return list(store.by_hash([each.hash for each in measures]).values())


def _training(store: RunStore, rung: Rung, measure: Measure, candidate: Candidate) -> Training:
    folder, seconds = None, None
    if store.path is not None:
        folders = [training_folder(store, measure.rung, rung, candidate, seed) for seed in range(len(measure.scores))]
        times = [_seconds(each) for each in folders]
        seconds = round(math.fsum(each or 0.0 for each in times), 3) if None not in times else None
        values = [-math.inf if math.isnan(value) else value for value in measure.scores]
        folder = folders[max(range(len(values)), key=values.__getitem__)]
        folder = folder if (folder / WEIGHTS).is_file() else None
    return Training(
        measure.rung,
        measure.proxy,
        training_length(measure.proxy),
        candidate.short_hash,
        candidate.structure,
        len(measure.scores),
        measure.mean,
        measure.stderr,
        seconds,
        folder,
    )


def _seconds(folder: Path) -> float | None:
    """The time of all sessions of a training, as its log says; None where it does not."""
    try:
        lines = (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()
        return float(json.loads(lines[-1])["seconds"])
    except (OSError, ValueError, LookupError, TypeError):
        return None


def best_training(store: RunStore, candidate: Candidate) -> Training | None:
    """The training of the last rung that a candidate reached; None for one that was not trained."""
    found = [each for each in trainings(store) if each.hash == candidate.short_hash and each.accuracy is not None]
    return max(found, key=lambda each: each.rung, default=None)


def trained_in(store: RunStore) -> tuple[str, list[tuple[str, float]]]:
    """(rung, its structures with their accuracies): of the rung that trained most networks, the last of equals. Accuracies
    of trainings of different lengths are not to be mixed.
    """
    rungs: dict[int, list[Training]] = {}
    for each in trainings(store):
        if each.accuracy is not None:
            rungs.setdefault(each.rung, []).append(each)
    if not rungs:
        raise RunError(f"{store.path.parent if store.path else 'the run'} has trained no network")
    number = max(rungs, key=lambda rung: (len(rungs[rung]), rung))
    found = [(each.structure, float(each.accuracy or 0.0)) for each in rungs[number]]
    return rungs[number][0].name, found
