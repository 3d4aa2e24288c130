"""The page about a sweep: the best network under each limit, what lies between them, and what is proven."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from plainnet.pages.charts import Axis, Series, chart
from plainnet.pages.drawing import DRAWN, draw_blocks
from plainnet.pages.page import Page
from plainnet.pages.parts import (
    Html,
    address,
    copyable,
    escaped,
    exact,
    in_seconds,
    rounded,
    section,
    short_structure,
    significant,
    table,
    warning,
)
from plainnet.pages.run_parts import picked
from plainnet.pages.shell import page

__all__ = ["PAGE", "sweep_page"]

DRAWINGS = 6
_BEATEN = (
    "Networks off the line are worse than one of another budget, which theirs would allow: more candidates would help."
)
_PROVEN = "The steps are proven: no network of the space that costs so much or less lies above them."


def sweep_page(facts: Mapping[str, Any]) -> str:
    """The page that tells these facts."""
    lines, solved = facts["lines"], facts["solved"]
    few, many = ("optimum under a limit", "optima under limits") if solved else ("budget", "budgets")
    title = f"{len(lines)} {few if len(lines) == 1 else many} of {facts['budget']}"
    lead = "Solved under each limit: what is above the bound does not exist." if solved else _LEAD
    seconds = in_seconds(facts["seconds"])
    if facts["space"]:
        lead = f"Space <b>{escaped(facts['space'])}</b> — {lead[0].lower()}{lead[1:]}"
    about = f"solved in {seconds}" if solved else f"{rounded(facts['proposed'])} candidates in {seconds} of searching"
    sub = " · ".join([*facts["asked"], about])
    problems = "".join(warning(f"{facts['budget']} ≤ {exact(limit)}: {text}") for limit, text in facts["problems"])
    header = f"<h1>{escaped(title)}</h1><p class='lead'>{lead}</p><p class='sub'>{escaped(sub)}</p>{problems}"
    more = _PROVEN if solved else _BEATEN if any(line["beaten"] for line in lines) else ""
    main = [
        section("Score against cost", _front(facts), picked(lines[-1]["structure"]), note=f"{_POINT} {more}".strip()),
        *_drawings(facts),
        section("The networks", _networks(facts), note=_NETWORKS),
        section("How to reproduce it", copyable(facts["command"])),
    ]
    return page(title, header, main)


_LEAD = "One search for each budget: the front of what is to be had."
_POINT = (
    "Point at a network to see it; click to pick it. A limit holds for all that costs less, so the line goes in steps."
)
_NETWORKS = "The best network under each limit. Costs are for one image, the classifier included."


def _front(facts: Mapping[str, Any]) -> str:
    lines = sorted(facts["lines"], key=_cost)
    best = [line for line in lines if not line["beaten"]]
    worse = [line for line in lines if line["beaten"]]
    is_same = facts["cost"] == facts["budget"]
    limits = [line["limit"] for line in facts["lines"]] if is_same else []
    reached = _places(best)
    if is_same and reached:  # the best network is as good under all that the largest limit allows
        reached.append((max([*limits, reached[-1][0]]), reached[-1][1]))
    shown = [Series("found" if not facts["solved"] else "reached", reached, kind="steps", tone="best")]
    if facts["bounds"]:
        shown.insert(
            0, Series("proven bound", [tuple(each) for each in facts["bounds"]], kind="steps-before", tone="out")
        )
    shown.append(_dots("networks", best, facts, "best"))
    if worse:
        shown.append(_dots("beaten by another budget's", worse, facts, "cloud"))
    costs = [line["cost"] for line in lines]
    wide = min(costs) > 0 and max(costs) / min(costs) > 20
    says = f"{facts['value']} goes from {significant(lines[0]['value'])} to {significant(lines[-1]['value'])} as "
    says += f"{facts['cost']} goes from {rounded(costs[0])} to {rounded(costs[-1])}"
    label = f"{facts['cost']}, the budgets marked" if is_same else facts["cost"]
    return chart(shown, Axis(label, log=wide, at=limits), Axis(facts["value"]), says=says)


def _places(lines: list[dict[str, Any]]) -> list[tuple[float, float | None]]:
    return [(line["cost"], line["value"]) for line in lines]


def _dots(name: str, lines: list[dict[str, Any]], facts: Mapping[str, Any], tone: str) -> Series:
    said = [
        f"{line['hash']}\n{facts['value']}: {line['value']:,.6g}\n{facts['cost']}: {line['cost']:,.6g}\n"
        f"limit: {exact(line['limit'])}"
        for line in lines
    ]
    return Series(name, _places(lines), kind="dots", tone=tone, said=said, picks=[line["structure"] for line in lines])


def _drawings(facts: Mapping[str, Any]) -> list[Html]:
    """The networks of the front from the cheapest to the dearest, so many at most, evenly picked."""
    front = sorted((line for line in facts["lines"] if not line["beaten"] and line["blocks"]), key=_cost)
    if not front:
        return []
    count = min(DRAWINGS, len(front))
    some = [front[round(each * (len(front) - 1) / max(1, count - 1))] for each in range(count)]
    parts = [
        f"<h3>{escaped(facts['budget'])} ≤ {exact(line['limit'])}: {escaped(facts['value'])} {significant(line['value'])}</h3>"
        f"<div class='scroll' tabindex='0'>{draw_blocks(line['blocks'], beside=[each['blocks'] for each in some])}</div>"
        for line in some
    ]
    more = f" {count} of {len(front)}, evenly picked." if count < len(front) else ""
    return [section("Along the front", *parts, note=f"{DRAWN} All are drawn at one scale.{more}")]


def _cost(line: Mapping[str, Any]) -> float:
    return float(line["cost"])


def _networks(facts: Mapping[str, Any]) -> Html:
    head = ["structure", f"{facts['budget']} limit", *facts["scores"], *facts["costs"]]
    linked = any(line["page"] for line in facts["lines"])
    rows = [
        [
            short_structure(line["hash"], line["structure"]),
            *([Html(f'<a href="{address(line["page"])}">page</a>')] if linked else []),
            exact(line["limit"]),
            *(_cell(value) for value in line["scores"]),
            *("–" if value is None else exact(value) for value in line["costs"]),
        ]
        for line in facts["lines"]
    ]
    if linked:
        head.insert(1, "run")
    return table(head, rows, left=2 if linked else 1, stacks=True)


def _cell(value: float | str | None) -> str:
    return "–" if value is None else value if isinstance(value, str) else significant(value, 7)


PAGE = Page("sweep", sweep_page)
