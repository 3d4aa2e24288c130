"""The page about a search: what won, what was to be had, how it went, and how to do it again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from plainnet.pages.bars import stacked
from plainnet.pages.charts import Axis, Series, chart
from plainnet.pages.drawing import DRAWN, draw_blocks
from plainnet.pages.explorer import explorer
from plainnet.pages.page import Page
from plainnet.pages.parts import (
    Html,
    cards,
    escaped,
    in_percent,
    in_seconds,
    measured,
    meter,
    rounded,
    section,
    significant,
    table,
    warning,
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
from plainnet.pages.threads import threads
from plainnet.pages.training_curves import curves_chart, metric_in_words

__all__ = ["PAGE", "search_page"]

FATES = (("evaluated", "accent"), ("duplicates", "repeat"), ("rejected", "soft"))


def search_page(facts: Mapping[str, Any]) -> str:
    """The page that tells these facts."""
    several = len(facts["objectives"]) > 1
    front, data = explorer(facts["explorer"], name="explorer")
    pick = "Point at one to see its figures; click to pick it."
    note = f"{_MARKED} The axes are yours to choose; faint dots are other candidates, evenly drawn. {pick}"
    main = [
        _cards(facts),
        section(
            "The best by the first objective" if several else "The winner",
            f'<div class="scroll" tabindex="0">{draw_blocks(facts["blocks"])}</div>',
            winner_part(facts),
            _bound(facts),
            note=DRAWN,
        ),
        section("Score over candidates", _history(facts), note=_HISTORY),
        section(
            "The front", front, picked(facts["best"][0]["structure"]), next_part(facts), *_threads(facts), note=note
        ),
        section("The best ten", best_table(facts), note=_TEN),
        section("How far to trust the objective", trust_table(facts), note=_TRUST),
        section("The ladder", _rungs(facts), note=_ladder_note(facts)),
        *_trained(facts),
        f'<div class="two">{section("What became of the candidates", _tally(facts), note=_FATE)}{_over_time(facts)}</div>',
        section("How to reproduce it", reproduce_part(facts), configuration(facts)),
    ]
    return page(f"{facts['title']} · {facts['space']}", _header(facts), main, data=[data])


_MARKED = "No other candidate beats the marked ones in all objectives, or they are among the best ten; the diamond is the winner."
_HISTORY = (
    "Every dot is an evaluated candidate (evenly drawn); the line is the best so far. The score here is the one that every "
    "candidate gets, and the diamond is the winner."
)
_TEN = (
    "Those that climbed highest on the ladder first; ± is the standard error of a mean. Costs are for one image, the "
    "classifier included."
)
_TRUST = Html("Rank correlation with the accuracy of trained networks, as <code>plainnet validate</code> measured it.")
_FATE = "Budgets are asked before any score."


def _header(facts: Mapping[str, Any]) -> str:
    limits = [f"{name.replace('_', ' ')} ≤ {rounded(limit)}" for name, (limit, _) in facts["limits"].items()]
    state = "" if facts["state"] == "finished" else f'<span class="state">{escaped(facts["state"])}</span>'
    about = f" — {escaped(facts['about'])}" if facts["about"] else ""
    asked = " · ".join([*facts["objectives"], *(limits or ["no budgets"]), f"input {facts['input']}"])
    warnings = "".join(warning(f"{text[0].upper() + text[1:]}.") for text in facts["advice"])
    if facts["unmet"]:
        said = Html(f"<b>Budget not met:</b> {escaped(facts['unmet'])}.")
        warnings = warning(said, loud=True) + "".join(warning(text) for text in facts["events"]) + warnings
    return (
        f"<h1>{escaped(facts['title'])}{state}</h1>"
        f"<p class='lead'>Space <b>{escaped(facts['space'])}</b>{about}</p>"
        f"<p class='sub'>{escaped(asked)}</p>"
        f"<p class='sub'>{escaped(facts['strategy'])} · {escaped(facts['created'])}</p>{warnings}"
    )


def _cards(facts: Mapping[str, Any]) -> str:
    result = facts["result"]
    best, count = result["best"], result["candidates"]
    winner, name = facts["best"][0]["scores"], facts["decided_by"]
    searching, score = result["searching_seconds"], []
    if name in winner:
        error = facts["best"][0]["errors"].get(name)
        value = significant(winner[name], 5) if error is None else measured(winner[name], error)
        score = [(value, f"{facts['words'].get(name, name)} of the winner")]
    return cards(
        [
            *score,
            (rounded(best["params"]), "params"),
            (rounded(best["macs"]), "MACs"),
            (str(best["layers"]), "layers"),
            (rounded(count), _progress(facts)),
            (rounded(count / searching) if searching else "–", "candidates/s"),
            (
                in_seconds(result["seconds"]),
                "in all" + (f", {in_seconds(searching)} of it searching" if len(facts["rungs"]) > 1 else ""),
            ),
        ]
    )


def _progress(facts: Mapping[str, Any]) -> str:
    return f"of {rounded(facts['result']['asked'])} candidates" if facts["state"] == "unfinished" else "candidates"


def _bound(facts: Mapping[str, Any]) -> Html:
    """How far the best is from what is proven of the whole space."""
    proven, name = facts["result"]["bound"], facts["history"]["name"]
    if proven is None:
        return Html("")
    if proven["bound"] is None:
        return Html(f"<p class='note'>No bound is proven: {escaped(proven['reason'])}.</p>")
    than = "more" if proven["maximise"] else "less"
    best, bound = significant(proven["value"]), significant(proven["bound"])
    said = f"No network of this space within the budgets has {than} {name} than {bound}: proven. "
    gap = f", a gap of {in_percent(proven['gap'], digits=2)}" if proven["gap"] else ""
    said += f"The best that was found has {best}{gap}."
    return Html(f"<p>{escaped(said)}</p>")


def _history(facts: Mapping[str, Any]) -> str:
    history, proven = facts["history"], facts["result"]["bound"]
    points, best = history["points"], history["best"]
    bound = None if proven is None else proven["bound"]
    scores = sorted(point[1] for point in points)
    # The best are always in sight, and of the worst all but a few that would press the others together.
    low, high = (scores[round((len(scores) - 1) * share)] for share in ((0.02, 1) if history["higher"] else (0, 0.98)))
    ends = [low, high, best[-1][1], *([history["winner"][1]] if history["winner"] else [])]
    ends += [bound] if bound is not None else []
    room = 0.05 * ((max(ends) - min(ends)) or 1)
    within = (min(ends) - room, max(ends) + room)
    said = f"The best {history['name']} so far rises to {significant(best[-1][1])} in {rounded(best[-1][0])} candidates"
    cloud = Series("candidates", sorted((point[0], point[1]) for point in points), kind="cloud", tone="cloud")
    line = Series("best so far", [tuple(step) for step in best], kind="steps", tone="best")
    shown = [cloud, line]
    if history["winner"]:
        shown.append(Series("the winner", [tuple(history["winner"])], kind="winner", tone="done"))
    if bound is not None:
        shown.append(Series("proven bound", [(0, bound), (best[-1][0], bound)], tone="out"))
        said += f"; {significant(bound)} is proven to be the most" if history["higher"] else ""
    return chart(shown, Axis("candidates", low=0), Axis(history["name"], within=within), says=said)


def _threads(facts: Mapping[str, Any]) -> list[str]:
    """Parallel coordinates, where there are more objectives than a plane has axes."""
    found = facts["explorer"]
    if len(found["objectives"]) < 3:
        return []
    note = "<p class='note'>All objectives side by side: each line is a network of the front. Up is better on every axis.</p>"
    return [note, threads(found["objectives"], found["columns"], found["marks"])]


def _trained(facts: Mapping[str, Any]) -> list[Html]:
    """How the trainings of each rung that trains went."""
    found = []
    for rung in facts.get("trainings", ()):
        label = f"{metric_in_words(rung['metric'])} of the validation"
        more = f" The best {len(rung['curves'])} of {rung['of']}." if rung["of"] > len(rung["curves"]) else ""
        note = f"A line a network, by its hash; the best one first.{more}"
        found.append(section(f"The trainings of rung {rung['rung']}", curves_chart(rung["curves"], label), note=note))
    return found


def _ladder_note(facts: Mapping[str, Any]) -> str:
    rungs = [rung["rung"] for rung in facts["rungs"]]
    if len(rungs) < 2:
        return "Nothing was measured beyond the score that every candidate gets: the best by it is the winner."
    text = "What costs more is asked of fewer. Scores of a rung only pick who is measured next"
    return text + ("; the winner was measured again with fresh seeds." if "verdict" in rungs else ".")


def _rungs(facts: Mapping[str, Any]) -> str:
    rows = [
        [
            rung["rung"],
            rung["measure"],
            rung["what"],
            f"{rung['candidates']:,}",
            f"{rung['values']:,}",
            f"{rung['seconds']:,.1f}",
            significant(1e3 * rung["seconds"] / max(1, rung["values"]), 3),
        ]
        for rung in facts["rungs"]
    ]
    return table(
        ["rung", "measure", "who", "candidates", "values", "seconds", "ms each"],
        rows,
        left=3,
        kind="rungs",
        stacks=True,
    )


def _tally(facts: Mapping[str, Any]) -> str:
    whole = max(1, facts["result"]["candidates"])
    meters = "".join(
        meter(name.replace("_", " "), count / whole, f"{count:,} ({in_percent(count / whole)})", percent=False)
        for name, count in facts["tally"]
        if count
    )
    events = "".join(f"<li>{escaped(text)}</li>" for text in facts["events"])
    return meters + (f"<ul class='events'>{events}</ul>" if events else "")


def _over_time(facts: Mapping[str, Any]) -> str:
    """Only where there is time: one epoch is one bar, which the shares beside it say already."""
    epochs = facts["history"]["epochs"]
    if len(epochs) < 2:
        return ""
    bars = [(epoch[2], [epoch[at] / max(1, epoch[2]) for at in (3, 4, 5)]) for epoch in epochs]
    says = "Of each epoch's candidates, the shares that were evaluated, duplicates and rejected"
    return section(
        "Over time",
        stacked(bars, FATES, label="candidates", says=says),
        note="Share of each epoch’s candidates.",
        kind="half",
    )


PAGE = Page("search", search_page)
