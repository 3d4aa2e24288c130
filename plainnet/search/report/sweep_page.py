"""The page about a sweep: the front, and the structure of each point of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from plainnet.errors import UsageError
from plainnet.search.report.page import fill, write_page
from plainnet.search.report.parts import copyable, escaped, exact, rounded, significant
from plainnet.search.runs.sweep import Outcome, beaten, score_name
from plainnet.search.store import COSTS

__all__ = ["write_sweep"]


BEATEN = (
    "Networks off the line are worse than one of another budget, which theirs would allow: more candidates would help."
)


def write_sweep(outcomes: Sequence[Outcome], path: Path, *, command: str, higher: bool = True) -> Path:
    """Write the page; its path. `command`: what makes the sweep again; `higher`: whether the score is to be large."""
    results = [(outcome, outcome.result) for outcome in outcomes if outcome.result is not None]
    if not results:
        raise UsageError("no budget of the sweep gave a network")
    best = [result["best"] for _, result in results]
    budget = results[0][0].budget
    scores = [key for key in best[0] if key not in ("structure", "hash", *COSTS)]
    costs = [name for name in COSTS if any(each.get(name) is not None for each in best)]
    name, worse = score_name(outcomes), beaten(outcomes, higher=higher)
    cost = budget if budget in costs else "macs"
    seconds = sum(result["seconds"] for _, result in results)
    proposed = sum(result["candidates"] for _, result in results)
    head = [f"{budget.replace('_', ' ')} limit", *scores, *costs]
    parts = {
        "title": escaped(f"{len(results)} budgets of {budget.replace('_', ' ')}"),
        "about": escaped(f"{rounded(proposed)} candidates in {seconds:,.0f} s of searching"),
        "problems": "".join(
            f"<p class='warn'>{escaped(budget)} ≤ {exact(each.limit)}: {escaped(each.problem.splitlines()[0])}</p>"
            for each in outcomes
            if each.problem
        ),
        "note": BEATEN if worse else "",
        "head": "".join(f"<th>{escaped(each)}</th>" for each in head),
        "rows": "".join(
            _row(outcome, each, scores, costs, worse=outcome in worse)
            for (outcome, _), each in zip(results, best, strict=True)
        ),
        "reproduce": copyable(command),
    }
    points = [
        [each[cost], each[name], each["structure"], each["hash"], outcome not in worse]
        for (outcome, _), each in zip(results, best, strict=True)
    ]
    points.sort(key=lambda point: point[0])
    return write_page(fill("sweep.html", parts, {"front": {"points": points, "x": cost, "y": name}}), path)


def _row(outcome: Outcome, best: dict[str, Any], scores: Sequence[str], costs: Sequence[str], *, worse: bool) -> str:
    cells = [exact(outcome.limit)]
    cells += ["–" if best.get(name) is None else significant(best[name]) for name in scores]
    cells += ["–" if best.get(name) is None else exact(best[name]) for name in costs]
    structure = escaped(best["structure"])
    return (
        f"<tr{' class=beaten' if worse else ''}>"
        + "".join(f"<td>{cell}</td>" for cell in cells)
        + f"<td class='structure' title='{structure}'><code>{escaped(best['hash'])}</code>"
        f"<button data-copy='{structure}'>Copy</button></td></tr>"
    )
