"""The report of a run: one HTML page that needs no network."""

from __future__ import annotations

import html
import json
import math
from importlib.resources import files
from pathlib import Path
from typing import Any

from plainnet.configs import dump_values
from plainnet.errors import MissingExtraError, UsageError
from plainnet.search.report.drawing import draw_blocks
from plainnet.search.report.facts import facts_of
from plainnet.search.store import RunStore

__all__ = ["write_report"]

FIGURES = ("history", "front")
"""The facts that the page's script draws."""


def write_report(store: RunStore, path: Path) -> Path:
    """Write the page about a run; the path."""
    text = render(facts_of(store))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from None
    return path


def render(facts: dict[str, Any]) -> str:
    """The page that tells these facts."""
    try:
        from plotly.offline import get_plotlyjs
    except ImportError:
        raise MissingExtraError("plotly", "report") from None
    template = (files("plainnet.search.report") / "template.html").read_text(encoding="utf-8")
    drawn = {name: facts[name] for name in FIGURES}
    parts = {
        "title": _text(f"{facts['title']} · {facts['space']}"),
        "header": _header(facts),
        "cards": _cards(facts),
        "winner": _winner(facts),
        "drawing": draw_blocks(facts["blocks"]),
        "best": _best(facts),
        "trust": _trust(facts),
        "rungs": _rungs(facts),
        "tally": _tally(facts),
        "reproduce": _copyable(facts["reproduce"]),
        "configuration": _text(dump_values(facts["configuration"])),
        "versions": _text(", ".join(f"{name} {value}" for name, value in facts["versions"].items())),
        "data": json.dumps(drawn).replace("</", "<\\/"),
        "plotly": get_plotlyjs().replace("</script", "<\\/script"),
    }
    for name, text in parts.items():
        if name not in ("data", "plotly"):
            template = template.replace(f"{{{{{name}}}}}", text)
    return template.replace("{{data}}", parts["data"]).replace("{{plotly}}", parts["plotly"])


def _text(value: object) -> str:
    return html.escape(str(value))


def _number(value: float) -> str:
    """A count with its unit: 1.04 M."""
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= limit:
            return f"{value / (1e3 if unit == 'k' else limit):.3g} {unit}"
    return f"{value:,.0f}"


def _copyable(text: str) -> str:
    return f'<div class="copy"><code>{_text(text)}</code><button data-copy="{_text(text)}">Copy</button></div>'


def _header(facts: dict[str, Any]) -> str:
    limits = " · ".join(f"{name.replace('_', ' ')} ≤ {_number(limit)}" for name, (limit, _) in facts["limits"].items())
    state = "" if facts["state"] == "finished" else f'<span class="state">{_text(facts["state"])}</span>'
    return (
        f"<h1>{_text(facts['title'])}{state}</h1>"
        f"<p class='lead'>Space <b>{_text(facts['space'])}</b> — {_text(facts['about'])}</p>"
        f"<p class='sub'>{_text(limits or 'no budgets')} · input {_text(facts['input'])} · {_text(facts['created'])}</p>"
    )


def _cards(facts: dict[str, Any]) -> str:
    result = facts["result"]
    best, count = result["best"], result["candidates"]
    name = next((each for each in ("zen_mc", "zen", *facts["objectives"]) if best.get(each) is not None), "score")
    cards = [
        (f"{best.get(name) or math.nan:.2f}", f"{name} of the winner"),
        (_number(best["params"]), "params"),
        (_number(best["macs"]), "MACs"),
        (str(best["layers"]), "layers"),
        (_number(count), "candidates"),
        (_number(count / result["seconds"]) if result["seconds"] else "–", "candidates per second"),
        (f"{result['seconds']:.0f} s", "in all, ladder included"),
    ]
    return "".join(
        f'<div class="card"><b>{_text(value)}</b><span>{_text(label)}</span></div>' for value, label in cards
    )


def _winner(facts: dict[str, Any]) -> str:
    best = facts["result"]["best"]
    used = "".join(
        f'<div class="meter"><span>{_text(name.replace("_", " "))}</span><i><u style="width:{min(100, share):.1f}%"></u></i>'
        f"<em>{best[name]:,} of {limit:,.0f} ({share:.1f} %)</em></div>"
        for name, (limit, _) in facts["limits"].items()
        if name in best and (share := 100 * best[name] / limit) is not None
    )
    return _copyable(best["structure"]) + f'<div class="meters">{used}</div>'


def _best(facts: dict[str, Any]) -> str:
    names = list(dict.fromkeys(name for line in facts["best"] for name in line["scores"]))
    costs = ["params", "macs", "layers", "activations"]
    costs += ["peak_activation"] if any(line["costs"]["peak_activation"] for line in facts["best"]) else []
    head = "".join(f"<th>{_text(name.replace('_', ' '))}</th>" for name in (*names, *costs))
    rows = []
    for place, line in enumerate(facts["best"], 1):
        scores = "".join(
            f"<td>{line['scores'][name]:.3f}</td>" if name in line["scores"] else "<td>–</td>" for name in names
        )
        counts = "".join(f"<td>{line['costs'][name]:,}</td>" for name in costs)
        rows.append(
            f"<tr><td>{place}</td><td class='structure' title='{_text(line['structure'])}'><code>{line['hash']}</code>"
            f"<button data-copy='{_text(line['structure'])}'>Copy</button></td>{scores}{counts}</tr>"
        )
    return f"<table><thead><tr><th></th><th class='l'>structure</th>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _trust(facts: dict[str, Any]) -> str:
    rows = []
    for each in facts["trust"]:
        said = "; ".join(each["sentences"]) or f"not validated yet: plainnet validate {each['proxy']} --store"
        rows.append(f"<tr><td class='l'><b>{_text(each['proxy'])}</b></td><td class='l'>{_text(said)}</td></tr>")
    return f"<table><tbody>{''.join(rows)}</tbody></table>"


def _rungs(facts: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td class='l'>{_text(rung['rung'])}</td><td class='l'>{_text(rung['proxy'])}</td><td>{rung['candidates']:,}</td>"
        f"<td>{rung['values']:,}</td><td>{rung['seconds']:.1f}</td>"
        f"<td>{1e3 * rung['seconds'] / max(1, rung['values']):.3g}</td><td class='l'>{_text(rung['what'])}</td></tr>"
        for rung in facts["rungs"]
    )
    head = "<th class='l'>rung</th><th class='l'>measure</th><th>candidates</th><th>values</th><th>seconds</th><th>ms each</th>"
    return f"<table><thead><tr>{head}<th class='l'>who</th></tr></thead><tbody>{rows}</tbody></table>"


def _tally(facts: dict[str, Any]) -> str:
    whole = max(1, facts["result"]["candidates"])
    return "".join(
        f'<div class="meter"><span>{_text(name)}</span><i><u style="width:{100 * count / whole:.1f}%"></u></i>'
        f"<em>{count:,} ({count / whole:.1%})</em></div>"
        for name, count in facts["tally"]
        if count
    )
