"""A score on every set of trained networks that ships: what it is worth, and what it is worth where it is worth least."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from plainnet.results.result import Result, View
from plainnet.results.tables import Table
from plainnet.validation.accuracy_table import AccuracyTable
from plainnet.validation.ranking import Agreement
from plainnet.validation.validate import NoScoresError, Validation, agreement_as_dict

__all__ = ["AcrossSets", "across_sets"]


@dataclass(frozen=True)
class AcrossSets(Result):
    """How a proxy did on several sets."""

    proxy: str
    results: Mapping[str, Validation | None]
    """by the set's name; None where the proxy has no score for its networks"""

    def mean(self, proxy: str) -> float | None:
        """The mean Spearman of the proxy, or of a baseline, over the sets that have one; None where none has."""
        found = list(self._spearmans(proxy).values())
        return math.fsum(found) / len(found) if found else None

    def worst(self, proxy: str) -> tuple[str, float] | None:
        """The set on which the proxy, or a baseline, does worst, and its Spearman there."""
        found = self._spearmans(proxy)
        return min(found.items(), key=lambda pair: pair[1]) if found else None

    @property
    def compared(self) -> tuple[str, ...]:
        """The proxy, and the baselines that it stands beside."""
        names = [name for result in self.results.values() if result is not None for name in result.baselines]
        return tuple(dict.fromkeys([self.proxy, *names]))

    def found(self, name: str, proxy: str) -> Agreement | None:
        """What the proxy, or a baseline, said of a set."""
        result = self.results[name]
        if result is None:
            return None
        return result.agreement if proxy == self.proxy else result.baselines.get(proxy)

    def as_dict(self) -> dict[str, Any]:
        """JSON's view of the result: the figures of every set, mean and worst; scores are left out."""
        return {
            "proxy": self.proxy,
            "sets": {
                name: None
                if result is None
                else {
                    "table": result.table,
                    "networks": result.networks,
                    "resolution": result.resolution,
                    "agreement": agreement_as_dict(result.agreement),
                    "baselines": {other: agreement_as_dict(each) for other, each in result.baselines.items()},
                }
                for name, result in self.results.items()
            },
            "mean": {name: self.mean(name) for name in self.compared},
            "worst": {name: list(self.worst(name) or ()) or None for name in self.compared},
        }

    def records(self) -> list[Mapping[str, Any]]:
        """A record for each set: Spearman of the proxy and of the baselines, Kendall of the proxy; None for no scores."""
        found: list[Mapping[str, Any]] = []
        for name, result in self.results.items():
            agreements = {each: self.found(name, each) for each in self.compared}
            own = agreements[self.proxy]
            found.append(
                {
                    "set": name,
                    "networks": None if result is None else result.networks,
                    **{each: None if one is None else one.spearman.value for each, one in agreements.items()},
                    "kendall": None if own is None else own.kendall.value,
                }
            )
        return found

    def view(self) -> View:
        """A row for each set, the mean and the worst."""
        compared = self.compared
        columns = ["Spearman on", "networks", *compared, f"Kendall of {self.proxy}"]
        rows = []
        for each in self.records():
            networks = "" if each["networks"] is None else f"{each['networks']:,}"
            rows.append([each["set"], networks, *(_number(each[name]) for name in (*compared, "kendall"))])
        worst = {name: self.worst(name) for name in compared}
        rows.append(["mean", "", *(_number(self.mean(name)) for name in compared), ""])
        rows.append(["worst", "", *(_number(None if found is None else found[1]) for found in worst.values()), ""])
        without = [name for name, result in self.results.items() if result is None]
        said = [f"{self.proxy} has no score for the networks of {', '.join(without)}; its mean is over the others"]
        said = [*self._remarks(), *(said if without else [])]
        table = Table(columns, rows, drop=("networks", columns[-1]), hint="--json, or a pipe")
        return View((), [table], [("", line) for line in said])

    def _remarks(self) -> list[str]:
        """What a set's title says of it beside its name, and how many of its networks have no score."""
        found = {name: result for name, result in self.results.items() if result is not None}
        titles = [f"{name}: {result.table}" for name, result in found.items() if result.table.endswith(")")]
        unscored = [f"{name}: {len(result.unscored)}" for name, result in found.items() if result.unscored]
        return [*titles, *([f"networks without a score, left out: {', '.join(unscored)}"] if unscored else [])]

    def _spearmans(self, proxy: str) -> dict[str, float]:
        pairs = [(name, self.found(name, proxy)) for name in self.results]
        values = {name: found.spearman.value for name, found in pairs if found is not None}
        return {name: value for name, value in values.items() if math.isfinite(value)}


def across_sets(
    proxy: str, tables: Mapping[str, AccuracyTable], judge: Callable[[AccuracyTable], Validation]
) -> AcrossSets:
    """Validate a proxy on tables by name, `judge` doing one of them."""
    results: dict[str, Validation | None] = {}
    for name, table in tables.items():
        try:
            results[name] = judge(table)
        except NoScoresError:
            results[name] = None
    return AcrossSets(proxy, results)


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"
