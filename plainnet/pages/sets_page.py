"""The page about what a score is worth on every set of trained networks, side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from plainnet.pages.page import Page
from plainnet.pages.parts import Html, cards, escaped, section, table
from plainnet.pages.ranking_figures import number_of, terms
from plainnet.pages.shell import page

__all__ = ["PAGE", "sets_page"]


def sets_page(facts: Mapping[str, Any]) -> str:
    """The page about a score on several sets. facts: what `plainnet validate SCORE --set all --json` prints."""
    mean, sets = facts["mean"], facts["sets"]
    worst = {name: None if found is None else found[1] for name, found in facts["worst"].items()}
    rows = [
        [
            name,
            "–" if found is None else f"{found['networks']:,}",
            *(_heat(_spearman(facts, found, each)) for each in mean),
        ]
        for name, found in sets.items()
    ]
    rows += [
        [Html(f"<b>{name}</b>"), "", *(_heat(found[each]) for each in mean)]
        for name, found in (("mean", mean), ("worst", worst))
    ]
    own = [mean[facts["proxy"]], worst[facts["proxy"]]]
    figures = [
        ("–" if value is None else f"{value:.3f}", name)
        for value, name in zip(own, ("mean Spearman", "worst"), strict=True)
    ]
    main = [
        cards([*figures, (f"{len(sets)}", "sets of trained networks")]),
        section("Score by set", table(["set", "networks", *mean], rows, left=1, kind="heat"), terms(), note=_HEAT),
    ]
    title = f"{facts['proxy']} on every set"
    header = f"<h1>{escaped(title)}</h1><p class='lead'>A score is worth what it is worth where it is worth least.</p>"
    return page(title, header, main)


_HEAT = (
    "Spearman rank correlation with the accuracy of trained networks; the stronger the shade, the better. A figure on one set is "
    "a property of that set."
)


def _spearman(facts: Mapping[str, Any], found: Mapping[str, Any] | None, score: str) -> float | None:
    """Of a score, or of one that it stands beside, on a set."""
    if found is None:
        return None
    figures = found["agreement"] if score == facts["proxy"] else found["baselines"].get(score)
    return None if figures is None else number_of(figures["spearman"][0])


def _heat(value: float | None) -> Html:
    if value is None or not math.isfinite(value):
        return Html("–")
    shade = min(6, max(0, math.floor(7 * value)))
    return Html(f"<span class='h{shade}'>{value:.3f}</span>")


PAGE = Page("validation on every set", sets_page)
