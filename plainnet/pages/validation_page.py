"""The page about what a score is worth on one set: every network of it as a point."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from plainnet.pages.charts import Axis, Series, chart
from plainnet.pages.page import Page
from plainnet.pages.parts import cards, escaped, section, significant, warning
from plainnet.pages.ranking_figures import figures_table, number_of, terms
from plainnet.pages.shell import page

__all__ = ["PAGE", "validation_page"]

RANKED, TENTH = 2_000, 90.0
"""Networks in the chart of ranks at most; where the best tenth begins there, in hundredths."""
NAMED = 500
"""Networks that all say their names when they are pointed at; of more, some of the best tenth do."""
Point = tuple[float, float]
"""A network's score and accuracy."""


def validation_page(facts: Mapping[str, Any]) -> str:
    """The page about a score on one set. facts: what `plainnet validate SCORE --json` prints."""
    points = [(number_of(score), accuracy) for _, score, accuracy in facts["scores"]]
    names = [name for name, _, _ in facts["scores"]]
    proxy, figures = facts["proxy"], {facts["proxy"]: facts["agreement"], **facts["baselines"]}
    for name, (spearman, kendall) in (facts["ceiling"] or {}).items():
        figures[name.replace("_", " ")] = {"spearman": [spearman] * 3, "kendall": [kendall] * 3}
    best = max(range(len(points)), key=lambda number: points[number][0])  # the first of equals
    spearman, kendall = (number_of(facts["agreement"][name][0]) for name in ("spearman", "kendall"))
    note = _INTERVALS.format(facts["resamples"]) if facts["resamples"] else ""
    main = [
        cards(
            [
                (significant(round(spearman, 3), 3), "Spearman"),
                (significant(round(kendall, 3), 3), "Kendall"),
                (
                    f"{points[best][1]:.2f} of {max(point[1] for point in points):.2f}",
                    "accuracy of the best-scored network, of the best there is",
                ),
                (f"{len(points):,}", "networks"),
            ]
        ),
        section("Score against accuracy", _cloud(proxy, points, names, best, spearman), note=_CLOUD),
        section("Rank against rank", _ranks(proxy, points), note=_RANKS),
        section("The figures", figures_table(figures), terms(), note=note),
    ]
    return page(f"{proxy} on {facts['table']}", _header(facts, len(points)), main)


def _header(facts: Mapping[str, Any], count: int) -> str:
    distinct, unscored = facts["distinct_networks"], len(facts["unscored"])
    different = f", {distinct:,} different ones" if distinct != count else ""
    title = escaped(f"{facts['proxy']} on {facts['table']}")
    left_out = warning(f"{unscored:,} networks have no score and are left out.") if unscored else ""
    return f"<h1>{title}</h1><p class='lead'>{count:,} trained networks{different}</p>{left_out}"


_CLOUD = (
    "Each dot is a trained network; the strong ones are of the tenth that trained best, the diamond is the one that the score "
    "likes best. A score that ranked perfectly would rise from left to right without a scatter."
)
_INTERVALS = "The small line below each figure is its 95 % interval, from {:,} bootstrap resamples."


def _cloud(proxy: str, points: Sequence[Point], names: Sequence[str], best: int, spearman: float) -> str:
    order = sorted(range(len(points)), key=lambda number: points[number][0])
    bar = sorted((point[1] for point in points), reverse=True)[max(0, math.ceil(len(points) / 10) - 1)]
    top = [number for number in order if points[number][1] >= bar]
    shown = top[:: -(-len(top) // 150)]
    others = [number for number in order if points[number][1] < bar]

    def marked(name: str, tone: str, numbers: Sequence[int]) -> Series:
        said = [f"{names[each]}\nscore {points[each][0]:.4g}\naccuracy {points[each][1]:.2f}" for each in numbers]
        return Series(name, [points[each] for each in numbers], kind="dots", tone=tone, said=said)

    few = len(points) <= NAMED
    series = [
        marked("networks", "cloud", others)
        if few
        else Series("networks", [points[each] for each in order], kind="cloud", tone="cloud"),
        marked("the best tenth", "accent", top if few else shown),
        Series("best-scored", [points[best]], kind="dots", tone="best", said=[f"{names[best]}\nbest-scored"]),
    ]
    says = f"Accuracy over the score {proxy} of {len(points):,} networks: Spearman {spearman:.3f}"
    return chart(series, Axis(proxy), Axis("accuracy"), says=says, height=520)


_RANKS = (
    "The same networks in the order of each, in hundredths from the worst to the best: what the score ranks right lies on the "
    "diagonal. To the right of the upright line is the tenth that the score likes best, above the level one the tenth that "
    "trained best."
)


def _ranks(proxy: str, points: Sequence[Point]) -> str:
    across, up = (_hundredths([point[side] for point in points]) for side in (0, 1))
    pairs = sorted(zip(across, up, strict=True))[:: -(-len(points) // RANKED)]
    both = sum(x >= TENTH and y >= TENTH for x, y in zip(across, up, strict=True))
    top = max(1, sum(y >= TENTH for y in up))
    series = [
        Series("networks", [pair for pair in pairs if min(pair) < TENTH], kind="cloud", tone="cloud"),
        Series("in the best tenth of both", [pair for pair in pairs if min(pair) >= TENTH], kind="dots", tone="accent"),
        Series("the order of a perfect score", [(0, 0), (100, 100)], tone="soft"),
        Series("the best tenths", [(0, TENTH), (100, TENTH), (100, None), (TENTH, 0), (TENTH, 100)], tone="done"),
    ]
    says = f"Of the tenth that trained best, {both / top:.0%} are in the tenth that the score {proxy} likes best"
    x, y = Axis(f"rank by {proxy} (%)", low=0, high=100), Axis("rank by accuracy (%)", low=0, high=100)
    return chart(series, x, y, says=says, height=460)


def _hundredths(values: Sequence[float]) -> list[float]:
    """The rank of each value, from 0 for the lowest to 100 for the highest; equal ones share theirs."""
    order = sorted(values)
    places = {value: (bisect_left(order, value) + bisect_right(order, value) - 1) / 2 for value in set(values)}
    return [100 * places[value] / max(1, len(values) - 1) for value in values]


PAGE = Page("validation", validation_page)
