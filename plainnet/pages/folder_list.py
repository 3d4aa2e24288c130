"""The page that lists what lies in a folder: searches, sweeps, trainings, stored networks."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from plainnet.pages.parts import Html, cards, escaped, section, significant, table, warning
from plainnet.pages.shell import page

__all__ = ["index_page", "problem_page"]

KINDS = {
    "search": ("Searches", "space"),
    "optimum": ("Exact searches", "space"),
    "sweep": ("Sweeps", "budget"),
    "training": ("Trainings", "data"),
    "tuning": ("Searches over settings", "what varies"),
    "network": ("Stored networks", "task"),
    "calibration": ("Calibrations", "fitted to"),
}
"""Of each kind what several are called, and what its second column tells."""


def index_page(title: str, entries: Sequence[Mapping[str, Any]], *, note: str = "") -> str:
    """The list. entries: `kind`, `path`, `what`, `state`, `value`, `value_name`, `changed` (seconds since 1970) and `problem`
    each.
    """
    of = {kind: [each for each in entries if each["kind"] == kind] for kind in KINDS}
    counts = [(f"{len(of[kind]):,}", _counted(name, len(of[kind]))) for kind, (name, _) in KINDS.items() if of[kind]]
    main: list[str] = [cards(counts)] if counts else []
    main += ["<label class='filter'>Filter <input type='search' data-filter></label>"] if entries else []
    main += [_list(kind, of[kind]) for kind in KINDS if of[kind]]
    if not entries:
        main.append(
            section(
                "Nothing yet",
                note="Searches, trainings and stored networks under this folder appear here as soon as they begin.",
            )
        )
    header = f"<h1>{escaped(title)}</h1><p class='lead'>Everything that is kept in this folder, as it goes on.</p>"
    return page(title, header + (warning(note) if note else ""), main)


def _counted(name: str, count: int) -> str:
    """Searches over settings, as what stands below a number: one of them is a search over settings."""
    first, space, rest = name.lower().partition(" over ")
    one = first.removesuffix("es") if first.endswith("searches") else first.removesuffix("s")
    return f"{one if count == 1 else first}{space}{rest}"


def _list(kind: str, entries: Sequence[Mapping[str, Any]]) -> Html:
    name, what = KINDS[kind]
    several = kind in ("training", "search") and len(entries) > 1
    rows = [
        [
            *([Html(_tick(each["path"]))] if several else []),
            Html(f"<a href='/at?run={quote(each['path'])}'>{escaped(each['path'])}</a>"),
            each["what"],
            Html(_state(each)),
            "–" if each["value"] is None else f"{each['value_name']} {significant(each['value'], 4)}",
            time.strftime("%Y-%m-%d %H:%M", time.localtime(each["changed"])),
        ]
        for each in entries
    ]
    head = [*(["compare"] if several else []), "folder", what, "state", "best", "changed"]
    listed = table(head, rows, left=5 if several else 4, kind="entries", stacks=True)
    if not several:
        return section(name, listed)
    return section(
        name, f"<form action='/compare'>{listed}<button class='wide'>Compare the ticked ones</button></form>"
    )


def _tick(path: str) -> str:
    return f"<input type='checkbox' name='run' value='{escaped(path)}' aria-label='compare {escaped(path)}'>"


def _state(entry: Mapping[str, Any]) -> str:
    if entry["problem"]:
        return f"<span class='bad' title='{escaped(entry['problem'])}'>{escaped(entry['state'])}</span>"
    return escaped(entry["state"])


def problem_page(title: str, text: str) -> str:
    """A page that says what is wrong."""
    return page(title, f"<h1>{escaped(title)}</h1>", [warning(text), "<p><a href='/'>Back to the list</a></p>"])
