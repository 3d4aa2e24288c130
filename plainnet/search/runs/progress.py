"""How far a search is, and who is told."""

from __future__ import annotations

import time
from collections import Counter as Tally
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from plainnet.search.candidates.faults import failed_rows
from plainnet.search.evolution.islands import IslandReport
from plainnet.search.store import COSTS, EpochRecord, RunStore

__all__ = ["Progress", "Tracker", "Watcher", "nobody"]


@dataclass(frozen=True)
class Progress:
    """How far a search is; `best` is its structure, costs and score so far."""

    stage: str
    done: int
    total: int
    seconds: float
    tally: Mapping[str, int] = field(default_factory=dict)
    best_structure: str = ""
    best_costs: Mapping[str, float | None] = field(default_factory=dict)
    best_score: float | None = None
    score_name: str = ""
    """what `best_score` is a value of"""
    message: str = ""
    rate: float = 0.0
    """candidates for each second of this session"""


Watcher = Callable[[Progress], None]


def nobody(progress: Progress) -> None:
    """Watches nothing."""


class Tracker:
    """Tells a watcher how far the search is."""

    def __init__(self, store: RunStore, watch: Watcher) -> None:
        self._store, self._watch = store, watch
        self._began = time.perf_counter()
        totals = store.totals()
        self._first = self._done = totals["candidates"]
        self._tally: Tally[str] = Tally({name: count for name, count in totals.items() if name != "candidates"})
        found = store.best(1)
        self._best = (found[0].structure, found[0].costs, found[0].scores[store.columns[0]]) if found else None
        self._sign = 1 if store.directions[0] else -1
        told = [text for _, kind, _, text in store.events() if kind == "failed"]
        self._failed = {text.partition("(")[2].partition(")")[0] for text in told if text.startswith("failed (")}

    def note(self, kind: str, text: str) -> None:
        """Write down that something happened, and tell it."""
        self._store.note(kind, text)
        self.tell(text)

    def tell_failures(self, reports: Mapping[int, IslandReport]) -> None:
        """Write down, and say, the first failure of each kind."""
        for island in sorted(reports):
            for failure in reports[island].failures:
                if failure.kind not in self._failed:
                    self._failed.add(failure.kind)
                    self.note("failed", f"failed ({failure.kind}): {failure.text}")

    def show(self, record: EpochRecord) -> None:
        """Take in an epoch, and tell how far the search is with it."""
        self._done += record.proposed
        self._tally.update(record.tally)
        self._tally["evaluated"] += sum(map(len, record.rows.values())) - failed_rows(record.tally)
        best = record.best
        if best is not None and (self._best is None or best * self._sign > (self._best[2] or 0) * self._sign):
            row = next(row for rows in record.rows.values() for row in rows if row[0] == record.best_hash)
            self._best = (row[1], dict(zip(COSTS, row[5 : 5 + len(COSTS)], strict=True)), best)
        self.tell("")

    def tell(self, message: str) -> None:
        """Tell how far the search is, with a message or without."""
        structure, costs, score = self._best or ("", {}, None)
        seconds = time.perf_counter() - self._began
        total = self._store.config.candidates
        rate = (self._done - self._first) / seconds if seconds else 0.0
        name, tally = self._store.columns[0], dict(self._tally)
        self._watch(
            Progress("evolution", self._done, total, seconds, tally, structure, costs, score, name, message, rate)
        )
