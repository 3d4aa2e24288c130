"""A run as it is kept: a folder with one SQLite file.

An epoch is one transaction: its candidates, the states of all islands and the counts are written together or not at
all. Whenever the process ends, the file holds the run as it was after some epoch, and going on from there gives the
same rows as never having stopped.
"""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import time
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from plainnet import __version__
from plainnet.errors import RunError
from plainnet.search.budgets import ON_REQUEST
from plainnet.search.config import SearchConfig
from plainnet.search.store.checks import (
    check_pages,
    check_schema,
    check_structures,
    checked_candidate,
    checked_measures,
    checked_row,
    decoded,
)
from plainnet.search.store.records import COSTS, Candidate, EpochRecord, Measure, column_names
from plainnet.search.store.schema import FILE_NAME, UnusableRunError, create, damaged, explained, open_database

__all__ = ["RunStore"]


class RunStore:
    """A run's database. One process writes it (see `RunLock`), any number may read."""

    def __init__(self, connection: sqlite3.Connection, path: Path | None) -> None:
        self._connection, self.path = connection, path
        self._name = path or "memory"
        self._identity = _identity(path)
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

    # Making and opening -------------------------------------------------------------------------

    @classmethod
    def create(
        cls,
        folder: Path | None,
        config: SearchConfig,
        *,
        objectives: Sequence[str],
        directions: Sequence[bool],
        kind: str = "search",
        columns: Sequence[str] | None = None,
        facts: Mapping[str, str] | None = None,
    ) -> RunStore:
        """A new run in an empty or new folder, or in memory. `columns`: of the objectives, where they are known; `facts`:
        what else is noted of it.
        """
        path = None
        if folder is not None:
            path = folder / FILE_NAME
            if path.exists():
                raise RunError(f"there is a run in {folder} already; resume it with: plainnet search --resume {folder}")
        columns = tuple(columns) if columns is not None else column_names(objectives)
        noted = {
            **(facts or {}),
            "config": config.to_json(),
            "columns": json.dumps(columns),
            "directions": json.dumps(list(directions)),
            "kind": kind,
            "created": str(time.time()),
            "plainnet": __version__,
            "python": platform.python_version(),
            "machine": f"{platform.machine()} {platform.system()}",
        }
        return cls(create(path, columns, noted), path)

    @classmethod
    def open(cls, folder: Path, *, check: bool = False, writable: bool = True) -> RunStore:
        """The run in a folder; see `open_database`. check: see that every page and every structure is sound."""
        path = folder / FILE_NAME
        connection = open_database(path, writable=writable)
        try:
            with explained(path):
                check_schema(path, connection)
                if check:
                    check_pages(path, connection)
                    check_structures(path, connection)
            return cls(connection, path)
        except BaseException:
            connection.close()
            raise

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

    @property
    def created(self) -> float:
        """When the run was made, in seconds since 1970."""
        return float(decoded(self._name, "created", self.info("created"), float))

    def query(self, statement: str, values: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows that a statement gives."""
        with explained(self._name):
            return self._connection.execute(statement, tuple(values)).fetchall()

    def verify_kept(self) -> None:
        """See that the folder still holds this file; `RunError` where it was removed or replaced while it was open."""
        if self.path is not None and _identity(self.path) != self._identity:
            raise RunError(
                f"{self.path} was removed or replaced while it was written; what was found since then is not kept there"
            )

    # Writing ------------------------------------------------------------------------------------

    def commit_epoch(self, record: EpochRecord) -> None:
        """Write an epoch, all or nothing."""
        holes = ", ".join("?" * (5 + len(COSTS) + len(self.columns)))
        with self._transaction() as connection:
            for island, rows in sorted(record.rows.items()):
                statement = f"INSERT INTO candidates VALUES (NULL, {record.epoch}, {island}, {holes})"
                connection.executemany(statement, rows)
            connection.executemany(
                "INSERT OR REPLACE INTO islands VALUES (?, ?, ?)",
                [
                    (island, json.dumps(state), json.dumps(record.arrivals.get(island, [])))
                    for island, state in sorted(record.states.items())
                ],
            )
            evaluated = sum(map(len, record.rows.values()))
            tally = json.dumps(dict(sorted(record.tally.items())))
            values = (record.epoch, record.proposed, evaluated, tally, record.best, record.best_hash)
            connection.execute("INSERT INTO epochs VALUES (?, ?, ?, ?, ?, ?)", values)
            self._event(connection, "epoch", f"epoch {record.epoch}", record.seconds)
        self.verify_kept()

    def add_measures(self, measures: Iterable[Measure], *, seconds: float) -> None:
        """Write what a rung found, replacing what the same rung found before with fewer repeats."""
        found = list(measures)
        with self._transaction() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO measures VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [(*measure[:-1], json.dumps(measure.scores)) for measure in found],
            )
            if found:
                self._event(connection, f"rung {found[0].rung}", f"{found[0].proxy}: {len(found)} measured", seconds)

    def note(self, kind: str, text: str, *, seconds: float = 0.0) -> None:
        """Write down that something happened."""
        with self._transaction() as connection:
            self._event(connection, kind, text, seconds)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Everything inside, or nothing."""
        with explained(self._name):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @staticmethod
    def _event(connection: sqlite3.Connection, kind: str, text: str, seconds: float) -> None:
        connection.execute("INSERT INTO events VALUES (NULL, ?, ?, ?, ?)", (time.time(), kind, seconds, text))

    # Reading ------------------------------------------------------------------------------------

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
        """How many candidates were proposed, evaluated, duplicates, repaired, over which budget."""
        found: dict[str, int] = {"candidates": 0, "evaluated": 0, "duplicates": 0, "repaired": 0}
        for counts in self.epoch_counts():
            for name, count in counts.items():
                found[name] = found.get(name, 0) + count
        found["rejected"] = found["candidates"] - found["evaluated"] - found["duplicates"]
        return found

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
            found.append(Candidate(*row[:3], costs, dict(zip(self.columns, row[scores_at:], strict=True))))
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

    # Changing what is there -----------------------------------------------------------------------

    def rewrite(self, config: SearchConfig, states: Mapping[int, dict[str, Any]], text: str) -> None:
        """Give the run another configuration and its islands other states; the ladder is to be climbed anew."""
        with self._transaction() as connection:
            connection.execute("UPDATE run SET value = ? WHERE key = 'config'", (config.to_json(),))
            connection.execute("DELETE FROM measures")
            for island, state in states.items():
                connection.execute("UPDATE islands SET state = ? WHERE island = ?", (json.dumps(state), island))
            self._event(connection, "fork", text, 0.0)
        self.config = config

    def set_costs(self, name: str, values: Iterable[tuple[float | None, int]]) -> None:
        """Write a cost of candidates that was not computed before: pairs of a value and the candidate's id."""
        with self._transaction() as connection:
            connection.executemany(f"UPDATE candidates SET {quoted(name)} = ? WHERE id = ?", values)

    def forget_measures(self) -> None:
        """Take back what the ladder found: there are more candidates to come."""
        with self._transaction() as connection:
            connection.execute("DELETE FROM measures")

    def snapshot(self, path: Path) -> None:
        """Copy the database, as it is now, to a new file."""
        with explained(path):
            target = sqlite3.connect(path)
            self._connection.backup(target)
            target.close()


def quoted(name: str) -> str:
    """A column's name in a statement."""
    return '"' + name.replace('"', '""') + '"'


def _identity(path: Path | None) -> tuple[int, int] | None:
    """Which file a path names now; None for none."""
    try:
        about = os.stat(path) if path is not None else None
    except OSError:
        return None
    return (about.st_dev, about.st_ino) if about is not None else None
