"""A run as it is kept: a folder with one SQLite file.

An epoch is one transaction: its candidates, the states of all islands and the counts are written together or not at
all. Whenever the process ends, the file holds the run as it was after some epoch, and going on from there gives the
same rows as never having stopped.
"""

from __future__ import annotations

import json
import platform
import sqlite3
import time
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from plainnet import __version__
from plainnet.errors import RunError
from plainnet.search.config import SearchConfig
from plainnet.search.faults import failed_rows, fates
from plainnet.search.store.schema import FILE_NAME, UnusableRunError, create, damaged, explained, open_database

__all__ = ["COSTS", "Candidate", "EpochRecord", "Measure", "RunStore"]

COSTS = ("params", "macs", "layers", "activations", "peak_activation", "latency_ms")
"""The columns of a candidate's costs."""
COST_PREFIX = "objective_"
"""What stands before a cost that is an objective, too: objective_macs holds what macs holds."""


class EpochRecord(NamedTuple):
    """What an epoch leaves behind."""

    epoch: int
    rows: Mapping[int, Sequence[tuple[Any, ...]]]
    """island -> its new rows"""
    states: Mapping[int, dict[str, Any]]
    arrivals: Mapping[int, list[Any]]
    proposed: int
    tally: Mapping[str, int]
    best: float | None
    best_hash: int | None
    seconds: float


class Candidate(NamedTuple):
    """An evaluated candidate."""

    id: int
    hash: int
    structure: str
    costs: dict[str, Any]
    scores: dict[str, float | None]

    @property
    def short_hash(self) -> str:
        """`Structure.hash`."""
        return f"{self.hash:012x}"


class Measure(NamedTuple):
    """What a rung of the ladder found for a candidate."""

    rung: int
    proxy: str
    hash: int
    repeats: int
    mean: float | None
    stderr: float | None
    seed: int
    scores: tuple[float, ...]


