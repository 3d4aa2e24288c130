"""Calibration: what some trained networks of one's own space say of the rest.

No score of untrained networks carries over from one space to another; a small model over closed-form features, fitted to
networks that were trained, does within theirs. Its gauge is the leave-one-out rank correlation, beside which stand params,
MACs and single scores on the same networks. A model that is no better than one of those is refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from plainnet.blocks.rows.variants import PLAIN, Variant
from plainnet.blocks.structure import Structure
from plainnet.errors import PlainnetError, RunError, UsageError
from plainnet.proxies.calibrated.calibration import Calibration
from plainnet.proxies.calibrated.features import Features, network_features
from plainnet.proxies.calibrated.model import LeftOut
from plainnet.proxies.closed.zen import zen_score
from plainnet.results.result import Result, View
from plainnet.results.tables import Table
from plainnet.validation.ranking import Agreement, Estimate, agreement
from plainnet.validation.validate import agreement_as_dict

__all__ = [
    "FEWEST",
    "NOT_PROMISED",
    "CalibrationReport",
    "TrainedNetworks",
    "calibrate",
    "of_structures",
    "part_covered",
    "singles_of",
]

FEWEST = 15
"""With fewer trained networks a model is of no use, and nothing would tell."""
RESAMPLES = 200
Size = tuple[int, int]

NOT_PROMISED = (
    "the very best network (train the few that rank first)",
    "networks of other spaces or trained otherwise",
    "networks larger than those that were trained",
)


@dataclass(frozen=True)
class TrainedNetworks:
    """Networks of one space, what training made of them, and what is known of them without.

    source: what they were read from. singles: what single scores say of each, by name.
    """

    source: str
    resolution: Size
    names: tuple[str, ...]
    features: tuple[Features, ...]
    accuracies: tuple[float, ...]
    singles: dict[str, tuple[float, ...]]

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class CalibrationReport(Result):
    """A calibration and how far it is to be trusted."""

    calibration: Calibration
    left_out: Agreement
    """each network ranked by a model that had not seen it"""
    covered: float
    """the part of the networks whose accuracy lies within the 90 % interval of a model that had not seen it"""
    singles: dict[str, Agreement]

    @property
    def networks(self) -> int:
        return len(self.calibration.names)

    @property
    def best_single(self) -> str:
        """The single score that ranks these networks best."""
        return max(self.singles, key=lambda name: _number(self.singles[name].spearman.value))

    @property
    def is_better(self) -> bool:
        """Whether the model ranks networks that it has not seen better than any single score ranks these."""
        return _number(self.left_out.spearman.value) > _number(self.singles[self.best_single].spearman.value)

    def refuse(self) -> None:
        """`RunError` for a model that is no better than a single score."""
        if self.is_better:
            return
        best, name = self.singles[self.best_single].spearman.value, self.best_single
        raise RunError(
            f"the model is no better than {name} alone: left out, networks are ranked with Spearman "
            f"{self.left_out.spearman.value:.2f}, by {name} with {best:.2f}; rank by {name}, or train more networks of the space"
        )

    def as_dict(self) -> dict[str, Any]:
        """JSON's view: intervals as [value, low, high], nan as text."""
        return {
            "schema": "plainnet.calibrate/1",
            "source": self.calibration.source,
            "resolution": list(self.calibration.resolution),
            "networks": self.networks,
            "left_out": agreement_as_dict(self.left_out),
            "covered_by_90_percent": self.covered,
            "singles": {name: agreement_as_dict(found) for name, found in self.singles.items()},
            "best_single": self.best_single,
            "is_better": self.is_better,
        }

    def records(self) -> list[Mapping[str, Any]]:
        """The model, left out, and each single score: rank correlations with their 95 % intervals."""
        every = {"calibrated": self.left_out, **self.singles}
        return [
            {
                "score": name,
                **{f"{key}{end}": value for key in ("spearman", "kendall") for end, value in _ends(found, key)},
            }
            for name, found in every.items()
        ]

    def view(self) -> View:
        """How well the model ranks what it has not seen, beside single scores; what it does not promise."""
        columns = ("", "Spearman [95 %]", "Kendall [95 %]")
        rows = [["calibrated, left out", *map(_with_interval, self.left_out[:2])]]
        rows += [[name, *map(_with_interval, found[:2])] for name, found in self.singles.items()]
        title = f"{self.networks} trained networks of {self.calibration.source}"
        promised = f"not promised: {', '.join(NOT_PROMISED)}"
        covered = f"of accuracies left out, {self.covered:.0%} lie within the 90 % interval"
        return View(
            [("", title)],
            [Table(columns, rows, drop=columns[2:])],
            [("", covered), ("", promised)],
        )


