"""What pages tell about an exact search, as plain data."""

from __future__ import annotations

import json
import shlex
from typing import Any

from plainnet.configs import dump_values
from plainnet.errors import RunError
from plainnet.search.exact.result import Optimum
from plainnet.search.ladder.ranking import explanations, ranking
from plainnet.search.report.labels import in_words, input_in_words
from plainnet.search.report.reproduce import next_commands, reproduction
from plainnet.search.report.search_facts import blocks_of, lines_of, moment_of, trust_of, words_of
from plainnet.search.runs.kept_runs import state_of
from plainnet.search.runs.optimum_state import read_state
from plainnet.search.runs.trusting import code_of, need_blocks
from plainnet.search.store import RunStore

__all__ = ["optimum_facts"]

POINTS = 400
"""Networks that are drawn at most, the best first."""


def optimum_facts(store: RunStore, *, trust: bool = False) -> dict[str, Any]:
    """Everything that the page shows, as far as the search is. `trust`: the run's own files with blocks may be run."""
    result, config = read_state(store).result, store.config
    if result is None:
        raise RunError(f"{store.path} holds nothing proven yet; to go on: {_resume(store)}")
    standings = ranking(store, 10)
    need_blocks(store, [each.candidate.structure for each in standings], trust=trust)
    return {
        "title": store.path.parent.name if store.path else "optimum",
        "space": config.space.name,
        "state": state_of(store),
        "objective": in_words(store.columns[0]),
        "maximise": result.maximise,
        "limits": {name: [limit, name] for name, limit in config.limits.items()},
        "input": input_in_words(config),
        "created": moment_of(store),
        "result": result.as_dict(),
        "blocks": blocks_of(store, standings[0].candidate) if standings else [],
        "best": lines_of(store, standings),
        "words": words_of(store),
        "explanations": explanations(store),
        "bounds": _steps(result),
        "met": _met(store, result),
        "trust": trust_of(store),
        "reproduce": reproduction(store),
        "versions": {name: store.info(name) for name in ("plainnet", "python", "machine")},
        "resume": _resume(store),
        "next": next_commands(store, standings[0].candidate) if standings else [],
        "yaml": dump_values(json.loads(config.to_json())),
    }


def _resume(store: RunStore) -> str:
    if store.path is None:
        return ""
    words = ["plainnet", "optimum", "--resume", str(store.path.parent)]
    return shlex.join([*words, "--trust"] if code_of(store.config) else words)


def _steps(result: Optimum) -> list[tuple[float, float | None, float | None]]:
    """(seconds, value, bound), carried on to the end."""
    steps = list(result.history)
    if steps:
        seconds, value, bound = steps[-1]
        steps.append((max(result.seconds, seconds), value, bound))
    return steps


def _met(store: RunStore, result: Optimum) -> dict[str, Any]:
    """The networks that were met, against the first budget that has a price, as [cost, value, structure, hash]."""
    priced = [name for name, price in result.prices.items() if price]
    axis = priced[0] if priced else next(iter(result.limits), "params")
    points = [
        [each.costs[axis], each.scores[store.columns[0]], each.structure, each.short_hash]
        for each in store.best(POINTS)
        if each.costs[axis] is not None
    ]
    points.sort(key=lambda point: point[0])
    return {"axis": in_words(axis), "points": points, "limit": result.limits.get(axis)}
