"""Networks in the order of their scores, and which of them the scores do not tell apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from plainnet.proxies.score_record import Score

__all__ = ["Place", "indistinguishable", "ranked"]


@dataclass(frozen=True)
class Place:
    """A network's place among others."""

    rank: int
    """1 is the best"""
    index: int
    """which of the networks it is"""
    score: Score
    ties: tuple[int, ...]
    """the ranks of the networks from which it cannot be told apart"""


def ranked(scores: Sequence[Score]) -> list[Place]:
    """Networks by the mean of their scores, the best first; NaN comes last. Scores are of one proxy."""
    order = sorted(range(len(scores)), key=lambda index: _badness(scores[index]))
    return [
        Place(
            rank,
            index,
            scores[index],
            tuple(
                other_rank
                for other_rank, other in enumerate(order, 1)
                if other != index and indistinguishable(scores[index], scores[other])
            ),
        )
        for rank, index in enumerate(order, 1)
    ]


def _badness(score: Score) -> tuple[bool, float]:
    mean = score.mean
    if math.isnan(mean):
        return (True, 0.0)
    return (False, -mean if score.higher_is_better else mean)


def indistinguishable(first: Score, second: Score) -> bool:
    """Whether the 95 % confidence intervals overlap. A single repeat of a random proxy has none: it is not told from any
    other. Values that are not finite are told apart by what they are.
    """
    means = (first.mean, second.mean)
    if not all(map(math.isfinite, means)):
        return means[0] == means[1] or all(map(math.isnan, means))
    one, other = first.ci95, second.ci95
    return one is None or other is None or (one[0] <= other[1] and other[0] <= one[1])
