"""The page about an exact search: the network, both bounds as they met, what is proven."""

from __future__ import annotations

import json
import shlex
from typing import Any

from plainnet.configs import dump_values
from plainnet.errors import RunError
from plainnet.profiler.network_drawing import draw_blocks
from plainnet.search.exact.result import Optimum
from plainnet.search.ladder.ranking import explanations, ranking
from plainnet.search.report.facts import blocks_of, lines_of, moment_of, trust_of
from plainnet.search.report.page import best_table, fill, in_seconds, reproduce_part, trust_table, winner_part
from plainnet.search.report.parts import escaped, exact, rounded, significant
from plainnet.search.report.reproduce import reproduction
from plainnet.search.runs.kept_runs import state_of
from plainnet.search.runs.optimum_state import read_state
from plainnet.search.runs.trusting import code_of, need_blocks
from plainnet.search.store import COST_PREFIX, RunStore

__all__ = ["page_of_optimum"]

POINTS = 400
"""Networks that are drawn at most, the best first."""


def page_of_optimum(store: RunStore, *, trust: bool = False) -> str:
    """The page about an exact search, as far as it is. `trust`: the run's own files with blocks may be run."""
    result, config = read_state(store).result, store.config
    if result is None:
        raise RunError(f"{store.path} holds nothing proven yet; to go on: {_resume(store)}")
    standings = ranking(store, 10)
    need_blocks(store, [each.candidate.structure for each in standings], trust=trust)
    facts: dict[str, Any] = {
        "state": state_of(store),
        "limits": {name: [limit, name] for name, limit in config.limits.items()},
        "best": lines_of(store, standings),
        "explanations": explanations(store),
        "trust": trust_of(store),
        "reproduce": reproduction(store),
        "versions": {name: store.info(name) for name in ("plainnet", "python", "machine")},
        "resume": _resume(store),
    }
    title = f"{store.path.parent.name if store.path else 'optimum'} · {config.space.name}"
    found = ""
    if standings:
        found = f'<div class="scroll">{draw_blocks(blocks_of(store, standings[0].candidate))}</div>{winner_part(facts)}'
    parts = {
        "title": escaped(title),
        "header": _header(store, result, facts["state"]),
        "cards": _cards(result),
        "found": found or "<p class='note'>No network within the budgets was met.</p>",
        "claim": _claim(result),
        "best": best_table(facts) if standings else "",
        "trust": trust_table(facts),
        "reproduce": reproduce_part(facts),
        "configuration": escaped(dump_values(json.loads(config.to_json()))),
    }
    return fill("optimum.html", parts, {"bounds": _bounds(store, result), "front": _met(store, result)})


def _resume(store: RunStore) -> str:
    if store.path is None:
        return ""
    words = ["plainnet", "optimum", "--resume", str(store.path.parent)]
    return shlex.join([*words, "--trust"] if code_of(store.config) else words)


def _header(store: RunStore, result: Optimum, state: str) -> str:
    config = store.config
    limits = [f"{name.replace('_', ' ')} ≤ {rounded(limit)}" for name, limit in config.limits.items()]
    way = "maximises" if result.maximise else "minimises"
    asked = [f"{way} {store.columns[0].removeprefix(COST_PREFIX)}", *(limits or ["no budgets"])]
    asked.append(f"input {config.resolution} × {config.resolution}, {config.num_classes} classes")
    shown = "" if state == "finished" else f'<span class="state">{escaped(state)}</span>'
    return (
        f"<h1>The optimum of {escaped(config.space.name)}{shown}</h1>"
        f"<p class='lead'>Computed, not drawn by lot: what is above the bound does not exist in this space.</p>"
        f"<p class='sub'>{escaped(' · '.join(asked))} · {escaped(moment_of(store))}</p>"
    )


def _cards(result: Optimum) -> str:
    def shown(value: float | None) -> str:
        return "–" if value is None else significant(value)

    cards = [
        (shown(result.value), "value of the best"),
        (shown(result.bound), "proven bound"),
        ("–" if result.gap is None else f"{result.gap:.3%}", "gap"),
        (result.reason, "outcome"),
        (in_seconds(result.seconds), "in all"),
    ]
    return "".join(f'<div class="card"><b>{escaped(a)}</b><span>{escaped(b)}</span></div>' for a, b in cards)


def _claim(result: Optimum) -> str:
    """What is proven, for which widths, and what budgets are worth."""
    than = "more" if result.maximise else "less"
    said = {
        "infeasible": "No network of the space is within the budgets: proven.",
        "none found": "No network within the budgets is known yet.",
    }.get(result.reason, "")
    if result.bound is not None:
        said += f" No network of the space within the budgets has {than} than {significant(result.bound, 9)}"
        said += f" (proven by {result.proof})." if result.proof else "."
    prices = "".join(
        f"<tr><td class='l'>{escaped(name)}</td><td>{exact(result.limits[name])}</td><td>{price:.4g}</td>"
        f"<td>{significant(price * result.limits[name] / 100, 4)}</td></tr>"
        for name, price in result.prices.items()
        if price
    )
    table = (
        "<table><thead><tr><th class='l'>budget</th><th>limit</th><th>price of one more</th><th>of 1 % more</th></tr></thead>"
        f"<tbody>{prices}</tbody></table>"
    )
    grid = "".join(f"<li>{escaped(line)}</li>" for line in result.grid)
    return (
        f"<p>{escaped(said.strip())}</p>{table if prices else ''}"
        f"<details><summary>The widths that this holds for, block by block</summary><ul>{grid}</ul></details>"
    )


def _bounds(store: RunStore, result: Optimum) -> dict[str, Any]:
    """Value and bound over the seconds, carried on to the end."""
    steps = list(result.history)
    if steps:
        seconds, value, bound = steps[-1]
        steps.append((max(result.seconds, seconds), value, bound))
    return {"steps": steps, "name": store.columns[0].removeprefix(COST_PREFIX)}


def _met(store: RunStore, result: Optimum) -> dict[str, Any]:
    """The networks that were met, against the first budget that has a price, below the bound."""
    priced = [name for name, price in result.prices.items() if price]
    axis = priced[0] if priced else next(iter(result.limits), "params")
    points = [
        [each.costs[axis], each.scores[store.columns[0]], each.structure, each.short_hash]
        for each in store.best(POINTS)
        if each.costs[axis] is not None
    ]
    line: list[list[float]] = []
    if result.bound is not None and points:
        ends = min(point[0] for point in points), result.limits.get(axis, max(point[0] for point in points))
        line = [[at, result.bound] for at in ends]
    points.sort(key=lambda point: point[0])
    values = [float(point[1]) for point in points]
    first = values.index(max(values) if result.maximise else min(values)) if values else 0
    name = store.columns[0].removeprefix(COST_PREFIX)
    return {"points": points, "line": line, "x": axis, "y": name, "first": first}
