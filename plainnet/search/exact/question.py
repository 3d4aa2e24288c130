"""What is asked of an exact search, as sums, prices and limits."""

from __future__ import annotations

from typing import NamedTuple

from plainnet.search.candidates.evaluation import Setting
from plainnet.search.exact.summed_objectives import Sum, SumCost

__all__ = ["Question"]


class Question(NamedTuple):
    """What is asked: the objective, the budgets with prices, and the one whose units are counted along paths (layers, say).

    most: what that one allows; 0 where there is none.
    """

    setting: Setting
    objective: Sum
    costs: tuple[SumCost, ...]
    limits: tuple[float, ...]
    axis: SumCost | None
    most: int

    @property
    def are_whole(self) -> list[bool]:
        """Whether the gain, n, what is used of the axis, each cost and each part of the objective are whole numbers."""
        sums = [isinstance(each, SumCost) and each.name != "latency_ms" for each in (self.objective, *self.costs)]
        return [sums[0], True, True, *sums[1:], *([False] * self.objective.count)]