def of_structures(
    source: str,
    structures: Sequence[Structure],
    accuracies: Sequence[float],
    *,
    resolution: int | Size,
    variant: Variant = PLAIN,
    names: Sequence[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> TrainedNetworks:
    """Trained networks given as structures; the same one twice is one network with the mean of its accuracies."""
    size = (resolution, resolution) if isinstance(resolution, int) else resolution
    runs: dict[str, list[int]] = {}
    for number, structure in enumerate(structures):
        runs.setdefault(structure.text, []).append(number)
    first = [numbers[0] for numbers in runs.values()]
    labels = names if names is not None else [f"#{structure.hash}" for structure in structures]
    features: list[Features] = []
    zen: list[float] = []
    for done, number in enumerate(first, 1):
        try:
            features.append(network_features(structures[number], size, variant=variant))
        except PlainnetError as error:
            raise UsageError(f"{source}, {labels[number]}: {error}") from None
        with suppress(PlainnetError):  # it has no value for networks whose batch norms have nothing to normalise
            zen.append(zen_score(structures[number], size))
        if progress is not None:
            progress(done, len(first))
    return TrainedNetworks(
        source,
        size,
        tuple(labels[number] for number in first),
        tuple(features),
        tuple(math.fsum(accuracies[number] for number in numbers) / len(numbers) for numbers in runs.values()),
        {**singles_of(features), **({"zen": tuple(zen)} if len(zen) == len(first) else {})},
    )


def singles_of(features: Sequence[Features]) -> dict[str, tuple[float, ...]]:
    """The single scores that follow from features (as logarithms, which rank alike)."""
    return {
        "params": tuple(each.params for each in features),
        "macs": tuple(each.macs for each in features),
        "depth": tuple(each.depth for each in features),
        "composite(version=1)": tuple(each.live_entropy + each.felt_depth for each in features),
    }


def calibrate(networks: TrainedNetworks, *, seed: int = 0) -> CalibrationReport:
    """Fit the model and judge it. `UsageError` for fewer than `FEWEST` different networks, and where more than half of the
    accuracies are the same.
    """
    count = len(networks)
    if count < FEWEST:
        raise UsageError(
            f"{networks.source} holds {count} different trained networks; a calibration needs at least {FEWEST} of the same "
            "space, trained alike"
        )
    bare = Calibration(networks.source, networks.resolution, networks.names, networks.features, networks.accuracies, {})
    model = bare.model

    def judge(scores: Sequence[float]) -> Agreement:
        return agreement(scores, networks.accuracies, resamples=RESAMPLES, seed=seed)

    left_out = model.left_out
    report = CalibrationReport(
        bare,
        judge(left_out.expected.tolist()),
        part_covered(left_out, networks.accuracies),
        {name: judge(values) for name, values in networks.singles.items()},
    )
    figures = {key: value for key, value in report.as_dict().items() if key not in ("schema", "source", "resolution")}
    calibration = Calibration(bare.source, bare.resolution, bare.names, bare.features, bare.accuracies, figures)
    return CalibrationReport(calibration, report.left_out, report.covered, report.singles)


def part_covered(left_out: LeftOut, accuracies: Sequence[float]) -> float:
    """The part of accuracies within the 90 % intervals of models that had not seen them."""
    found = np.asarray(accuracies)
    return float(((left_out.open_below | (left_out.low <= found)) & (found <= left_out.high)).mean())


def _number(value: float) -> float:
    """A correlation; -1 for what has none (a constant score)."""
    return value if math.isfinite(value) else -1.0


def _ends(found: Agreement, key: str) -> list[tuple[str, float | None]]:
    """A figure and the ends of its interval, by what follows its name; None for one that is not finite."""
    values = [value if math.isfinite(value) else None for value in getattr(found, key)]
    return list(zip(("", "_low", "_high"), values, strict=True))


def _with_interval(found: Estimate) -> str:
    value, low, high = found
    return f"{value:.2f}" if low != low else f"{value:.2f} [{low:.2f}, {high:.2f}]"
