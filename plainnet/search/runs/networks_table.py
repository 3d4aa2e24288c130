"""Networks that a search found, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from plainnet.results.numbers import count_text
from plainnet.results.tables import FULL, Table
from plainnet.search.store import COSTS

__all__ = ["ABOUT", "networks_table"]

_DROP = ("rho", "convolutions", "activations", "peak_activation", "macs")
"""The costs that a narrow terminal does without, the first ones first."""
ABOUT = ("structure", "code", "hash")
"""What a record says of a network beside its costs and scores."""


def networks_table(
    records: Sequence[Mapping[str, Any]], *, first: str, firsts: Sequence[str], hint: str = FULL
) -> Table:
    """A row for each record: a column of its own (a rank, a limit), the scores, the costs that are known of some, the hash,
    and the structure where there is room for it; in its place the code where all have one, which says the same in a line.

    records: `structure`, `hash`, costs and scores by name, as `Best.as_dict` gives them.
    """
    what = "code" if all(record.get("code") for record in records) else "structure"
    known = [name for name in dict.fromkeys(key for each in records for key in each) if name not in ABOUT]
    known = [name for name in known if any(each.get(name) is not None for each in records)]
    scores = [name for name in known if name not in COSTS]
    costs = [name for name in COSTS if name in known]
    rows = [
        [
            start,
            *(_score(record.get(name)) for name in scores),
            *(count_text(record.get(name)) for name in costs),
            record["hash"],
            record[what],
        ]
        for start, record in zip(firsts, records, strict=True)
    ]
    columns = [first, *scores, *costs, "hash", what]
    drop = (*_DROP, *reversed(scores[1:]))
    return Table(columns, rows, left=0, drop=drop, wide=(what,), hint=hint)


def _score(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
