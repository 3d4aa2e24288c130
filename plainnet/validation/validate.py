"""How far to trust a proxy: its scores against the accuracies of trained networks.

`validate` scores a table, says how well the scores rank the accuracies, and sets beside it what depth, MACs and parameters
reach, and what training noise leaves to reach:

    another training    how well one training's accuracies rank another's (the mean over pairs of trainings)
    perfect knowledge   how well a network's expected accuracy ranks the measured mean: the measured means against themselves
                        with the noise of a mean added once more, from the spread between the trainings of networks of
                        about the same accuracy. No proxy can do better.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from plainnet.blocks.structure import Structure
from plainnet.errors import StructureError, UsageError
from plainnet.proxies.closed.baselines import BASELINES
from plainnet.proxies.score_table import ScoreFunction, score_networks
from plainnet.proxies.versions import with_version
from plainnet.results.result import Result, View
from plainnet.validation.accuracy_table import AccuracyTable
from plainnet.validation.ranking import FIELDS, Agreement, agreement, rank_correlations
from plainnet.validation.validation_view import validation_view

__all__ = ["Ceiling", "NoScoresError", "Validation", "training_noise", "validate"]

_NEIGHBOURS = 101
_DRAWS = 10


class NoScoresError(UsageError):
    """A proxy has no score for enough networks of a table."""


class Ceiling(NamedTuple):
    """What training noise leaves to reach, as (Spearman, Kendall)."""

    another_training: tuple[float, float]
    perfect_knowledge: tuple[float, float]


@dataclass(frozen=True)
class Validation(Result):
    """How a proxy did on a table."""

    proxy: str
    table: str
    resolution: int | tuple[int, int]
    distinct: int
    """different networks among those that were scored"""
    resamples: int
    seed: int
    agreement: Agreement
    baselines: dict[str, Agreement]
    ceiling: Ceiling | None
    """None where networks were trained once"""
    best_scored: str
    """the name of the network with the highest score (the first of equals)"""
    names: tuple[str, ...] = field(repr=False)
    scores: tuple[float, ...] = field(repr=False)
    accuracies: tuple[float, ...] = field(repr=False)
    unscored: tuple[str, ...] = ()
    """networks for which the proxy gave no number (nan); they are in no figure"""

    @property
    def networks(self) -> int:
        return len(self.names)

    def sentence(self) -> str:
        """The result in one line, as other reports quote it."""
        others = ", ".join(f"{name} alone {found.spearman.value:.2f}" for name, found in self.baselines.items())
        return (
            f"on {self.table} ({self.networks:,} networks) {self.proxy} ranks with Spearman"
            f" {self.agreement.spearman.value:.2f}" + (f"; {others}" if others else "")
        )

    def as_dict(self) -> dict[str, Any]:
        """JSON's view of the result: intervals as [value, low, high], nan and infinities as text."""
        ceiling = {name: list(pair) for name, pair in self.ceiling._asdict().items()} if self.ceiling else None
        return {
            "proxy": self.proxy,
            "table": self.table,
            "resolution": self.resolution,
            "networks": self.networks,
            "distinct_networks": self.distinct,
            "unscored": list(self.unscored),
            "resamples": self.resamples,
            "seed": self.seed,
            "agreement": agreement_as_dict(self.agreement),
            "baselines": {name: agreement_as_dict(found) for name, found in self.baselines.items()},
            "ceiling": ceiling,
            "best_scored": self.best_scored,
            "scores": [
                [name, number_as_json(score), accuracy]
                for name, score, accuracy in zip(self.names, self.scores, self.accuracies, strict=True)
            ],
        }

    def view(self) -> View:
        """The figures, and the network that the proxy likes best."""
        return validation_view(self)

    def records(self) -> list[Mapping[str, Any]]:
        """A record for each network: its name, score and accuracy."""
        rows = zip(self.names, self.scores, self.accuracies, strict=True)
        return [{"name": name, "score": score, "accuracy": accuracy} for name, score, accuracy in rows]


