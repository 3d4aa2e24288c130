"""Scores as a person or a program reads them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from plainnet.cli.tables import text_table
from plainnet.proxies.contract import Proxy
from plainnet.proxies.order import Place, ranked
from plainnet.proxies.score_record import Score
from plainnet.validation.trust import trust_sentences

__all__ = ["as_record", "proxy_table", "render"]

SCHEMA = "plainnet.scores/1"
"""Changes with every change of a key's name or meaning."""

Results = Sequence[tuple[Proxy, Sequence[Score]]]


MAX_TEXT = 32
"""Characters of a structure that a table shows."""


def render(results: Results, labels: Sequence[str]) -> str:
    """A ranking for each proxy."""
    return "\n\n".join(_ranking(made, ranked(scores), labels) for made, scores in results)


def _ranking(made: Proxy, places: Sequence[Place], labels: Sequence[str]) -> str:
    several = len(places) > 1
    rows = [_row(place, labels, several) for place in places]
    header = ["rank", "network", made.name, "95 % CI", "repeats", "seconds"]
    header += ["not distinguishable from"] if several else []
    table = text_table(header, rows, left=2, rule=False)
    notes = dict.fromkeys(note for place in places for note in place.score.notes)
    sentences = _trust(made, [place.score for place in places]) or [
        "how far this proxy can be trusted has not been measured (plainnet validate)"
    ]
    return "\n".join([_title(made, places[0].score), "", table, *_parts(places, labels), "", *notes, *sentences])


def _trust(made: Proxy, scores: Sequence[Score]) -> list[str]:
    """What is known of the proxy in the version that was asked for."""
    return trust_sentences(made.name, version=scores[0].settings.get("version") if scores else None)


def _title(made: Proxy, score: Score) -> str:
    better = "higher" if made.higher_is_better else "lower"
    title = f"{made.name} ({better} is better): {made.summary}"
    size = score.settings["resolution"]
    shown = size if isinstance(size, int) else "x".join(map(str, size))
    settings = [f"resolution {shown}"]
    if not score.exact:
        settings += [f"batch {score.settings['batch']}", f"seed {score.settings['seed']}", score.settings["device"]]
    settings += [f"{name}={value}" for name, value in score.settings["network"].items()]
    known = ("resolution", "batch", "seed", "device", "network")
    settings += [f"{name}={value}" for name, value in score.settings.items() if name not in known]
    return f"{title}\n{', '.join(settings)}"


def _row(place: Place, labels: Sequence[str], several: bool) -> list[str]:
    score = place.score
    interval = "exact" if score.exact else "unknown" if score.ci95 is None else _interval(score.ci95)
    row = [
        str(place.rank),
        _name(labels[place.index], score),
        _number(score.mean),
        interval,
        str(score.repeats),
        f"{score.seconds:.3g}",
    ]
    return [*row, ", ".join(f"#{rank}" for rank in place.ties)] if several else row


def _name(label: str, score: Score) -> str:
    """A network's name; one that has none is known by its hash and the beginning of its string."""
    if not label.startswith("#") or score.structure is None:
        return label
    beginning = score.structure[:MAX_TEXT]
    return f"{label} {beginning}" + ("…" if beginning != score.structure else "")


def _interval(interval: tuple[float, float]) -> str:
    return f"[{_number(interval[0])}, {_number(interval[1])}]"


def _number(value: float) -> str:
    return f"{value:,.0f}" if math.isfinite(value) and value == round(value) and abs(value) < 1e15 else f"{value:.6g}"


def _parts(places: Sequence[Place], labels: Sequence[str]) -> list[str]:
    if not places[0].score.parts:
        return []
    names = list(places[0].score.parts)
    rows = [
        [_name(labels[place.index], place.score), *(_number(place.score.parts[name]) for name in names)]
        for place in places
    ]
    return ["", text_table(["parts", *names], rows, rule=False)]


def as_record(results: Results, labels: Sequence[str]) -> dict[str, Any]:
    """The JSON form."""
    return {"schema": SCHEMA, "proxies": [_proxy_record(made, ranked(scores), labels) for made, scores in results]}


def _proxy_record(made: Proxy, places: Sequence[Place], labels: Sequence[str]) -> dict[str, Any]:
    networks = [
        {
            "rank": place.rank,
            "name": labels[place.index],
            "not_distinguishable_from": list(place.ties),
            **place.score.as_dict(),
        }
        for place in places
    ]
    return {
        "proxy": made.name,
        "higher_is_better": made.higher_is_better,
        "needs": list(made.needs),
        "cost": made.cost,
        "trust": _trust(made, [place.score for place in places]),
        "networks": networks,
    }


def proxy_table(proxies: Sequence[Proxy]) -> str:
    """The proxies that there are."""
    rows = [
        [made.name, "higher" if made.higher_is_better else "lower", ", ".join(made.needs), made.cost, made.summary]
        for made in proxies
    ]
    return text_table(["proxy", "better", "needs", "passes", "what it is"], rows, left=5, rule=False)
