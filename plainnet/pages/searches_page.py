"""The page of several searches side by side: what each was asked, what it found, and how fast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from plainnet.pages.charts import Axis, Series, chart
from plainnet.pages.drawing import DRAWN, draw_blocks
from plainnet.pages.page import Page
from plainnet.pages.parts import (
    Html,
    copyable,
    escaped,
    exact,
    in_percent,
    in_seconds,
    rounded,
    section,
    significant,
    table,
)
from plainnet.pages.run_parts import picked, score_cell
from plainnet.pages.shell import page
from plainnet.pages.training_curves import TONES

__all__ = ["PAGE", "searches_page"]

Runs = Sequence[Mapping[str, Any]]
_APART = "They maximise different scores, or have different axes, so that there is a chart for each of these."
_FOUND = (
    "The best of each run, by its own ladder. A bound is proven of all networks of that run's space within its budgets."
)


def searches_page(facts: Mapping[str, Any]) -> str:
    """Several searches on one page. facts: `title`, and `runs` with the facts of a search each, `title` apart from each other."""
    runs: Runs = facts["runs"]
    main = [
        section("What was asked", _asked(runs)),
        section("What was found", _found(runs), note=_FOUND),
        section("The best so far", *(_history(some) for some in _alike(runs, _scored)), note=_note(runs, _scored)),
        section(
            "The fronts",
            *(_front(some) for some in _alike(runs, _axes)),
            picked(runs[0]["best"][0]["structure"]),
            note=f"Point at a network to see its figures; click to pick it. {_note(runs, _axes)}".strip(),
        ),
        section("The winners", *map(_winner, runs), note=DRAWN),
    ]
    return page(facts["title"], f"<h1>{escaped(facts['title'])}</h1><p class='lead'>{len(runs)} searches</p>", main)


def _scored(run: Mapping[str, Any]) -> tuple[str, ...]:
    return (run["history"]["name"],)


def _axes(run: Mapping[str, Any]) -> tuple[str, ...]:
    return run["front"]["x"], run["front"]["y"]


def _alike(runs: Runs, by: Any) -> list[Runs]:
    """The runs that can be in one chart, together."""
    groups: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for run in runs:
        groups.setdefault(by(run), []).append(run)
    return list(groups.values())


def _note(runs: Runs, by: Any) -> str:
    return _APART if len(_alike(runs, by)) > 1 else ""


def _asked(runs: Runs) -> Html:
    rows = [
        [
            run["title"],
            run["space"],
            ", ".join(run["objectives"]),
            ", ".join(f"{name.replace('_', ' ')} ≤ {rounded(limit)}" for name, (limit, _) in run["limits"].items())
            or "–",
            run["input"],
            run["strategy"],
            run["state"],
        ]
        for run in runs
    ]
    return table(["run", "space", "objectives", "budgets", "input", "strategy", "state"], rows, left=7, stacks=True)


def _found(runs: Runs) -> Html:
    scores = list(dict.fromkeys(name for run in runs for name in run["best"][0]["scores"]))
    words = {name: run["words"].get(name, name) for run in runs for name in run["best"][0]["scores"]}
    rows = []
    for run in runs:
        result, best = run["result"], run["best"][0]
        bound = result["bound"] or {}
        rows.append(
            [
                run["title"],
                *(score_cell(best, name) for name in scores),
                *(exact(result["best"][name]) for name in ("params", "macs", "layers")),
                "–" if bound.get("bound") is None else significant(bound["bound"]),
                "–" if bound.get("gap") is None else in_percent(bound["gap"], digits=2),
                f"{result['candidates']:,}",
                in_seconds(result["seconds"]),
            ]
        )
    named = [words[name] for name in scores]
    return table(
        ["run", *named, "params", "MACs", "layers", "bound", "gap", "candidates", "time"], rows, left=1, stacks=True
    )


def _history(runs: Runs) -> str:
    """How fast each came how far; each with its own candidates."""
    name = runs[0]["history"]["name"]
    series = [
        Series(run["title"], [tuple(step) for step in run["history"]["best"]], "steps", TONES[number % len(TONES)])
        for number, run in enumerate(runs)
    ]
    ends = ", ".join(f"{run['title']} {significant(run['history']['best'][-1][1])}" for run in runs)
    return chart(
        series, Axis("candidates", low=0), Axis(name), says=f"The best {name} so far ends at {ends}", height=300
    )


def _front(runs: Runs) -> str:
    x, y = _axes(runs[0])
    series = []
    for number, run in enumerate(runs):
        points = run["front"]["points"]
        series.append(
            Series(
                run["title"],
                [(point[0], point[1]) for point in points],
                "dots",
                TONES[number % len(TONES)],
                said=[f"{run['title']}\n{at[3]}\n{x}: {at[0]:,.6g}\n{y}: {at[1]:,.6g}" for at in points],
                picks=[point[2] for point in points],
            )
        )
    along = [point[0] for run in runs for point in run["front"]["points"]]
    wide = bool(along) and min(along) > 0 and max(along) / min(along) > 20
    return chart(series, Axis(x, log=wide), Axis(y), says=f"The fronts of {len(runs)} searches: {y} against {x}")


def _winner(run: Mapping[str, Any]) -> str:
    drawing = f"<div class='scroll' tabindex='0'>{draw_blocks(run['blocks'])}</div>"
    return f"<h3>{escaped(run['title'])}</h3>{drawing}{copyable(run['best'][0]['structure'])}"


PAGE = Page("searches", searches_page)
