"""The page about a stored network: the card with its record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from plainnet.pages.drawing import DRAWN, draw_blocks
from plainnet.pages.page import Page
from plainnet.pages.parts import Html, cards, copyable, details, escaped, exact, rounded, section, significant, table
from plainnet.pages.shell import page

__all__ = ["PAGE", "card", "headline", "network_page"]

HEADLINES = ("accuracy", "iou/mean", "ap/mean", "ap/50")
"""Metrics by which networks are known, the first that there is."""


def network_page(facts: Mapping[str, Any]) -> str:
    """The page that tells these facts: `record` (as `plainnet store show --json` prints it), `name`, `blocks`, `conversions`."""
    name = facts["name"]
    header = f"<h1>{escaped(name)}</h1><p class='lead'>{escaped(facts['record']['identity']['family'])}</p>"
    return page(name, header, card(facts))


def card(facts: Mapping[str, Any]) -> list[Html]:
    """The sections about a stored network."""
    record, name = facts["record"], facts["name"]
    return [
        _cards(record),
        *_network(facts),
        *_metrics(record["metrics"]),
        section(
            "How to use it", *(copyable(f"plainnet {word} store:{name}") for word in ("analyze", "predict", "evaluate"))
        ),
        section(
            "The record", *(_section(key, value) for key, value in record.items() if isinstance(value, (dict, list)))
        ),
    ]


def headline(metrics: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The metric that a network is known by: the first of `HEADLINES`, else one of which more is better, else any."""
    known = [each for each in metrics if each["value"] is not None]
    places = {name: place for place, name in enumerate(HEADLINES)}
    return min(
        known, key=lambda each: (places.get(each["name"], len(places)), each["better"] != "higher"), default=None
    )


def _cards(record: Mapping[str, Any]) -> Html:
    identity, cost, metrics = record["identity"], record["cost"], record["metrics"]
    best = headline(metrics)
    first = (
        [] if best is None else [(significant(best["value"], 4), f"{best['name']} on {best['dataset'] or 'its data'}")]
    )
    words = (("params", "params"), ("macs", "MACs"))
    counts = [(rounded(cost[name]), word) for name, word in words if cost.get(name) is not None]
    return cards([*first, *counts, (identity["task"], "task"), (identity["kind"], "kind")])


def _network(facts: Mapping[str, Any]) -> list[Html]:
    string = facts["record"]["structure"]["string"]
    if not facts["blocks"] or not string:
        return []
    drawing = f'<div class="scroll" tabindex="0">{draw_blocks(facts["blocks"])}</div>'
    return [section("The network", drawing, copyable(string), note=DRAWN)]


def _metrics(metrics: Sequence[Mapping[str, Any]]) -> list[Html]:
    rows = [
        [
            each["name"],
            "–" if each["value"] is None else significant(each["value"], 4),
            f"{each['better']} is better",
            each["dataset"] or "",
            each["split"],
        ]
        for each in metrics
    ]
    return [section("Metrics", table(["metric", "value", "direction", "data", "split"], rows, left=1))] if rows else []


def _section(name: str, value: Any) -> Html:
    rows = [[key, _said(each)] for key, each in (value.items() if isinstance(value, dict) else enumerate(value))]
    return details(name.replace("_", " "), table((), rows, left=2, kind="trust"))


def _said(value: Any) -> Html:
    if isinstance(value, (dict, list)):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        return Html("<br>".join(f"{escaped(key)}: {_said(each)}" for key, each in pairs)) if value else Html("–")
    return Html("–" if value is None else exact(value) if type(value) in (int, float) else escaped(value))


PAGE = Page("stored network", network_page)
