"""A score on every set of trained networks that ships: what it is worth, and what it is worth where it is worth least."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from plainnet.validation.accuracy_table import AccuracyTable
from plainnet.validation.ranking import Agreement
from plainnet.validation.validate import NoScoresError, Validation, agreement_as_dict

__all__ = ["AcrossSets", "across_sets", "rows"]


class AcrossSets(NamedTuple):
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


def rows(found: AcrossSets) -> tuple[Sequence[str], list[list[str]]]:
    """The table as text: a header, a row for each set, the mean and the worst."""
    header = ["Spearman on", "networks", *found.compared, f"Kendall of {found.proxy}"]
    body = []
    for name, result in found.results.items():
        cells = [found.found(name, each) for each in found.compared]
        own = cells[0]
        body.append(
            [name, "" if result is None else f"{result.networks:,}"]
            + ["none" if each is None else f"{each.spearman.value:.3f}" for each in cells]
            + ["none" if own is None else f"{own.kendall.value:.3f}"]
        )
    means, worst = ([_number(figure(each)) for each in found.compared] for figure in (found.mean, _value(found.worst)))
    return header, [*body, ["mean", "", *means, ""], ["worst", "", *worst, ""]]


def _value(worst: Callable[[str], tuple[str, float] | None]) -> Callable[[str], float | None]:
    return lambda proxy: None if (found := worst(proxy)) is None else found[1]


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"
