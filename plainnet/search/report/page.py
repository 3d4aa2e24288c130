"""The report of a run: one HTML page that needs no network."""

from __future__ import annotations

import math
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

from plainnet.configs import dump_values
from plainnet.errors import MissingExtraError, not_written
from plainnet.files.whole_files import write_whole
from plainnet.profiler.network_drawing import draw_blocks
from plainnet.search.report.facts import facts_of
from plainnet.search.report.parts import copyable, escaped, exact, meter, rounded, script_data, significant
from plainnet.search.store import RunStore

__all__ = [
    "best_table",
    "fill",
    "in_seconds",
    "page_of_search",
    "reproduce_part",
    "trust_table",
    "winner_part",
    "write_page",
]

FIGURES = ("history", "front")
"""The facts that the page's script draws."""


def page_of_search(store: RunStore, *, trust: bool = False) -> str:
    """The page about a search. `trust`: the run's own files with blocks may be run."""
    return render(facts_of(store, trust=trust))


def write_page(text: str, path: Path) -> Path:
    """Write a page; the path. `UsageError` where it cannot be written: a page that was there is then still there."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise not_written(path.parent, error, done="made") from None
    write_whole(path, text)
    return path


def fill(template: str, parts: dict[str, str], data: dict[str, Any]) -> str:
    """A template of this folder (the body of a page) with its parts and the data that it draws, in the shell of all pages."""
    try:
        from plotly.offline import get_plotlyjs
    except ImportError:
        raise MissingExtraError("plotly", "report") from None
    folder = files("plainnet.search.report")
    text = (folder / "shell.html").read_text(encoding="utf-8")
    for name, file in (("body", template), ("style", "style.html"), ("script", "script.html")):
        text = text.replace(f"{{{{{name}}}}}", (folder / file).read_text(encoding="utf-8"))
    scripts = {
        "data": script_data(data),
        "plotly": get_plotlyjs().replace("</script", "<\\/script"),
    }
    # in one pass: a part may hold anything, also what looks like the place of another
    return re.sub(r"\{\{([a-z-]+)\}\}", lambda place: {**parts, **scripts}[place[1]], text)


def render(facts: dict[str, Any]) -> str:
    """The page that tells these facts."""
    several = len(facts["objectives"]) > 1
    parts = {
        "title": escaped(f"{facts['title']} · {facts['space']}"),
        "header": _header(facts),
        "cards": _cards(facts),
        "winner-title": "The best by the first objective" if several else "The winner",
        "front-note": _front_note(facts),
        "drawing": draw_blocks(facts["blocks"]),
        "winner": winner_part(facts),
        "best": best_table(facts),
        "trust": trust_table(facts),
        "rungs": _rungs(facts),
        "ladder-note": _ladder_note(facts),
        "tally": _tally(facts),
        "reproduce": reproduce_part(facts),
        "configuration": escaped(dump_values(facts["configuration"])),
    }
    return fill("template.html", parts, {name: facts[name] for name in FIGURES})


def _header(facts: dict[str, Any]) -> str:
    limits = [f"{name.replace('_', ' ')} ≤ {rounded(limit)}" for name, (limit, _) in facts["limits"].items()]
    state = "" if facts["state"] == "finished" else f'<span class="state">{escaped(facts["state"])}</span>'
    about = f" — {escaped(facts['about'])}" if facts["about"] else ""
    asked = " · ".join([*facts["objectives"], *(limits or ["no budgets"]), f"input {facts['input']}"])
    warnings = "".join(f'<p class="warn">{escaped(text[0].upper() + text[1:])}.</p>' for text in facts["advice"])
    if facts["unmet"]:
        warnings = f'<p class="warn unmet"><b>Budget not met:</b> {escaped(facts["unmet"])}.</p>{warnings}'
    return (
        f"<h1>{escaped(facts['title'])}{state}</h1>"
        f"<p class='lead'>Space <b>{escaped(facts['space'])}</b>{about}</p>"
        f"<p class='sub'>{escaped(asked)}</p>"
        f"<p class='sub'>{escaped(facts['strategy'])} · {escaped(facts['created'])}</p>{warnings}"
    )


def _cards(facts: dict[str, Any]) -> str:
    result = facts["result"]
    best, count = result["best"], result["candidates"]
    winner, name = facts["best"][0]["scores"], facts["decided_by"]
    score = [(significant(winner[name]), f"{name} of the winner")] if name in winner else []
    cards = [
        *score,
        (rounded(best["params"]), "params"),
        (rounded(best["macs"]), "MACs"),
        (str(best["layers"]), "layers"),
        (rounded(count), _progress(facts)),
        (rounded(count / result["seconds"]) if result["seconds"] else "–", "candidates/s"),
        (in_seconds(result["seconds"]), "in all, with the ladder"),
    ]
    return "".join(
        f'<div class="card"><b>{escaped(value)}</b><span>{escaped(label)}</span></div>' for value, label in cards
    )


def _progress(facts: dict[str, Any]) -> str:
    return f"of {rounded(facts['result']['asked'])} candidates" if facts["state"] == "unfinished" else "candidates"


def in_seconds(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7_200 else f"{seconds / 3_600:.1f} h"


def winner_part(facts: dict[str, Any]) -> str:
    winner = facts["best"][0]
    values = {**winner["scores"], **winner["costs"]}
    values["latency_ms"] = winner["scores"].get("measured_latency_ms", values.get("latency_ms"))
    meters = "".join(
        meter(name.replace("_", " "), values[name] / limit, f"{exact(values[name])} of {exact(limit)}")
        for name, (limit, _) in facts["limits"].items()
        if values.get(name) is not None
    )
    scores = "".join(
        f"<tr><td class='l'>{escaped(name)}</td><td>{_score(winner, name)}</td>"
        f"<td class='l wrap'>{escaped(facts['explanations'].get(name, ''))}</td></tr>"
        for name in winner["scores"]
    )
    table = f"<table class='scores'><tbody>{scores}</tbody></table>" if len(winner["scores"]) > 1 else ""
    return copyable(winner["structure"]) + f'<div class="meters">{meters}</div>{table}'


def _front_note(facts: dict[str, Any]) -> str:
    axes = facts["front"]["axes"]
    more = f" Drawn for the first two of {axes} objectives." if axes > 2 else ""
    return "No other candidate beats these in both." + more


def best_table(facts: dict[str, Any]) -> str:
    scores = list(dict.fromkeys(name for line in facts["best"] for name in line["scores"]))
    costs = [name for name in facts["best"][0]["costs"] if name not in scores]
    head = "".join(
        f"<th>{escaped(name.replace('_', ' ') if name in costs else name)}</th>" for name in (*scores, *costs)
    )
    climbed = any(line["reached"] != "rung 0" for line in facts["best"])
    reached = "<th class='l'>reached</th>" if climbed else ""
    rows = []
    for place, line in enumerate(facts["best"], 1):
        cells = [_score(line, name) for name in scores] + [
            exact(line["costs"][name]) if name in line["costs"] else "–" for name in costs
        ]
        structure = escaped(line["structure"])
        rows.append(
            f"<tr><td>{place}</td><td class='structure' title='{structure}'><code>{escaped(line['hash'])}</code>"
            f"<button data-copy='{structure}'>Copy</button></td>"
            + (f"<td class='l'>{escaped(line['reached'])}</td>" if climbed else "")
            + "".join(f"<td>{cell}</td>" for cell in cells)
            + "</tr>"
        )
    head = f"<th></th><th class='l'>structure</th>{reached}{head}"
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _score(line: dict[str, Any], name: str) -> str:
    value, error = line["scores"].get(name), line["errors"].get(name)
    if value is None or not math.isfinite(value):
        return "–"
    return significant(value) + (f" <small>± {error:.2g}</small>" if error is not None else "")


def trust_table(facts: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td class='l'><b>{escaped(each['proxy'])}</b></td>"
        f"<td class='l wrap'>{escaped('; '.join(each['sentences']))}</td></tr>"
        for each in facts["trust"]
    )
    return f"<table class='trust'><tbody>{rows}</tbody></table>"


def _ladder_note(facts: dict[str, Any]) -> str:
    rungs = [rung["rung"] for rung in facts["rungs"]]
    if len(rungs) < 2:
        return "Nothing was measured beyond the score that every candidate gets: the best by it is the winner."
    text = "What costs more is asked of fewer. Scores of a rung only pick who is measured next"
    return text + ("; the winner was measured again with fresh seeds." if "verdict" in rungs else ".")


def _rungs(facts: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td class='l'>{escaped(rung['rung'])}</td><td class='l'>{escaped(rung['proxy'])}</td>"
        f"<td>{rung['candidates']:,}</td><td>{rung['values']:,}</td><td>{rung['seconds']:,.1f}</td>"
        f"<td>{significant(1e3 * rung['seconds'] / max(1, rung['values']), 3)}</td>"
        f"<td class='l wrap'>{escaped(rung['what'])}</td></tr>"
        for rung in facts["rungs"]
    )
    head = "<th class='l'>rung</th><th class='l'>measure</th><th>candidates</th><th>values</th><th>seconds</th><th>ms each</th>"
    return f"<table><thead><tr>{head}<th class='l'>who</th></tr></thead><tbody>{rows}</tbody></table>"


def _tally(facts: dict[str, Any]) -> str:
    whole = max(1, facts["result"]["candidates"])
    meters = "".join(
        meter(name.replace("_", " "), count / whole, f"{count:,} ({count / whole:.1%})", percent=False)
        for name, count in facts["tally"]
        if count
    )
    events = "".join(f"<li>{escaped(text)}</li>" for text in facts["events"])
    return meters + (f"<ul class='events'>{events}</ul>" if events else "")


def reproduce_part(facts: dict[str, Any]) -> str:
    about = facts["reproduce"]
    versions = ", ".join(f"{name} {value}" for name, value in facts["versions"].items())
    promise = "Made with" if about["notes"] else "Same configuration, same rows, with any number of workers:"
    text = f"<p class='note'>{promise} {escaped(versions)}.</p>"
    text += "".join(f"<p class='note'>{escaped(note)}</p>" for note in about["notes"])
    text += copyable(about["command"])
    if facts["state"] == "unfinished":
        text += f"<p class='note'>This run is not finished. To go on with it:</p>{copyable(facts['resume'])}"
    if about["space"]:
        text += f"<p class='note'>The space, as <code>{escaped(about['file'])}</code>:</p><pre>{escaped(about['space'])}</pre>"
        text += f'<button data-copy="{escaped(about["space"])}">Copy</button>'
    return text
