"""The format of a run's database, and how a database is opened, never guessed at."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from plainnet.errors import RunError
from plainnet.files.file_kinds import no_run_in
from plainnet.files.lock import only_a_lock

__all__ = ["FILE_NAME", "FORMAT", "UnusableRunError", "connect", "create", "damaged", "explained", "open_database"]

FILE_NAME = "run.sqlite"
APPLICATION = 0x506C6E53
"""PlnS: what SQLite's header says this file is."""
FORMAT = 3
"""The version of the format below."""
WITHOUT_DIGESTS = 2
"""The version before: the same without digests. It is read as it is, and made one of this format before it is written."""

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
DIGESTS = "CREATE TABLE digests (part TEXT PRIMARY KEY, digest TEXT NOT NULL) WITHOUT ROWID"
CANDIDATES = """
CREATE TABLE candidates (
    id INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, island INTEGER NOT NULL, hash INTEGER NOT NULL,
    structure TEXT NOT NULL, parent INTEGER NOT NULL, other_parent INTEGER NOT NULL, operator INTEGER NOT NULL,
    params INTEGER NOT NULL, macs INTEGER NOT NULL, layers INTEGER NOT NULL, activations INTEGER NOT NULL,
    peak_activation INTEGER, latency_ms REAL, convolutions INTEGER, rho REAL{objectives});
"""


class UnusableRunError(RunError):
    """A run's file that cannot be used; `state` says in a word or two what it is instead: damaged, foreign, format 7."""

    def __init__(self, message: str, *, state: str = "damaged") -> None:
        super().__init__(message)
        self.state = state


class DamagedPartError(RunError):
    """What no worker takes up: the state of an island, what came to it, a start. A worker does not know the run's file."""


def damaged(path: Path | str, what: object) -> UnusableRunError:
    """The error about a damaged file, with the way to what is left of it."""
    return UnusableRunError(f"{path} is damaged ({what}); what can be read of it is had with: sqlite3 {path} .recover")


@contextmanager
def parts_of(path: Path | str) -> Iterator[None]:
    """What workers take up inside stands in this file."""
    try:
        yield
    except DamagedPartError as error:
        raise damaged(path, error) from None


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
        if "no such column" in text or "no such table" in text or "decode" in text:
            raise damaged(path, text) from error
        if "unable to open" in text or "readonly" in text:
            raise UnusableRunError(f"{path} cannot be opened for writing: {text}", state="unreadable") from error
        raise RunError(f"{path} cannot be used: {text}") from error
    except sqlite3.DatabaseError as error:
        raise damaged(path, error) from error
    except UnicodeDecodeError as error:  # a text in the file, or in SQLite's own message about it
        raise damaged(path, "a text in it is no UTF-8") from error


def connect(path: Path | None) -> sqlite3.Connection:
    """A connection to a database file (None: in memory) that commits durably."""
    # the whole path: SQLite takes a name that begins with "file:" for a URI, and would write elsewhere
    name = ":memory:" if path is None else os.path.abspath(path)
    connection = sqlite3.connect(name, timeout=10, isolation_level=None)
    try:
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
    except BaseException:
        connection.close()
        raise
    return connection


def create(
    path: Path | None,
    objective_columns: tuple[str, ...],
    facts: Mapping[str, str],
    seal: Callable[[sqlite3.Connection], None],
) -> sqlite3.Connection:
    """A new database that holds the facts of a run. It takes its name when it is complete, so that a run is either there
    or not. seal: what writes the digests of a database.
    """
    if path is None:
        return _filled(connect(None), objective_columns, facts, seal)
    scratch = path.with_name(f"{path.name}.new")
    _remove(scratch)
    try:
        with explained(path):
            _filled(connect(scratch), objective_columns, facts, seal).close()
    except RunError as error:
        _remove(scratch)
        raise RunError(f"no run can begin in {path.parent}: {error.__cause__ or error}") from error
    scratch.replace(path)
    return open_database(path)