class RunStore:
    """A run's database. One process writes it (see `RunLock`), any number may read."""

    def __init__(self, connection: sqlite3.Connection, path: Path | None) -> None:
        self._connection, self.path = connection, path
        self._name = path or "memory"
        try:
            self.config = SearchConfig.from_json(self.info("config"))
        except UnusableRunError:
            raise
        except RunError as error:
            raise damaged(self._name, error) from error
        self.columns: tuple[str, ...] = tuple(self._decoded(self.info("columns")))
        self.directions: tuple[bool, ...] = tuple(self._decoded(self.info("directions")))
        present = {row[1] for row in self.query("PRAGMA table_info(candidates)")}
        missing = [name for name in (*COSTS, *self.columns) if name not in present]
        if missing:  # SQLite would take a quoted name that it does not know for a text
            raise damaged(self._name, f"no such column: {', '.join(missing)}")

    # Making and opening -------------------------------------------------------------------------

    @classmethod
    def create(
        cls,
        folder: str | Path | None,
        config: SearchConfig,
        *,
        objectives: Sequence[str],
        directions: Sequence[bool],
        kind: str = "search",
    ) -> RunStore:
        """A new run in an empty or new folder, or in memory."""
        path = None
        if folder is not None:
            path = Path(folder) / FILE_NAME
            if path.exists():
                raise RunError(f"there is a run in {folder} already; resume it with: plainnet search --resume {folder}")
        columns = column_names(objectives)
        facts = {
            "config": config.to_json(),
            "columns": json.dumps(columns),
            "directions": json.dumps(list(directions)),
            "kind": kind,
            "created": str(time.time()),
            "plainnet": __version__,
            "python": platform.python_version(),
            "machine": f"{platform.machine()} {platform.system()}",
        }
        return cls(create(path, columns, facts), path)

    @classmethod
    def open(cls, folder: str | Path, *, check: bool = False, writable: bool = True) -> RunStore:
        """The run in a folder; see `open_database`."""
        path = Path(folder) / FILE_NAME
        connection = open_database(path, check=check, writable=writable)
        try:
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
        found = self.query("SELECT value FROM run WHERE key = ?", (key,))
        if not found:
            raise damaged(self._name, f"{key} is missing")
        return str(found[0][0])

    def _decoded(self, text: str) -> Any:
        try:
            return json.loads(text)
        except (ValueError, TypeError) as error:
            raise damaged(self._name, error) from error

    def query(self, statement: str, values: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows that a statement gives."""
        with explained(self._name):
            return self._connection.execute(statement, tuple(values)).fetchall()

    # Writing ------------------------------------------------------------------------------------

    def commit_epoch(self, record: EpochRecord) -> None:
        """Write an epoch, all or nothing."""
        holes = ", ".join("?" * (11 + len(self.columns)))
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

    def states(self) -> tuple[dict[int, dict[str, Any]], dict[int, list[Any]]]:
        """The state of every island after the last epoch, and what its neighbour sent."""
        rows = self.query("SELECT island, state, arrivals FROM islands ORDER BY island")
        return {row[0]: self._decoded(row[1]) for row in rows}, {row[0]: self._decoded(row[2]) for row in rows}

    def known(self) -> bytes:
        """The hashes of all evaluated candidates, 8 bytes each."""
        with explained(self._name):
            return array("q", (row[0] for row in self._connection.execute("SELECT hash FROM candidates"))).tobytes()

    def epoch_counts(self) -> list[dict[str, int]]:
        """What became of the candidates of each epoch."""
        rows = self.query("SELECT proposed, evaluated, tally FROM epochs ORDER BY epoch")
        return [{"duplicates": 0, **self._decoded(row[2]), "candidates": row[0], "evaluated": row[1]} for row in rows]

    def totals(self) -> dict[str, int]:
        """How many candidates were proposed, evaluated, duplicates, repaired, over which budget, and how many failed (at
        what: `failed: NaN` and the like).
        """
        found: dict[str, int] = {"candidates": 0, "evaluated": 0, "duplicates": 0, "repaired": 0}
        for counts in self.epoch_counts():
            for name, count in counts.items():
                found[name] = found.get(name, 0) + count
        found["evaluated"] -= failed_rows(found)
        found = fates(found["candidates"], found)
        return found

    def seconds(self, kind: str = "") -> float:
        """The time spent in all sessions, or on one kind of event."""
        where = ("WHERE kind = ?", (kind,)) if kind else ("", ())
        return float(self.query(f"SELECT total(seconds) FROM events {where[0]}", where[1])[0][0])

    def best(self, count: int = 1, *, objective: int = 0) -> list[Candidate]:
        """The best candidates by one objective, the earliest of equals first."""
        direction = "DESC" if self.directions[objective] else "ASC"
        column = f'"{self.columns[objective]}"'
        return self.select(f"WHERE {column} IS NOT NULL ORDER BY {column} {direction}, id LIMIT {int(count)}")

    def by_hash(self, hashes: Sequence[int]) -> dict[int, Candidate]:
        """The candidates of some hashes."""
        found: dict[int, Candidate] = {}
        for first in range(0, len(hashes), 500):
            some = hashes[first : first + 500]
            for candidate in self.select(f"WHERE hash IN ({','.join(map(str, map(int, some)))})"):
                found[candidate.hash] = candidate
        return found

    def select(self, clause: str = "ORDER BY id") -> list[Candidate]:
        """The candidates that a clause (WHERE, ORDER BY, LIMIT) picks."""
        names = ", ".join(("id", "hash", "structure", *COSTS, *(f'"{name}"' for name in self.columns)))
        rows = self.query(f"SELECT {names} FROM candidates {clause}")
        return [
            Candidate(
                row[0],
                row[1],
                row[2],
                dict(zip(COSTS, row[3:9], strict=True)),
                dict(zip(self.columns, row[9:], strict=True)),
            )
            for row in rows
        ]

    def measures(self) -> list[Measure]:
        """What the ladder found so far, rung by rung."""
        rows = self.query("SELECT * FROM measures ORDER BY rung, hash")
        return [Measure._make((*row[:-1], tuple(self._decoded(row[-1])))) for row in rows]

    def events(self) -> Iterator[tuple[float, str, float, str]]:
        """(time, kind, seconds, text) of everything that happened."""
        yield from self.query("SELECT time, kind, seconds, text FROM events ORDER BY id")

    def rewrite(self, config: SearchConfig, states: Mapping[int, dict[str, Any]], text: str) -> None:
        """Give the run another configuration and its islands other states; the ladder is to be climbed anew."""
        with self._transaction() as connection:
            connection.execute("UPDATE run SET value = ? WHERE key = 'config'", (config.to_json(),))
            connection.execute("DELETE FROM measures")
            for island, state in states.items():
                connection.execute("UPDATE islands SET state = ? WHERE island = ?", (json.dumps(state), island))
            self._event(connection, "fork", text, 0.0)

    def snapshot(self, path: str | Path) -> None:
        """Copy the database, as it is now, to a new file."""
        with explained(Path(path)):
            target = sqlite3.connect(path)
            self._connection.backup(target)
            target.close()


def column_names(objectives: Sequence[str]) -> tuple[str, ...]:
    """The columns of objectives: their names, and objective_macs for a cost, which has a column of its own."""
    taken = {"id", "epoch", "island", "hash", "structure", "parent", "other_parent", "operator", *COSTS}
    names: list[str] = []
    for name in objectives:
        column = name if name not in taken else f"{COST_PREFIX}{name}"
        names.append(column if column not in names else f"{column}_{len(names)}")
    return tuple(names)
