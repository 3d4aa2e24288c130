"""Parts that the pages about searches share: the best networks, what their scores are worth, how to do it again."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from plainnet.pages.parts import Html, copyable, details, escaped, exact, measured, meter, short_structure, table

__all__ = [
    "best_table",
    "configuration",
    "next_part",
    "picked",
    "reproduce_part",
    "score_cell",
    "trust_table",
    "winner_part",
]


def picked(structure: str) -> Html:
    """The place for the structure of the mark that was clicked last."""
    return Html(f'<div class="picked">{copyable(structure)}</div>')


def next_part(facts: Mapping[str, Any]) -> Html:
    """What can be done with the network that was picked, at first the winner: the script puts the hash of another one in."""
    if not facts["next"]:
        return Html("")
    commands = "".join(map(copyable, facts["next"]))
    chosen = f"<p class='note'>Next, with the network <code>{escaped(facts['best'][0]['hash'])}</code>:</p>"
    return Html(f'<div class="next" data-chosen="{escaped(facts["best"][0]["hash"])}">{chosen}{commands}</div>')


def winner_part(facts: Mapping[str, Any]) -> Html:
    """The winner's structure, how much of each budget it takes, and its scores with what they are."""
    winner = facts["best"][0]
    values = {**winner["scores"], **winner["costs"]}
    values["latency_ms"] = winner["scores"].get("measured_latency_ms", values.get("latency_ms"))
    meters = "".join(
        meter(name.replace("_", " "), values[name] / limit, f"{exact(values[name])} of {exact(limit)}")
        for name, (limit, _) in facts["limits"].items()
        if values.get(name) is not None
    )
    scores = [
        [
            facts["words"].get(name, name),
            score_cell(winner, name),
            Html(f"<small>{escaped(facts['explanations'].get(name, ''))}</small>"),
        ]
        for name in winner["scores"]
    ]
    several = table((), scores, left=1, kind="scores") if len(scores) > 1 else ""
    code = copyable(winner["code"]) if winner.get("code") else ""
    return Html(code + copyable(winner["structure"]) + f'<div class="meters">{meters}</div>{several}')


def best_table(facts: Mapping[str, Any]) -> Html:
    """The best networks with their scores and costs."""
    scores = list(dict.fromkeys(name for line in facts["best"] for name in line["scores"]))
    costs = [name for name in facts["best"][0]["costs"] if name not in scores]
    climbed = any(line["reached"] != "rung 0" for line in facts["best"])
    words = [facts["words"].get(name, name.replace("_", " ")) for name in (*scores, *costs)]
    rows = [
        [
            str(place),
            short_structure(line["hash"], line["structure"]),
            *([line["reached"]] if climbed else []),
            *(score_cell(line, name) for name in scores),
            *(exact(line["costs"][name]) if name in line["costs"] else "–" for name in costs),
        ]
        for place, line in enumerate(facts["best"], 1)
    ]
    return table(
        ["place", "structure", *(["reached"] if climbed else []), *words], rows, left=3 if climbed else 2, stacks=True
    )


def score_cell(line: Mapping[str, Any], name: str) -> Html:
    """A score of a network, rounded to its error, with that; a dash where it has none."""
    value, error = line["scores"].get(name), line["errors"].get(name)
    if value is None or not math.isfinite(value):
        return Html("–")
    return Html(measured(value, error) + (f" <small>± {error:.2g}</small>" if error is not None else ""))


def trust_table(facts: Mapping[str, Any]) -> Html:
    """What is known of the scores on trained networks."""
    names = [
        Html(f"<b>{escaped(each['name'])}</b><br><code>{escaped(each['proxy'])}</code>") for each in facts["trust"]
    ]
    rows = [[name, "; ".join(each["sentences"])] for name, each in zip(names, facts["trust"], strict=True)]
    return table((), rows, left=2, kind="trust")


def configuration(facts: Mapping[str, Any]) -> Html:
    """The whole configuration, folded."""
    return details("The whole configuration", f"<pre tabindex='0'>{escaped(facts['yaml'])}</pre>")


def _with_code(text: str) -> str:
    """A sentence with what stands in backticks as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escaped(text))


def reproduce_part(facts: Mapping[str, Any]) -> Html:
    """The command that makes it again, and what must be known beside it."""
    about = facts["reproduce"]
    versions = ", ".join(f"{name} {value}" for name, value in facts["versions"].items())
    promise = "Made with" if about["notes"] else "Same configuration, same rows, with any number of workers:"
    text = f"<p class='note'>{promise} {escaped(versions)}.</p>"
    text += "".join(f"<p class='note'>{_with_code(note)}</p>" for note in about["notes"])
    text += copyable(about["command"])
    if facts["state"] == "unfinished":
        text += f"<p class='note'>This run is not finished. To go on with it:</p>{copyable(facts['resume'])}"
    if about["space"]:
        text += f"<p class='note'>The space, as <code>{escaped(about['file'])}</code>:</p>"
        text += f"<pre tabindex='0'>{escaped(about['space'])}</pre><button data-copy=\"{escaped(about['space'])}\">Copy</button>"
    return Html(text)