def _filled(
    connection: sqlite3.Connection,
    objective_columns: tuple[str, ...],
    facts: Mapping[str, str],
    seal: Callable[[sqlite3.Connection], None],
) -> sqlite3.Connection:
    try:
        connection.execute("BEGIN IMMEDIATE")
        for statement in (*TABLES.split(";"), DIGESTS):
            connection.execute(statement)
        columns = "".join(f', "{name}" REAL' for name in objective_columns)
        connection.execute(CANDIDATES.format(objectives=columns))
        connection.executemany("INSERT INTO run VALUES (?, ?)", facts.items())
        seal(connection)
        connection.execute(f"PRAGMA application_id = {APPLICATION}")
        connection.execute(f"PRAGMA user_version = {FORMAT}")
        connection.execute("COMMIT")
    except BaseException:
        connection.close()
        raise
    return connection


def _remove(scratch: Path) -> None:
    """Remove a file that never became a run, with what SQLite had beside it."""
    for left in (scratch, *(scratch.with_name(f"{scratch.name}-{suffix}") for suffix in ("wal", "shm"))):
        left.unlink(missing_ok=True)


def open_database(path: Path, *, writable: bool = True) -> sqlite3.Connection:
    """The database of a run; `UnusableRunError` if it is none of ours, of another format, or damaged.

    writable: False for those who only read: a run in a folder that cannot be written is then read, too.
    """
    _look(path)
    with explained(path):
        connection = _connected(path, writable=writable)
        try:
            application = connection.execute("PRAGMA application_id").fetchone()[0]
            _refuse_others(path, application, connection.execute("PRAGMA user_version").fetchone()[0])
        except BaseException:
            connection.close()
            raise
    return connection


def _runs_below(path: Path) -> str:
    """The runs in a folder that is none itself, such as a sweep's."""
    found = sorted(str(each.parent) for each in path.parent.glob(f"*/{path.name}"))
    more = f" and {len(found) - 3} more" if len(found) > 3 else ""
    return f"; it holds {', '.join(found[:3])}{more}" if found else ""


def _look(path: Path) -> None:
    """Refuse a file by its header, before SQLite may do anything to it: a database of another program stays as it is."""
    if not os.path.isdir(path.parent):  # a name that is too long for a path is no folder, and no error
        raise no_run_in(path.parent)
    if not os.path.isfile(path):
        raise RunError(
            f"there is no run in {path.parent}: {path.name} is missing{_runs_below(path) or only_a_lock(path.parent)}"
        )
    try:
        with path.open("rb") as file:
            header, size = file.read(100), file.seek(0, os.SEEK_END)
    except OSError as error:
        raise UnusableRunError(f"{path} cannot be read: {error.strerror}", state="unreadable") from None
    if len(header) < 100 or not header.startswith(b"SQLite format 3\0"):
        raise damaged(path, "it is no database")
    _refuse_others(path, int.from_bytes(header[68:72], "big"), int.from_bytes(header[60:64], "big", signed=True))
    page = int.from_bytes(header[16:18], "big")
    whole = int.from_bytes(header[28:32], "big") * (65_536 if page == 1 else page)
    if size < whole and not _has_changes(path):
        raise damaged(path, f"it is cut short: {size:,} of {whole:,} bytes are there")


def _has_changes(path: Path) -> bool:
    """Whether there is a write-ahead log with changes that are not in the file yet."""
    log = path.with_name(f"{path.name}-wal")
    return log.exists() and log.stat().st_size > 0


def _refuse_others(path: Path, application: int, version: int) -> None:
    if application != APPLICATION:
        raise UnusableRunError(f"{path} is no run of plainnet: another program wrote it", state="foreign")
    if version not in (FORMAT, WITHOUT_DIGESTS):
        age = "newer" if version > FORMAT else "older"
        raise UnusableRunError(
            f"{path} has format {version}, this version of plainnet reads formats {WITHOUT_DIGESTS} and {FORMAT}; "
            f"use the {age} version of plainnet that wrote it",
            state=f"format {version}",
        )


def _connected(path: Path, *, writable: bool) -> sqlite3.Connection:
    try:
        return connect(path)
    except sqlite3.OperationalError as error:
        # A file with a write-ahead log is only opened where files can be made beside it; without changes in such a log,
        # it may be taken as it is.
        if writable or "locked" in str(error) or _has_changes(path):
            raise
        uri = f"{path.resolve().as_uri()}?immutable=1"
        return sqlite3.connect(uri, uri=True, isolation_level=None)
