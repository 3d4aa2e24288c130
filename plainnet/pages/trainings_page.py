"""The page of several trainings side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from plainnet.pages.page import Page
from plainnet.pages.parts import escaped, in_seconds, rounded, section, significant, table
from plainnet.pages.shell import page
from plainnet.pages.training_curves import curves_chart, metric_in_words

__all__ = ["PAGE", "trainings_page"]


def trainings_page(facts: Mapping[str, Any]) -> str:
    """Several training runs on one page, metric by metric. facts: `title`, and `runs` with the facts of a training each."""
    title, runs = facts["title"], facts["runs"]
    metrics = list(dict.fromkeys(name for run in runs for name in run["curves"]["rounds"]))
    rows = [
        [
            run["title"],
            str(run["data"]),
            run["state"],
            "–" if not run["best"] else f"{run['best']['name']} {significant(run['best']['value'], 4)}",
            "–" if not run["parameters"] else rounded(run["parameters"]),
            in_seconds(run["curves"]["seconds"]),
        ]
        for run in runs
    ]
    main = [section("The runs", table(["run", "data", "state", "best", "params", "time"], rows, left=3, stacks=True))]
    for name in metrics:
        curves = [
            (run["title"], parts.get("val") or parts.get("train") or [])
            for run in runs
            if (parts := run["curves"]["rounds"].get(name))
        ]
        main.append(
            section(
                metric_in_words(name),
                curves_chart(curves, metric_in_words(name)),
                note="Of the validation, where there is one.",
            )
        )
    return page(title, f"<h1>{escaped(title)}</h1><p class='lead'>{len(runs)} training runs</p>", main)


PAGE = Page("trainings", trainings_page)
