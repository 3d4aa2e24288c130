"""The page about what a score is worth on every set of trained networks, side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from plainnet.pages.page import Page
from plainnet.pages.parts import Html, cards, escaped, section, table
from plainnet.pages.shell import page
from plainnet.pages.validation_page import terms

__all__ = ["PAGE", "sets_page"]


def sets_page(facts: Mapping[str, Any]) -> str:
    """The page about a score on several sets. facts: `proxy`, `columns` (the score and what it stands beside), `sets` (name,
    networks, Spearman for each column), `mean` and `worst` for each column. None is no score.
    """
    columns = facts["columns"]
    rows = [
        [name, "–" if networks is None else f"{networks:,}", *(_heat(value) for value in values)]
        for name, networks, values in facts["sets"]
    ]
    rows += [[Html(f"<b>{name}</b>"), "", *(_heat(value) for value in facts[name])] for name in ("mean", "worst")]
    own = [facts["mean"][0], facts["worst"][0]]
    figures = [
        ("–" if value is None else f"{value:.3f}", name)
        for value, name in zip(own, ("mean Spearman", "worst"), strict=True)
    ]
    main = [
        cards([*figures, (f"{len(facts['sets'])}", "sets of trained networks")]),
        section("Score by set", table(["set", "networks", *columns], rows, left=1, kind="heat"), terms(), note=_HEAT),
    ]
    title = f"{facts['proxy']} on every set"
    header = f"<h1>{escaped(title)}</h1><p class='lead'>A score is worth what it is worth where it is worth least.</p>"
    return page(title, header, main)


_HEAT = (
    "Spearman rank correlation with the accuracy of trained networks; the stronger the shade, the better. A figure on one set is "
    "a property of that set."
)


def _heat(value: float | None) -> Html:
    if value is None or not math.isfinite(value):
        return Html("–")
    shade = min(6, max(0, math.floor(7 * value)))
    return Html(f"<span class='h{shade}'>{value:.3f}</span>")


PAGE = Page("validation on every set", sets_page)
