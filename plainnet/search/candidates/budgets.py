"""Budgets: what a candidate may cost. They are asked before any score is computed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from plainnet.errors import UsageError, nearest

__all__ = ["BUDGETS", "ON_REQUEST", "Budgets", "Costs"]


class Costs(NamedTuple):
    """What a candidate costs, the classifier included. What nothing asks for is not computed, and None."""

    params: int
    macs: int
    layers: int
    activations: int
    peak_activation: int | None = None
    """elements alive at once"""
    latency_ms: float | None = None
    """predicted for one image"""
    convolutions: int | None = None
    """of the main path"""
    rho: float | None = None
    """depth over mean width"""


BUDGETS = {
    "params": "learnable scalars, the classifier included",
    "macs": "multiply-accumulates for one image, the classifier included",
    "layers": "layers as the published work counts them",
    "activations": "elements that convolutions and linear layers put out, for one image",
    "peak_activation": "elements alive at once for one image",
    "latency_ms": "milliseconds for one image in one thread: predicted by a fit on this machine, measured for finalists "
    "(CPU time, the least of eight passes)",
    "convolutions": "convolutions of the main path, those of shortcuts and gates left out (the layers of TinyNAS)",
    "rho": "DeepMAD's effectiveness, depth over geometric mean width: about 0.3 for ResNets, 0.5 for mobile networks",
}
"""Name -> what it is."""
ON_REQUEST = ("peak_activation", "latency_ms", "convolutions", "rho")
"""The costs that are only computed where a budget or an objective asks for them."""


class Budgets:
    """Limits by name; a candidate is within them if no cost is over its limit."""

    def __init__(self, limits: Mapping[str, float]) -> None:
        for name, limit in limits.items():
            if name not in BUDGETS:
                near = nearest(name, BUDGETS)
                raise UsageError(
                    f"no budget {name!r}; accepted: {', '.join(BUDGETS)}" + (f"; did you mean {near}?" if near else "")
                )
            if not limit > 0:
                raise UsageError(f"the budget {name} is {limit}; accepted: a positive number")
        self.limits = dict(limits)

    def __getitem__(self, name: str) -> float:
        return self.limits.get(name, float("inf"))

    def over(self, costs: Mapping[str, float | None]) -> dict[str, tuple[float, float]]:
        """name -> (cost, limit) of every budget that the costs exceed."""
        known = [(name, costs.get(name), limit) for name, limit in self.limits.items()]
        return {name: (cost, limit) for name, cost, limit in known if cost is not None and cost > limit}

    def violation(self, costs: Mapping[str, float | None]) -> float:
        """The sum of the relative excesses: 0 within the budgets."""
        return sum(cost / limit - 1 for cost, limit in self.over(costs).values())
