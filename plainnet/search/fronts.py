"""The Pareto front of a run: which of its candidates no other one beats in everything."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from plainnet.errors import UsageError, nearest
from plainnet.search.pareto import pareto_front
from plainnet.search.store import COSTS, Candidate, RunStore

__all__ = ["axes_of", "front_of"]


def axes_of(store: RunStore, names: Sequence[str] = ()) -> list[tuple[str, bool]]:
    """(column, whether it is made large) of the axes that are named (`min:` and `max:` before a name say otherwise); by
    default the objectives, and the macs beside a single one.
    """
    if not names:
        axes = list(zip(store.columns, store.directions, strict=True))
        return axes if len(axes) > 1 else [*axes, ("macs", False)]
    axes = []
    for text in names:
        direction, name = (text[:3], text[4:]) if text.startswith(("max:", "min:")) else ("", text)
        accepted = [*store.columns, *COSTS]
        if name not in accepted:
            near = nearest(name, accepted)
            hint = f"; did you mean {near}?" if near else ""
            raise UsageError(f"no column {name!r} in this run; accepted: {', '.join(accepted)}{hint}")
        usual = store.directions[store.columns.index(name)] if name in store.columns else False
        axes.append((name, direction == "max" if direction else usual))
    return axes


def front_of(store: RunStore, names: Sequence[str] = ()) -> list[Candidate]:
    """The candidates on the front of the named axes, the best by the first axis first."""
    axes = axes_of(store, names)
    columns = ", ".join(f'"{name}"' for name, _ in axes)
    present = " AND ".join(f'"{name}" IS NOT NULL' for name, _ in axes)
    rows = store.query(f"SELECT id, {columns} FROM candidates WHERE {present} ORDER BY id")
    if not rows:
        return []
    values = np.array([row[1:] for row in rows], dtype=float)
    values *= [1 if maximise else -1 for _, maximise in axes]
    ids = [rows[index][0] for index in pareto_front(values)]
    found = {candidate.id: candidate for first in range(0, len(ids), 500) for candidate in _some(store, ids, first)}
    return [found[each] for each in ids]


def _some(store: RunStore, ids: Sequence[int], first: int) -> list[Candidate]:
    return store.select(f"WHERE id IN ({','.join(map(str, ids[first : first + 500]))})")
