"""The Pareto front of a run: which of its candidates no other one beats in everything."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from plainnet.errors import UsageError, nearest
from plainnet.search.ladder.rung_names import kept_measurement, score_name
from plainnet.search.store import COSTS, Candidate, RunStore, quoted
from plainnet.search.strategies.pareto import pareto_front

__all__ = ["axes_of", "front_of"]


def axes_of(store: RunStore, names: Sequence[str] = ()) -> list[tuple[str, bool]]:
    """(column, whether it is made large) of the axes that are named (`min:` and `max:` before a name say otherwise): an
    objective, a cost that the run holds, or what a rung of the ladder measured; by default the objectives, and the macs
    beside a single one.
    """
    if not names:
        axes = list(zip(store.columns, store.directions, strict=True))
        return axes if len(axes) > 1 else [*axes, ("macs", False)]
    rungs = _rungs_of(store)
    accepted = list(dict.fromkeys([*store.columns, *store.asked, *rungs]))
    axes = []
    for text in names:
        direction, name = (text[:3], text[4:]) if text.startswith(("max:", "min:")) else ("", text)
        if name not in accepted:
            near = nearest(name, accepted)
            hint = f"; did you mean {near}?" if near else ""
            why = " (nothing in it asked for it)" if name in COSTS else ""
            where = store.path.parent if store.path else "this run"
            raise UsageError(f"no column {name!r} in {where}{why}; accepted: {', '.join(accepted)}{hint}")
        usual = store.directions[store.columns.index(name)] if name in store.columns else False
        usual = kept_measurement(store, rungs[name]).higher_is_better if name in rungs else usual
        axes.append((name, direction == "max" if direction else usual))
    return axes


def _rungs_of(store: RunStore) -> dict[str, str]:
    """What the ladder measured: the name of its values -> the proxy."""
    return {score_name(each.proxy, store.columns): each.proxy for each in store.measures()}


def front_of(store: RunStore, names: Sequence[str] = ()) -> list[Candidate]:
    """The candidates within the budgets on the front of the named axes, the best by the first axis first. With an axis of
    the ladder, of those that it measured.
    """
    axes = axes_of(store, names)
    rungs = _rungs_of(store)
    columns = [name for name, _ in axes if name not in rungs]
    measured: dict[str, dict[int, float]] = {name: {} for name, _ in axes if name in rungs}
    for measure in store.measures():
        name = score_name(measure.proxy, store.columns)
        if name in measured and measure.mean is not None:
            measured[name][measure.hash] = measure.mean
    present = " AND ".join([store.within, *(f"{quoted(name)} IS NOT NULL" for name in columns)])
    lines = store.lines(("id", "hash", *columns), f"WHERE {present} ORDER BY id")
    rows = [row for row in lines if all(row[1] in values for values in measured.values())]
    if not rows:
        return []
    at = {name: index for index, name in enumerate(columns, 2)}
    found_values = [[row[at[name]] if name in at else measured[name][row[1]] for name, _ in axes] for row in rows]
    values = np.array(found_values, dtype=float) * [1 if maximise else -1 for _, maximise in axes]
    ids = [rows[index][0] for index in pareto_front(values)]
    found = {candidate.id: candidate for first in range(0, len(ids), 500) for candidate in _some(store, ids, first)}
    return [found[each] for each in ids]


def _some(store: RunStore, ids: Sequence[int], first: int) -> list[Candidate]:
    return store.select(f"WHERE id IN ({','.join(map(str, ids[first : first + 500]))})")
