"""The page of the table of support: which networks run on which platforms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from plainnet.pages.page import Page
from plainnet.pages.parts import Html, cards, escaped, section, significant, table
from plainnet.pages.shell import page

__all__ = ["PAGE", "support_page"]

SIGNS = {"pass": "✓", "fail": "✗"}
_ABOUT = (
    "The error is the largest of an output, in parts of the largest output; the time is of one sample of the network's own size, "
    "a hint. Point at a cell for the date and the commit."
)


def support_page(facts: Mapping[str, Any]) -> str:
    """The page that tells these facts: `platforms`; `networks`, each with `name`, `backbone`, `head`, `layers`, `cells`
    (platform -> a cell as `support.json` has it) and `changed`; `blocks`, (name, how often it occurs, how often where something
    fails).
    """
    platforms, networks = facts["platforms"], facts["networks"]
    statuses = Counter(str(cell["status"]) for each in networks for cell in each["cells"].values())
    figures = [
        (f"{len(networks):,}", f"network{'s' * (len(networks) != 1)}"),
        *((f"{count:,}", status) for status, count in sorted(statuses.items())),
    ]
    rows = [
        [
            each["name"],
            each["backbone"],
            each["head"],
            *(_cell(each["cells"].get(platform)) for platform in platforms),
            f"{each['layers']:,}",
            each["changed"] or "–",
        ]
        for each in networks
    ]
    head = ["network", "backbone", "head", *platforms, "layers", "changed"]
    main = [
        cards(figures),
        "<label class='filter'>Filter <input type='search' data-filter></label>",
        section("What runs where", table(head, rows, left=3 + len(platforms), kind="entries support"), note=_ABOUT),
    ]
    if facts["blocks"]:
        blocks = [[name, f"{count:,}", f"{failing:,}"] for name, count, failing in facts["blocks"]]
        listed = table(["block", "in the table", "where something fails"], blocks, left=1)
        main.append(section("Blocks of networks that fail", listed, note="What to work on first."))
    return page("Support", "<h1>Support</h1><p class='lead'>Which networks run on which platforms</p>", main)


def _cell(cell: Mapping[str, Any] | None) -> Html:
    if cell is None:
        return Html("<span class='faint'>not tried</span>")
    status = str(cell["status"])
    parts = [SIGNS.get(status, ""), escaped(status)]
    if status == "pass" and cell["error"] is not None and cell["ms"] is not None:
        error = f"{cell['error']:.0e}" if cell["error"] else "0"
        parts.append(f"<small>{error}, {significant(cell['ms'], 3)} ms</small>")
    if cell["reason"]:
        parts.append(f"<small>{escaped(cell['reason'])}</small>")
    when = ", ".join(str(each) for each in (cell["date"], (cell["commit"] or "")[:12]) if each)
    said = f" data-said='{escaped(when)}'" if when else ""
    kind = {"pass": "good", "fail": "bad"}.get(status, "faint")
    return Html(f"<span class='{kind}'{said}>{' '.join(filter(None, parts))}</span>")


PAGE = Page("support", support_page)
