"""What an exact search gives: the best network, what is proven, and why it stopped, three facts apart."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from plainnet.blocks.structure import parse
from plainnet.results.result import Result, View
from plainnet.search.candidates.budgets import Costs
from plainnet.search.exact.optimum_view import optimum_view

__all__ = ["Limit", "Network", "Optimum", "Proof", "Reason", "gap_of", "known_costs"]

Reason = Literal["optimal", "feasible", "infeasible", "none found"]
Proof = Literal["prices", "tangents", "enumeration"]
Limit = Literal["time", "interrupted", "size"]


@dataclass(frozen=True)
class Network:
    """A network within the budgets: its structure, its value under the objective, what it costs, and other scores by name."""

    structure: str
    value: float
    costs: dict[str, float]
    scores: dict[str, float]

    @cached_property
    def hash(self) -> str:
        """`Structure.hash`."""
        return parse(self.structure).hash

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain data; a number that is not finite is None."""
        return {
            "structure": self.structure,
            "hash": self.hash,
            "value": _finite(self.value),
            "costs": self.costs,
            "scores": {name: _finite(value) for name, value in self.scores.items()},
        }


@dataclass(frozen=True)
class Optimum(Result):
    """The best network of a space within budgets, and what is proven about all others.

    objective, maximise: what was optimised, and which way. best, value: the best network that was found; None where none was.
    bound: no network of the grid within the budgets is better; None where nothing is proven. gap: |bound - value| / |value|.
    reason: "optimal" (the gap is at most `asked`), "feasible" (it is not), "infeasible" (no network is within the budgets),
    "none found". limit: what ended it early; None where nothing did.
    prices: about what one more unit of a budget is worth, by budget (the bound is proven for `limits` alone). proof: what `bound`
    follows from: "prices" alone (the certificate says them), "tangents" (of logarithms: several exact searches), or "enumeration"
    of all that these left; priced_bound: what the prices alone prove.
    grid: the widths that the bound holds for, by place. others: the next best networks that were met (not all there are).
    nodes: evaluations of the dynamic program. seconds: of the clock.
    """

    objective: str
    maximise: bool
    best: Network | None
    value: float | None
    bound: float | None
    gap: float | None
    asked: float
    reason: Reason
    limit: Limit | None
    proof: Proof | None
    prices: dict[str, float]
    priced_bound: float | None
    limits: dict[str, float]
    grid: tuple[str, ...]
    others: tuple[Network, ...]
    nodes: int
    seconds: float
    history: tuple[tuple[float, float | None, float | None], ...] = ()
    """(seconds, best value, bound) as they came"""
    whole: Network | None = None
    """of the best networks by leading terms, the best by the whole closed form; None where that was not asked for"""
    complete_to: float | None = None
    """every network of the space within the budgets that is better than this was met; None where that is not known"""
    sampled: str | None = None
    """why `bound` holds for the widths in `grid` alone, and not for all of the space; None where it holds for all of it"""

    def as_dict(self) -> dict[str, Any]:
        """The summary that `plainnet optimum --json` prints; a number that is not finite is None."""
        values = {item.name: getattr(self, item.name) for item in dataclasses.fields(self)}
        return {
            "schema": "plainnet.optimum/1",
            **values,
            "best": self.best.as_dict() if self.best else None,
            "others": [each.as_dict() for each in self.others],
            "grid": list(self.grid),
            "history": [list(each) for each in self.history],
            "whole": self.whole.as_dict() if self.whole else None,
            "seconds": round(self.seconds, 3),
        }

    def records(self) -> list[Mapping[str, Any]]:
        """The best network and the next best that were met, a record each: value, costs, scores, hash, structure."""
        return [
            {
                "value": _finite(each.value),
                **each.costs,
                **each.as_dict()["scores"],
                "hash": each.hash,
                "structure": each.structure,
            }
            for each in ([self.best] if self.best else []) + list(self.others)
        ]

    def view(self) -> View:
        """The network, what is proven, what more of a budget is worth, the next best."""
        return optimum_view(self)


def gap_of(value: float | None, bound: float | None) -> float | None:
    """|bound - value| / |value|; None where one of them is not known, or the value is 0 and the bound is not."""
    if value is None or bound is None or not (math.isfinite(value) and math.isfinite(bound)):
        return None
    if value == bound:
        return 0.0
    return abs(bound - value) / abs(value) if value else None


def known_costs(costs: Costs) -> dict[str, float]:
    """The costs that were computed."""
    return {name: value for name, value in costs._asdict().items() if value is not None}


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