def validate(
    table: AccuracyTable,
    function: ScoreFunction,
    *,
    proxy: str,
    resolution: int | tuple[int, int] | None = None,
    resamples: int = 200,
    seed: int = 0,
    baselines: dict[str, Agreement] | None = None,
    resume: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Validation:
    """Score a table with `function` and judge the scores. `proxy` is the name that reports use.

    `resolution` is what the baselines count at (the table's own by default); `baselines` takes figures that are known
    already for all of its networks. `UsageError` where fewer than three different networks have a score.
    """
    size = resolution or table.resolution or 32
    label = f"{with_version(proxy)} on {table.name} at {size}"
    scores = score_networks(table.structures, _named(function, table), label=label, resume=resume, progress=progress)
    rows = [row for row, score in enumerate(scores) if not math.isnan(score)]
    kept = [scores[row] for row in rows]
    accuracies = [table.accuracies[row] for row in rows] if len(rows) < len(scores) else table.accuracies
    networks = [table.networks[row] for row in rows] if len(rows) < len(scores) else table.networks
    if len(set(networks)) < 3:
        raise NoScoresError(
            f"{proxy} has a score for {len(set(networks))} networks of {table.name}; at least three are needed"
        )

    def judge(values: Sequence[float]) -> Agreement:
        return agreement(values, accuracies, networks=networks, resamples=resamples, seed=seed)

    if baselines is None or len(rows) < len(scores):
        counted = {
            name: score_networks([table.structures[row] for row in rows], _named(_at(count, size), table))
            for name, count in BASELINES.items()
            if name != proxy
        }
        baselines = {name: judge(values) for name, values in counted.items()}
    return Validation(
        proxy=proxy,
        table=table.name,
        resolution=size,
        distinct=len(set(networks)),
        resamples=resamples,
        seed=seed,
        agreement=judge(kept),
        baselines=baselines,
        ceiling=training_noise([table.trainings[row] for row in rows], seed=seed),
        best_scored=table.names[rows[int(np.argmax(kept))]],
        names=tuple(table.names[row] for row in rows),
        scores=tuple(kept),
        accuracies=tuple(accuracies),
        unscored=tuple(name for name, score in zip(table.names, scores, strict=True) if math.isnan(score)),
    )


def training_noise(trainings: Sequence[Sequence[float]], *, seed: int = 0) -> Ceiling | None:
    """What training noise leaves to reach; None unless every network has the same number (two or more) of trainings."""
    count = len(trainings[0])
    if count < 2 or len(trainings) < 3 or any(len(runs) != count for runs in trainings):
        return None
    runs = np.asarray(trainings, dtype=np.float64)
    pairs = [rank_correlations(runs[:, i], runs[:, j]) for i, j in combinations(range(count), 2)]
    means = runs.mean(axis=1)
    order = np.argsort(means, kind="stable")
    width = min(_NEIGHBOURS, len(means))
    variances = np.convolve(
        np.pad(runs.var(axis=1, ddof=1)[order], (width // 2, width - 1 - width // 2), "edge"),
        np.full(width, 1 / width),
        "valid",
    )
    deviations = np.empty(len(means))
    deviations[order] = np.sqrt(variances / count)
    rng = np.random.default_rng(seed)
    noisy = [rank_correlations(means, means + deviations * rng.standard_normal(len(means))) for _ in range(_DRAWS)]
    return Ceiling(_mean_pair(pairs), _mean_pair(noisy))


def agreement_as_dict(found: Agreement) -> dict[str, list[float | str]]:
    """{name: [value, low, high]}."""
    return {name: [number_as_json(value) for value in getattr(found, name)] for name in FIELDS}


def number_as_json(value: float) -> float | str:
    """JSON has no nan and no infinity; they are written as text, and read back by `float`."""
    return value if math.isfinite(value) else repr(float(value))


def _at(count: Callable[..., float], size: int | tuple[int, int]) -> ScoreFunction:
    return lambda structure: count(structure, size)


def _named(function: ScoreFunction, table: AccuracyTable) -> ScoreFunction:
    """The function, whose errors say which row of the table a network is."""
    names = dict(zip(table.networks, table.names, strict=True))

    def score(structure: Structure) -> float:
        try:
            return function(structure)
        except StructureError as error:
            raise UsageError(f"{table.name}, {names[structure.text]}: {error}") from None

    return score


def _mean_pair(pairs: Sequence[tuple[float, float]]) -> tuple[float, float]:
    spearman, kendall = np.mean(pairs, axis=0)
    return float(spearman), float(kendall)
