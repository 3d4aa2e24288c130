"""The format of a run's database, and how a database is opened, never guessed at."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from plainnet.errors import RunError

__all__ = ["FILE_NAME", "FORMAT", "connect", "create", "explained", "open_database"]

FILE_NAME = "run.sqlite"
APPLICATION = 0x506C6E53
"""PlnS: what SQLite's header says this file is."""
FORMAT = 1
"""The version of the format below."""

TABLES = """
CREATE TABLE run (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE islands (island INTEGER PRIMARY KEY, state TEXT NOT NULL, arrivals TEXT NOT NULL);
CREATE TABLE epochs (
    epoch INTEGER PRIMARY KEY, proposed INTEGER NOT NULL, evaluated INTEGER NOT NULL, tally TEXT NOT NULL,
    best REAL, best_hash INTEGER);
CREATE TABLE measures (
    rung INTEGER NOT NULL, proxy TEXT NOT NULL, hash INTEGER NOT NULL, repeats INTEGER NOT NULL,
    mean REAL, stderr REAL, seed INTEGER NOT NULL, scores TEXT NOT NULL, PRIMARY KEY (rung, hash)) WITHOUT ROWID;
CREATE TABLE events (
    id INTEGER PRIMARY KEY, time REAL NOT NULL, kind TEXT NOT NULL, seconds REAL NOT NULL, text TEXT NOT NULL);
"""
CANDIDATES = """
CREATE TABLE candidates (
    id INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, island INTEGER NOT NULL, hash INTEGER NOT NULL,
    structure TEXT NOT NULL, parent INTEGER NOT NULL, other_parent INTEGER NOT NULL, operator INTEGER NOT NULL,
    params INTEGER NOT NULL, macs INTEGER NOT NULL, layers INTEGER NOT NULL, activations INTEGER NOT NULL,
    peak_activation INTEGER NOT NULL, latency_ms REAL NOT NULL{objectives});
"""


@contextmanager
def explained(path: Path | str) -> Iterator[None]:
    """Turn SQLite's errors into ours, which say what is lost (nothing that was committed) and what to do."""
    try:
        yield
    except sqlite3.OperationalError as error:
        text = str(error)
        if "full" in text or "disk I/O" in text:
            raise RunError(
                f"no room to write {path} ({text}); everything up to the last finished epoch is kept: "
                "free some space, then resume the run"
            ) from error
        if "locked" in text:
            raise RunError(f"{path} is locked by another program ({text})") from error
        raise RunError(f"{path} cannot be used: {text}") from error
    except sqlite3.DatabaseError as error:
        raise RunError(
            f"{path} is damaged ({error}); what can be read of it is had with: sqlite3 {path} .recover"
        ) from error


def connect(path: Path | None) -> sqlite3.Connection:
    """A connection to a database file (None: in memory) that commits durably."""
    connection = sqlite3.connect(":memory:" if path is None else path, timeout=10, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def create(path: Path | None, objective_columns: tuple[str, ...], facts: Mapping[str, str]) -> sqlite3.Connection:
    """A new database that holds the facts of a run. It takes its name when it is complete, so that a run is either there
    or not.
    """
    scratch = path.with_name(f"{path.name}.new") if path is not None else None
    with explained(path or "memory"):
        if scratch is not None:
            for left in (scratch, *(Path(f"{scratch}-{suffix}") for suffix in ("wal", "shm"))):
                left.unlink(missing_ok=True)
        connection = connect(scratch)
        connection.execute("BEGIN IMMEDIATE")
        for statement in TABLES.split(";"):
            connection.execute(statement)
        columns = "".join(f', "{name}" REAL' for name in objective_columns)
        connection.execute(CANDIDATES.format(objectives=columns))
        connection.executemany("INSERT INTO run VALUES (?, ?)", facts.items())
        connection.execute(f"PRAGMA application_id = {APPLICATION}")
        connection.execute(f"PRAGMA user_version = {FORMAT}")
        connection.execute("COMMIT")
        if path is None or scratch is None:
            return connection
        connection.close()
    scratch.replace(path)
    return open_database(path)


def open_database(path: Path, *, check: bool = False) -> sqlite3.Connection:
    """The database of a run; `RunError` if there is none, if it is none of ours, of another format, or damaged.

    check: read all of it and see that it is sound.
    """
    if not path.is_file():
        raise RunError(f"there is no run in {path.parent}: {path.name} is missing")
    with explained(path):
        connection = connect(path)
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if application != APPLICATION:
        raise RunError(f"{path} is no run of plainnet")
    if version != FORMAT:
        newer = "newer" if version > FORMAT else "older"
        raise RunError(
            f"{path} has format {version}, this version of plainnet reads format {FORMAT}; "
            f"use the {newer} version of plainnet that wrote it"
        )
    if not {"run", "candidates", "islands", "epochs", "measures", "events"} <= tables:
        raise RunError(f"{path} is incomplete: its tables are {', '.join(sorted(tables)) or 'missing'}")
    if check:
        with explained(path):
            found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            connection.close()
            raise RunError(f"{path} is damaged ({found}); what can be read of it is had with: sqlite3 {path} .recover")
    return connection
