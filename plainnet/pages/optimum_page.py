"""The page about an exact search: the network, both bounds as they met, what is proven."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from plainnet.pages.charts import Axis, Series, chart
from plainnet.pages.drawing import DRAWN, draw_blocks
from plainnet.pages.page import Page
from plainnet.pages.parts import (
    Html,
    cards,
    details,
    escaped,
    exact,
    in_percent,
    in_seconds,
    rounded,
    section,
    significant,
    table,
)
from plainnet.pages.run_parts import (
    best_table,
    configuration,
    next_part,
    picked,
    reproduce_part,
    trust_table,
    winner_part,
)
from plainnet.pages.shell import page

__all__ = ["PAGE", "optimum_page"]

_BOUNDS = "The best network that is known, and what is proven of all others. Where they meet, nothing is left to find."
_MET = (
    "Below the proven bound: no network of the space within the budgets lies above it. Point at a network to see it; click to "
    "pick it."
)
_TRUST = Html("Rank correlation with the accuracy of trained networks, as <code>plainnet validate</code> measured it.")


def optimum_page(facts: Mapping[str, Any]) -> str:
    """The page that tells these facts."""
    known = bool(facts["best"])
    drawing = f'<div class="scroll" tabindex="0">{draw_blocks(facts["blocks"])}</div>' if known else ""
    nothing = "<p class='note'>No network within the budgets was met.</p>"
    main = [
        _cards(facts),
        section("The best network", drawing, winner_part(facts) if known else nothing, note=DRAWN if known else ""),
        section("Both bounds", _bounds(facts), note=_BOUNDS),
        section("What is proven", _claim(facts["result"], maximise=facts["maximise"])),
        section(
            "The networks that were met",
            _met(facts),
            picked(facts["best"][0]["structure"]) + next_part(facts) if known else "",
            note=_MET,
        ),
        section("The best ten", best_table(facts) if known else nothing, note=_TEN),
        section("How far to trust the objective", trust_table(facts), note=_TRUST),
        section("How to reproduce it", reproduce_part(facts), configuration(facts)),
    ]
    return page(f"{facts['title']} · {facts['space']}", _header(facts), main)


_TEN = "Of those that were met. Costs are for one image, the classifier included."


def _header(facts: Mapping[str, Any]) -> str:
    limits = [f"{name.replace('_', ' ')} ≤ {rounded(limit)}" for name, (limit, _) in facts["limits"].items()]
    way = "maximises" if facts["maximise"] else "minimises"
    asked = [f"{way} {facts['objective']}", *(limits or ["no budgets"]), f"input {facts['input']}"]
    shown = "" if facts["state"] == "finished" else f'<span class="state">{escaped(facts["state"])}</span>'
    return (
        f"<h1>The optimum of {escaped(facts['space'])}{shown}</h1>"
        f"<p class='lead'>Computed, not drawn by lot: what is above the bound does not exist in this space.</p>"
        f"<p class='sub'>{escaped(' · '.join(asked))} · {escaped(facts['created'])}</p>"
    )


def _shown(value: float | None) -> str:
    return "–" if value is None else significant(value)


def _cards(facts: Mapping[str, Any]) -> str:
    result = facts["result"]
    return cards(
        [
            (_shown(result["value"]), f"{facts['objective']}, the best"),
            (_shown(result["bound"]), "proven bound"),
            ("–" if result["gap"] is None else in_percent(result["gap"], digits=3), "gap"),
            (result["reason"], "outcome"),
            (in_seconds(result["seconds"]), "in all"),
        ]
    )


def _claim(result: dict[str, Any], *, maximise: bool) -> str:
    """What is proven, for which widths, and what budgets are worth."""
    than = "more" if maximise else "less"
    of_all = "of the widths below" if result["sampled"] else "of the space"
    said = {
        "infeasible": f"No network {of_all} is within the budgets: proven.",
        "none found": "No network within the budgets is known yet.",
    }.get(result["reason"], "")
    if result["bound"] is not None:
        said += f" No network {of_all} within the budgets has {than} than {significant(result['bound'], 9)}"
        said += f" (proven by {result['proof']})." if result["proof"] else "."
    if result["sampled"]:
        said += f" Other widths of the space were not looked at, and nothing is proven of them: {result['sampled']}."
    prices = [
        [
            name.replace("_", " "),
            exact(result["limits"][name]),
            significant(price, 4),
            significant(price * result["limits"][name] / 100, 4),
        ]
        for name, price in result["prices"].items()
        if price
    ]
    paid = table(["budget", "limit", "about what one more is worth", "1 % more"], prices, left=1) if prices else ""
    grid = "".join(f"<li>{escaped(line)}</li>" for line in result["grid"])
    return f"<p>{escaped(said.strip())}</p>{paid}" + details(
        "The widths that this holds for, block by block", f"<ul>{grid}</ul>"
    )


def _bounds(facts: Mapping[str, Any]) -> str:
    steps = facts["bounds"]
    value = Series("best network", [(at, value) for at, value, _ in steps], kind="steps", tone="best")
    bound = Series("proven bound", [(at, bound) for at, _, bound in steps], kind="steps", tone="out")
    # The first bounds are far out: what is near the end is in sight.
    known = [each for each in (steps[-1][1:] if steps else ()) if each is not None]
    middle = known[0] if known else 0.0
    room = max([0.1 * abs(middle), *(2 * abs(each - middle) for each in known)]) or 1.0
    within = (middle - room, middle + room)
    result = facts["result"]
    says = f"After {in_seconds(result['seconds'])} the best network has {_shown(result['value'])}, the bound is "
    says += _shown(result["bound"])
    return chart([bound, value], Axis("seconds", low=0), Axis(facts["objective"], within=within), says=says)


def _met(facts: Mapping[str, Any]) -> str:
    met, bound = facts["met"], facts["result"]["bound"]
    best = facts["best"][0]["hash"] if facts["best"] else ""
    others = [point for point in met["points"] if point[3] != best]
    shown = [
        _networks("networks", others, facts, kind="dots", tone="best"),
        _networks("the best", [each for each in met["points"] if each[3] == best], facts, kind="winner", tone="done"),
    ]
    points = met["points"]
    if bound is not None and points:
        ends = [points[0][0], met["limit"] or points[-1][0]]
        shown.append(Series("proven bound", [(at, bound) for at in ends], tone="out"))
    says = f"{len(points)} networks that were met, all below the proven bound {_shown(bound)}"
    return chart(shown, Axis(met["axis"]), Axis(facts["objective"]), says=says)


def _networks(name: str, points: Sequence[Sequence[Any]], facts: Mapping[str, Any], *, kind: str, tone: str) -> Series:
    axis = facts["met"]["axis"]
    return Series(
        name,
        [(point[0], point[1]) for point in points],
        kind=kind,
        tone=tone,
        said=[f"{point[3]}\n{facts['objective']}: {point[1]:,.6g}\n{axis}: {point[0]:,.6g}" for point in points],
        picks=[point[2] for point in points],
        names=[point[3] for point in points],
    )


PAGE = Page("optimum", optimum_page)
