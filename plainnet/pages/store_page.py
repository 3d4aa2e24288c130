"""The page about a store: its networks with a search over names and tags, and the card of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from plainnet.pages.network_page import card, headline
from plainnet.pages.page import Page
from plainnet.pages.parts import Html, address, cards, escaped, rounded, section, significant, table, warning
from plainnet.pages.shell import page

__all__ = ["PAGE", "store_page"]


def store_page(facts: Mapping[str, Any]) -> str:
    """The page that tells these facts: `title`; `networks`, each as `network_page` takes it and `page`, where that is found, or
    None for a card on this page; `problems`, (path, why) of records that cannot be read.
    """
    networks = facts["networks"]
    tasks = {each["record"]["identity"]["task"] for each in networks}
    figures = [
        (f"{len(some):,}", f"{what}{'s' * (len(some) != 1)}") for some, what in ((networks, "network"), (tasks, "task"))
    ]
    main = [
        cards(figures),
        "<label class='filter'>Filter <input type='search' data-filter></label>",
        section("The networks", _list(networks), note="A tag that is clicked shows what else has it."),
        *(_card(number, each) for number, each in enumerate(networks) if each["page"] is None),
    ]
    problems = "".join(warning(f"{path}: {why}") for path, why in facts["problems"])
    return page(facts["title"], f"<h1>{escaped(facts['title'])}</h1><p class='lead'>A store</p>{problems}", main)


def _list(networks: list[Mapping[str, Any]]) -> Html:
    rows = []
    for number, each in enumerate(networks):
        identity, cost, metrics = (each["record"][part] for part in ("identity", "cost", "metrics"))
        best = headline(metrics)
        tags = (f"<button class='tag' data-word='{escaped(tag)}'>{escaped(tag)}</button>" for tag in identity["tags"])
        rows.append(
            [
                Html(f"<a href='{address(each['page'] or f'#network-{number}')}'>{escaped(each['name'])}</a>"),
                identity["kind"],
                identity["task"],
                identity["family"],
                Html(" ".join(tags)),
                "–" if best is None else f"{best['name']} {significant(best['value'], 4)}",
                *("–" if cost[name] is None else rounded(cost[name]) for name in ("params", "macs")),
            ]
        )
    head = ["name", "kind", "task", "family", "tags", "metric", "params", "MACs"]
    return table(head, rows, left=6, kind="entries", stacks=True)


def _card(number: int, facts: Mapping[str, Any]) -> Html:
    """The card of a network, folded; a link into it unfolds it."""
    inner = f"<div id='network-{number}'>{''.join(card(facts))}</div>"
    return Html(f"<details class='card-of'><summary>{escaped(facts['name'])}</summary>{inner}</details>")


PAGE = Page("store", store_page)
