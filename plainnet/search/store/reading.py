"""What a run's database says, every value looked at when it is read."""

from __future__ import annotations

import os
import sqlite3
from array import array
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from plainnet.errors import RunError
from plainnet.search.candidates.budgets import ON_REQUEST
from plainnet.search.candidates.faults import failed_rows, fates
from plainnet.search.settings.config import SearchConfig
from plainnet.search.store.checks import checked_candidate, checked_measures, checked_row, decoded
from plainnet.search.store.records import COSTS, Candidate, Measure
from plainnet.search.store.schema import UnusableRunError, damaged, explained

__all__ = ["RunReader", "file_identity", "quoted"]


class RunReader:
    """A run's database, to be read."""

    def __init__(self, connection: sqlite3.Connection, path: Path | None) -> None:
        self._connection, self.path = connection, path
        self._name = path or "memory"
        self._identity = file_identity(path)
        try:
            self.config = SearchConfig.from_json(self.info("config"))
        except UnusableRunError:
            raise
        except RunError as error:
            raise damaged(self._name, error) from error
        self.columns: tuple[str, ...] = tuple(decoded(self._name, "columns", self.info("columns"), list[str]))
        self.directions: tuple[bool, ...] = tuple(
            decoded(self._name, "directions", self.info("directions"), list[bool])
        )
        if not len(self.columns) == len(self.directions) == len(self.config.objectives):
            raise damaged(self._name, f"columns are {self.columns} for {len(self.config.objectives)} objectives")
        present = {row[1] for row in self.query("PRAGMA table_info(candidates)")}
        missing = [name for name in (*COSTS, *self.columns) if name not in present]
        if missing:  # SQLite would take a quoted name that it does not know for a text
            raise damaged(self._name, f"no such column: {', '.join(missing)}")

    def close(self) -> None:
        """Close the file."""
        with explained(self._name):
            self._connection.close()

    def info(self, key: str) -> str:
        """One of the facts that were noted when the run was made."""
        found = self.query("SELECT key, value FROM run WHERE key = ?", (key,))
        if not found:
            raise damaged(self._name, f"{key} is missing")
        return str(checked_row(self._name, "run", found[0])[1])

    def noted(self, key: str) -> str | None:
        """A fact that may have been noted since the run was made; None where it was not."""
        return self.info(key) if self.query("SELECT 1 FROM run WHERE key = ?", (key,)) else None

    @property
    def created(self) -> float:
        """When the run was made, in seconds since 1970."""
        return float(decoded(self._name, "created", self.info("created"), float))

    def query(self, statement: str, values: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows that a statement gives."""
        with explained(self._name):
            return self._connection.execute(statement, tuple(values)).fetchall()

    @property
    def epochs_done(self) -> int:
        """How many epochs are finished."""
        return int(self.query("SELECT count(*) FROM epochs")[0][0])

    @property
    def proposed(self) -> int:
        """How many candidates were proposed."""
        return sum(count["candidates"] for count in self.epoch_counts())

    def states(self) -> tuple[dict[int, dict[str, Any]], dict[int, list[Any]]]:
        """The state of every island after the last epoch, and what its neighbour sent."""
        states: dict[int, dict[str, Any]] = {}
        arrivals: dict[int, list[Any]] = {}
        for row in self.query("SELECT island, state, arrivals FROM islands ORDER BY island"):
            island, state, sent = checked_row(self._name, "islands", row)
            states[island] = decoded(self._name, "islands.state", state, dict[str, Any])
            arrivals[island] = decoded(self._name, "islands.arrivals", sent, list[Any])
        if sorted(states) != list(range(self.config.islands)):
            raise damaged(self._name, f"there are states of {len(states)} islands, not of {self.config.islands}")
        return states, arrivals

    def known(self) -> bytes:
        """The hashes of all evaluated candidates, 8 bytes each."""
        with explained(self._name):
            try:
                return array("q", (row[0] for row in self._connection.execute("SELECT hash FROM candidates"))).tobytes()
            except TypeError as error:
                raise damaged(self._name, f"candidates.hash: {error}") from None

    def epoch_counts(self) -> list[dict[str, int]]:
        """What became of the candidates of each epoch."""
        found = []
        names = ("proposed", "evaluated", "tally")
        for row in self.query("SELECT proposed, evaluated, tally FROM epochs ORDER BY epoch"):
            proposed, evaluated, tally = checked_row(self._name, "epochs", row, names)
            counts = decoded(self._name, "epochs.tally", tally, dict[str, int])
            found.append({"duplicates": 0, **counts, "candidates": proposed, "evaluated": evaluated})
        return found

    def totals(self) -> dict[str, int]:
        """How many candidates were proposed, evaluated, duplicates, repaired, over which budget, and how many failed (at
        what: `failed: NaN` and the like).
        """
        found: dict[str, int] = {"candidates": 0, "evaluated": 0, "duplicates": 0, "repaired": 0}
        for counts in self.epoch_counts():
            for name, count in counts.items():
                found[name] = found.get(name, 0) + count
        rows = self.query("SELECT count(*) FROM candidates")[0][0]
        if found["evaluated"] != rows:
            said = f"{found['evaluated']:,} in all, and there are {rows:,} candidates"
            raise damaged(self._name, f"epochs.evaluated: {said}")
        found["evaluated"] -= failed_rows(found)
        return fates(found["candidates"], found)

    def seconds(self, kind: str = "") -> float:
        """The time spent in all sessions, or on one kind of event."""
        where = ("WHERE kind = ?", (kind,)) if kind else ("", ())
        return float(self.query(f"SELECT total(seconds) FROM events {where[0]}", where[1])[0][0])

    @property
    def within(self) -> str:
        """A condition on candidates: within the run's budgets. A fork may hold some that were evaluated under others."""
        limits = self.config.limits.items()
        return " AND ".join(["1", *(f'"{name}" <= {float(limit)!r}' for name, limit in limits if limit < 1e308)])

    @property
    def asked(self) -> tuple[str, ...]:
        """The costs that this run holds: the counts, and of the others those that a budget or an objective asks for."""
        return tuple(name for name in COSTS if name not in ON_REQUEST or name in self.config.asked)

    def best(self, count: int = 1, *, objective: int = 0) -> list[Candidate]:
        """The best candidates within the budgets by one objective, the earliest of equals first."""
        direction = "DESC" if self.directions[objective] else "ASC"
        column = f'"{self.columns[objective]}"'
        present = f"{column} IS NOT NULL AND {self.within}"
        return self.select(f"WHERE {present} ORDER BY {column} {direction}, id LIMIT {int(count)}")

    def by_hash(self, hashes: Sequence[int]) -> dict[int, Candidate]:
        """The candidates of some hashes that are within the budgets."""
        found: dict[int, Candidate] = {}
        for first in range(0, len(hashes), 500):
            some = ",".join(map(str, map(int, hashes[first : first + 500])))
            for candidate in self.select(f"WHERE hash IN ({some}) AND {self.within}"):
                found[candidate.hash] = candidate
        return found

    def select(self, clause: str = "ORDER BY id") -> list[Candidate]:
        """The candidates that a clause (WHERE, ORDER BY, LIMIT) picks."""
        names = ("id", "hash", "structure", *COSTS, *self.columns)
        found, scores_at = [], 3 + len(COSTS)
        for row in self.query(f"SELECT {', '.join(map(quoted, names))} FROM candidates {clause}"):
            checked_candidate(self._name, names, row)
            costs = dict(zip(COSTS, row[3:scores_at], strict=True))
            found.append(
                Candidate(row[0], row[1], row[2], costs, dict(zip(self.columns, row[scores_at:], strict=True)))
            )
        return found

    def lines(self, names: Sequence[str], clause: str = "ORDER BY id") -> Iterator[tuple[Any, ...]]:
        """Columns of all candidates, one after the other."""
        columns = ", ".join(map(quoted, names))
        with explained(self._name):
            for row in self._connection.execute(f"SELECT {columns} FROM candidates {clause}"):
                yield checked_candidate(self._name, names, row)

    def measures(self) -> list[Measure]:
        """What the ladder found so far, rung by rung."""
        return checked_measures(self._name, self.query("SELECT * FROM measures ORDER BY rung, hash"))

    def events(self) -> Iterator[tuple[float, str, float, str]]:
        """(time, kind, seconds, text) of everything that happened."""
        names = ("time", "kind", "seconds", "text")
        for row in self.query("SELECT time, kind, seconds, text FROM events ORDER BY id"):
            time_, kind, seconds, text = checked_row(self._name, "events", row, names)
            yield time_, kind, seconds, text


def quoted(name: str) -> str:
    """A column's name in a statement."""
    return '"' + name.replace('"', '""') + '"'


def file_identity(path: Path | None) -> tuple[int, int] | None:
    """Which file a path names now; None for none."""
    try:
        about = os.stat(path) if path is not None else None
    except OSError:
        return None
    return (about.st_dev, about.st_ino) if about is not None else None
