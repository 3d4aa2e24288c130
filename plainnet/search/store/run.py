"""A run as it is kept: a folder with one SQLite file.

An epoch is one transaction: its candidates, the states of all islands and the counts are written together or not at
all. Whenever the process ends, the file holds the run as it was after some epoch, and going on from there gives the
same rows as never having stopped.
"""

from __future__ import annotations

import json
import logging
import os
import platform
import shlex
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from plainnet import __version__
from plainnet.errors import RunError
from plainnet.search.settings.config import SearchConfig
from plainnet.search.store.checks import check_pages, check_schema, check_structures, format_of
from plainnet.search.store.digests import check_digests, seal, seal_epoch, seal_event, seal_rung, upgrade
from plainnet.search.store.reading import RunReader, file_identity, quoted
from plainnet.search.store.records import COSTS, EpochRecord, Measure, column_names
from plainnet.search.store.schema import FILE_NAME, FORMAT, create, explained, open_database

__all__ = ["RunStore"]

logger = logging.getLogger(__name__)


class RunStore(RunReader):
    """A run's database. One process writes it (see `RunLock`), any number may read."""

    @classmethod
    def create(
        cls,
        folder: str | Path | None,
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
            path = Path(folder) / FILE_NAME
            if os.path.exists(path):
                again = shlex.join(["plainnet", "search", "--resume", str(folder)])
                raise RunError(f"there is a run in {folder} already; resume it with: {again}")
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
        return cls(create(path, columns, noted, seal), path)

    @classmethod
    def open(cls, folder: str | Path, *, check: bool = False, writable: bool = True, digests: bool = True) -> RunStore:
        """The run in a folder; see `open_database`. digests: see that every part is what was written, for which all of the file
        is read; check: see that every page and every structure is sound, too. A writable run of the format before becomes one of
        this format.
        """
        path = Path(folder) / FILE_NAME
        connection = open_database(path, writable=writable)
        try:
            with explained(path):
                check_schema(path, connection)
                if check:
                    check_pages(path, connection)
                    check_structures(path, connection)
                older = format_of(connection) != FORMAT
                if not older and digests:
                    check_digests(path, connection)
            store = cls(connection, path)
            if older and writable:
                store.upgrade()
            return store
        except BaseException:
            connection.close()
            raise

    def upgrade(self) -> None:
        """Give a run of the format before the digests that it lacks."""
        with explained(self._name):
            before = format_of(self._connection)
            upgrade(self._connection)
        self.note("format", f"format {before} had no digests: they are those of what the file held now")

    def verify_kept(self) -> None:
        """See that the folder still holds this file; `RunError` where it was removed or replaced while it was open."""
        if self.path is not None and file_identity(self.path) != self._identity:
            raise RunError(
                f"{self.path} was removed or replaced while it was written; what was found since then is not kept there"
            )

    def commit_epoch(self, record: EpochRecord) -> None:
        """Write an epoch, all or nothing."""
        holes = ", ".join("?" * (5 + len(COSTS) + len(self.columns)))
        with self._transaction() as connection:
            first = connection.execute("SELECT coalesce(max(id), 0) + 1 FROM candidates").fetchone()[0]
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
            seal_epoch(connection, record.epoch, first)
            seal(connection, "islands")
            self._event(connection, "epoch", f"epoch {record.epoch}", record.seconds)
        self.verify_kept()

    def add_measures(self, measures: Iterable[Measure], *, seconds: float) -> None:
        """Write what a rung found, replacing what the same rung found before with fewer repeats."""
        found = list(measures)
        if found:
            logger.info("rung %d: %d measured by %s in %.1f s", found[0].rung, len(found), found[0].proxy, seconds)
        with self._transaction() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO measures VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [(*measure[:-1], json.dumps(measure.scores)) for measure in found],
            )
            for rung in {measure.rung for measure in found}:
                seal_rung(connection, rung)
            if found:
                self._event(connection, f"rung {found[0].rung}", f"{found[0].proxy}: {len(found)} measured", seconds)

    def note(self, kind: str, text: str, *, seconds: float = 0.0) -> None:
        """Write down that something happened."""
        logger.info("%s: %s", kind, text)
        with self._transaction() as connection:
            self._event(connection, kind, text, seconds)

    def set_fact(self, key: str, value: str) -> None:
        """Note a fact of the run, in place of what it was before."""
        with self._transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO run VALUES (?, ?)", (key, value))
            seal(connection, "run")
        self.verify_kept()

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
        printable = text.encode("utf-8", "backslashreplace").decode()  # names of files may be no UTF-8
        added = connection.execute(
            "INSERT INTO events VALUES (NULL, ?, ?, ?, ?)", (time.time(), kind, seconds, printable)
        )
        seal_event(connection, int(added.lastrowid or 0))

    def rewrite(self, config: SearchConfig, states: Mapping[int, dict[str, Any]], text: str) -> None:
        """Give the run another configuration and its islands other states; the ladder is to be climbed anew, and what was
        proven for the configuration before is forgotten.
        """
        with self._transaction() as connection:
            connection.execute("DELETE FROM run WHERE key = 'bound'")
            connection.execute("UPDATE run SET value = ? WHERE key = 'config'", (config.to_json(),))
            connection.execute("DELETE FROM measures")
            connection.execute("DELETE FROM events WHERE kind = 'climbed'")
            for island, state in states.items():
                connection.execute("UPDATE islands SET state = ? WHERE island = ?", (json.dumps(state), island))
            seal(connection, "run", "islands", "rung", "events")
            self._event(connection, "fork", text, 0.0)
        self.config = config

    def set_costs(self, name: str, values: Iterable[tuple[float | None, int]]) -> None:
        """Write a cost of candidates that was not computed before: pairs of a value and the candidate's id."""
        with self._transaction() as connection:
            connection.executemany(f"UPDATE candidates SET {quoted(name)} = ? WHERE id = ?", values)
            seal(connection, "epoch")

    def forget_measures(self, rung: int | None = None) -> None:
        """Take back what the ladder found: there are more candidates to come; or what one of its rungs found."""
        with self._transaction() as connection:
            connection.execute(
                "DELETE FROM measures" if rung is None else f"DELETE FROM measures WHERE rung = {rung:d}"
            )
            connection.execute("DELETE FROM events WHERE kind = 'climbed'")
            seal(connection, "rung", "events")

    def snapshot(self, path: str | Path) -> None:
        """Copy the database, as it is now, to a new file."""
        with explained(Path(path)):
            target = sqlite3.connect(os.path.abspath(path))  # "file:x" is no URI
            self._connection.backup(target)
            target.close()
