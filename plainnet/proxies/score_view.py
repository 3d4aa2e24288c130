"""Scores as a person reads them: a ranking with intervals, and what these do not tell apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from plainnet.proxies.score_order import Place, ranked
from plainnet.results.numbers import interval_text, score_text
from plainnet.results.result import View
from plainnet.results.tables import Table

if TYPE_CHECKING:
    from plainnet.proxies.score_record import Score

__all__ = ["score_view"]


def score_view(
    scores: Sequence[Score], *, labels: Sequence[str] = (), about: str = "", trust: Sequence[str] = ()
) -> View:
    """The ranking of networks under one proxy.

    labels: what the networks are called (their hashes by default); about: what the proxy is; trust: how far it was right.
    """
    if not scores:
        return View([("", "no network was scored")])
    places = ranked(scores)
    names = [labels[place.index] if labels else _name(place.score) for place in places]
    notes = dict.fromkeys(note for place in places for note in place.score.notes)
    tables = [_ranking(places, names), *_parts(places, names)]
    return View(_title(places[0].score, about), tables, [("", text) for text in (*notes, *trust)])


def _name(score: Score) -> str:
    return f"#{score.hash}" if score.hash else "module"


def _title(score: Score, about: str) -> list[tuple[str, str]]:
    better = "higher" if score.higher_is_better else "lower"
    size = score.settings.get("resolution")
    shown = size if isinstance(size, int) else "x".join(map(str, size or ()))
    settings = [f"resolution {shown}"] if size else []
    if not score.exact:
        named = (("batch ", "batch"), ("seed ", "seed"), ("", "device"))
        settings += [f"{word}{score.settings[key]}" for word, key in named if key in score.settings]
    settings += [f"{name}={value}" for name, value in score.settings.get("network", {}).items()]
    known = ("resolution", "batch", "seed", "device", "network")
    settings += [f"{name}={value}" for name, value in score.settings.items() if name not in known]
    title = f"{score.proxy} ({better} is better)" + (f": {about}" if about else "")
    return [("", line) for line in (title, ", ".join(settings)) if line]


def _ranking(places: Sequence[Place], names: Sequence[str]) -> Table:
    columns = [
        "rank",
        "network",
        places[0].score.proxy,
        "95 % CI",
        "repeats",
        "seconds",
        "not distinguishable from",
        "structure",
    ]
    rows = [_row(place, name) for place, name in zip(places, names, strict=True)]
    drop = ("seconds", "repeats", "95 % CI")
    table = Table(columns, rows, left=2, drop=drop, cut=("network", "not distinguishable from"), wide=("structure",))
    empty = [columns[at] for at in (6, 7) if not any(row[at] for row in rows)]
    return table.without(empty)


def _row(place: Place, name: str) -> list[str]:
    score = place.score
    half = None if score.ci95 is None else (score.ci95[1] - score.ci95[0]) / 2
    interval = "exact" if score.exact else "unknown" if score.ci95 is None else interval_text(score.ci95)
    ties = ", ".join(f"#{rank}" for rank in place.ties)
    mean = score_text(score.mean, half)
    return [
        str(place.rank),
        name,
        mean,
        interval,
        str(score.repeats),
        f"{score.seconds:.3g}",
        ties,
        score.structure or "",
    ]


def _parts(places: Sequence[Place], labels: Sequence[str]) -> list[Table]:
    """What the scores are put together from, where they are."""
    if not places[0].score.parts:
        return []
    names = list(places[0].score.parts)
    rows = [
        [label, *(score_text(place.score.parts[name]) for name in names)]
        for place, label in zip(places, labels, strict=True)
    ]
    return [Table(["parts", *names], rows, cut=("parts",))]
