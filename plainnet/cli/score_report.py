"""Scores as a person or a program reads them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from plainnet.proxies.contract import Proxy
from plainnet.proxies.score_order import Place, ranked
from plainnet.proxies.score_record import Score
from plainnet.proxies.score_view import score_view
from plainnet.results.tables import Table
from plainnet.validation.trust import trust_sentences

__all__ = ["as_record", "proxy_table", "render"]

SCHEMA = "plainnet.scores/1"
"""Changes with every change of a key's name or meaning."""

_UNKNOWN = "how far this proxy can be trusted has not been measured (plainnet validate)"

Results = Sequence[tuple[Proxy, Sequence[Score]]]


def render(results: Results, labels: Sequence[str], *, width: int | None) -> str:
    """A ranking for each proxy, with how far it can be trusted."""
    return "\n\n".join(
        score_view(scores, labels=labels, about=made.summary, trust=_trust(made, scores) or [_UNKNOWN]).text(width)
        for made, scores in results
    )


def _trust(made: Proxy, scores: Sequence[Score]) -> list[str]:
    """What is known of the proxy in the version that was asked for."""
    return trust_sentences(made.name, version=scores[0].settings.get("version") if scores else None)


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


def proxy_table(proxies: Sequence[Proxy]) -> Table:
    """The proxies that there are."""
    rows = [
        [made.name, "higher" if made.higher_is_better else "lower", ", ".join(made.needs), made.cost, made.summary]
        for made in proxies
    ]
    drop, cut = ("passes", "needs", "better"), ("what it is",)
    return Table(["proxy", "better", "needs", "passes", "what it is"], rows, left=5, drop=drop, cut=cut)
