"""The page about what a score is worth on one set: every network of it as a point."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from plainnet.pages.charts import Axis, Series, chart
from plainnet.pages.page import Page
from plainnet.pages.parts import Html, cards, details, escaped, section, significant, table, warning
from plainnet.pages.shell import page

__all__ = ["PAGE", "terms", "validation_page"]

TERMS = (
    (
        "Spearman",
        "rank correlation: 1 where the score puts the networks in the order of their accuracies, 0 where it says nothing of it",
    ),
    (
        "Kendall",
        "of all pairs of networks, the share that the score puts in the right order less the share in the wrong one",
    ),
    ("top 1 %, top 10 %", "the share of the best networks that are among as many best-scored ones"),
    ("regret", "what the best-scored network lacks to the best accuracy there is, in its unit"),
    ("another training", "how well one training of these networks ranks another: what noise leaves to reach"),
)


RANKED, TENTH = 2_000, 90.0
"""Networks in the chart of ranks at most; where the best tenth begins there, in hundredths."""
NAMED = 500
"""Networks that all say their names when they are pointed at; of more, some of the best tenth do."""


def validation_page(facts: Mapping[str, Any]) -> str:
    """The page about a score on one set. facts: `proxy`, `set`, `networks`, `distinct`, `resamples`, `figures` (rows of name and
    (value, low, high) for each term), `points` ((score, accuracy) each), `names`, `best` (its place), `unscored`.
    """
    best, points = facts["best"], facts["points"]
    reached = f"{points[best][1]:.2f} of {max(point[1] for point in points):.2f}"
    spearman = facts["figures"][0][1][0]
    main = [
        cards(
            [
                (significant(round(spearman[0], 3), 3), "Spearman"),
                (significant(round(facts["figures"][0][1][1][0], 3), 3), "Kendall"),
                (reached, "accuracy of the best-scored network, of the best there is"),
                (f"{len(points):,}", "networks"),
            ]
        ),
        section("Score against accuracy", _cloud(facts), note=_CLOUD),
        section("Rank against rank", _ranks(facts), note=_RANKS),
        section(
            "The figures",
            _figures(facts),
            terms(),
            note=_INTERVALS.format(facts["resamples"]) if facts["resamples"] else "",
        ),
    ]
    different = f", {facts['distinct']:,} different ones" if facts["distinct"] != len(points) else ""
    title = f"{facts['proxy']} on {facts['set']}"
    header = f"<h1>{escaped(title)}</h1><p class='lead'>{len(points):,} trained networks{different}</p>"
    if facts["unscored"]:
        header += warning(f"{facts['unscored']:,} networks have no score and are left out.")
    return page(title, header, main)


_CLOUD = (
    "Each dot is a trained network; the strong ones are of the tenth that trained best, the diamond is the one that the score "
    "likes best. A score that ranked perfectly would rise from left to right without a scatter."
)
_INTERVALS = "The small line below each figure is its 95 % interval, from {:,} bootstrap resamples."


def _cloud(facts: Mapping[str, Any]) -> str:
    points, names, best = facts["points"], facts["names"], facts["best"]
    order = sorted(range(len(points)), key=lambda number: points[number][0])
    bar = sorted((point[1] for point in points), reverse=True)[max(0, math.ceil(len(points) / 10) - 1)]
    top = [number for number in order if points[number][1] >= bar]
    shown = top[:: -(-len(top) // 150)]
    others = [number for number in order if points[number][1] < bar]

    def marked(name: str, tone: str, numbers: Sequence[int]) -> Series:
        said = [f"{names[each]}\nscore {points[each][0]:.4g}\naccuracy {points[each][1]:.2f}" for each in numbers]
        return Series(name, [tuple(points[each]) for each in numbers], kind="dots", tone=tone, said=said)

    few = len(points) <= NAMED
    series = [
        marked("networks", "cloud", others)
        if few
        else Series("networks", [tuple(points[each]) for each in order], kind="cloud", tone="cloud"),
        marked("the best tenth", "accent", top if few else shown),
        Series("best-scored", [tuple(points[best])], kind="dots", tone="best", said=[f"{names[best]}\nbest-scored"]),
    ]
    says = f"Accuracy over the score {facts['proxy']} of {len(points):,} networks: Spearman {facts['figures'][0][1][0][0]:.3f}"
    return chart(series, Axis(facts["proxy"]), Axis("accuracy (%)"), says=says, height=520)


_RANKS = (
    "The same networks in the order of each, in hundredths from the worst to the best: what the score ranks right lies on the "
    "diagonal. To the right of the upright line is the tenth that the score likes best, above the level one the tenth that "
    "trained best."
)


def _ranks(facts: Mapping[str, Any]) -> str:
    points = facts["points"]
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
    says = (
        f"Of the tenth that trained best, {both / top:.0%} are in the tenth that the score {facts['proxy']} likes best"
    )
    x, y = Axis(f"rank by {facts['proxy']} (%)", low=0, high=100), Axis("rank by accuracy (%)", low=0, high=100)
    return chart(series, x, y, says=says, height=460)


def _hundredths(values: Sequence[float]) -> list[float]:
    """The rank of each value, from 0 for the lowest to 100 for the highest; equal ones share theirs."""
    order = sorted(values)
    places = {value: (bisect_left(order, value) + bisect_right(order, value) - 1) / 2 for value in set(values)}
    return [100 * places[value] / max(1, len(values) - 1) for value in values]


def _figures(facts: Mapping[str, Any]) -> Html:
    rows = [[name, *(_figure(each) for each in values)] for name, values in facts["figures"]]
    return table(["score", "Spearman", "Kendall", "top 1 %", "top 10 %", "regret"], rows, left=1, kind="figures")


def _figure(found: Sequence[float] | None) -> Html:
    """A value with its interval on a small line of its own, both no finer than the interval."""
    if found is None or not math.isfinite(found[0]):
        return Html("–")
    value, low, high = found
    if not (math.isfinite(low) and high > low):
        return Html(f"{value:.3f}")
    after = max(2, 1 - math.floor(math.log10((high - low) / 2)))
    return Html(f"{value:.{after}f}<br><small>{low:.{after}f} to {high:.{after}f}</small>")


def terms() -> Html:
    """What the words of the figures mean, folded."""
    lines = "".join(f"<dt>{escaped(name)}</dt><dd>{escaped(text)}</dd>" for name, text in TERMS)
    return details("What the terms mean", f"<dl>{lines}</dl>")


PAGE = Page("validation", validation_page)
