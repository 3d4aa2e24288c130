"""The index of a store: SQLite, made from the records, and made again where it was lost, is foreign, or missed a change.

Of each task and family it keeps the time at which its folder was last changed, so that a look at a few folders says whether it
is up to date. Whoever changes something leaves the mark that it is behind first, and does not touch the index; the next reader
follows all that was changed at once, and takes the mark away. Of readers only the one that finds it behind writes.
"""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import cache, wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from plainnet.errors import PlainnetError, RunError
from plainnet.store.layout import RECORD, each_group, folder_of
from plainnet.store.record import Record, read_record
from plainnet.store.record_fields import LISTS, columns, metric_values, value_at
from plainnet.store.record_names import StoredName
from plainnet.store.writing import store_lock, sync

__all__ = ["DAMAGED", "Index", "check_place", "current_index", "mark_behind", "mends", "rebuild_index", "words_of"]

Asked = ParamSpec("Asked")
Answer = TypeVar("Answer")
FILE, BEHIND = "index.sqlite", "index.behind"
MAPPED = 1 << 30
"""Bytes of the index that are read from the system's cache as they lie there."""
_QUOTED = {place: '"' + place + '"' for place in columns()}
_COLUMNS = ", ".join(
    f"{quoted} {'TEXT' if columns()[place] == 'text' else 'REAL'}" for place, quoted in _QUOTED.items()
)
_TABLES = f"""
CREATE TABLE groups (place TEXT PRIMARY KEY, changed INTEGER NOT NULL);
CREATE TABLE networks (id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, place TEXT NOT NULL, stamp TEXT NOT NULL,
                       first_metric TEXT, first_value REAL, {_COLUMNS});
CREATE INDEX by_place ON networks (place);
CREATE TABLE documents (id INTEGER PRIMARY KEY, record TEXT NOT NULL);
CREATE TABLE metrics (name TEXT NOT NULL, id INTEGER NOT NULL, value REAL, PRIMARY KEY (name, id)) WITHOUT ROWID;
CREATE TABLE lists (list TEXT NOT NULL, id INTEGER NOT NULL, word TEXT NOT NULL, PRIMARY KEY (list, word, id)) WITHOUT ROWID;
CREATE TABLE broken (path TEXT PRIMARY KEY, place TEXT NOT NULL, why TEXT NOT NULL);
"""
DAMAGED = (sqlite3.Error, UnicodeDecodeError)
"""What SQLite raises for a damaged file: what it says of it may be no text."""
VERSION = zlib.crc32(_TABLES.encode()) >> 1
"""Of the tables, so that an index of other ones is made again."""


class Index:
    """An index that is open. `connection` is for those who ask it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def broken(self) -> list[tuple[str, str]]:
        """The folders whose record cannot be read, and why."""
        return list(self.connection.execute("SELECT path, why FROM broken ORDER BY path"))

    def behind(self, root: Path) -> list[tuple[str, str]]:
        """The kinds and groups in which something may have changed since."""
        marked = (root / BEHIND).exists()
        known = dict(self.connection.execute("SELECT place, changed FROM groups"))
        there = {_place(kind, group): _changed(folder) for kind, group, folder in each_group(root)}
        places = {**known, **there}
        return [_kind_and_group(place) for place in places if marked or known.get(place) != there.get(place)]

    def follow(self, root: Path, kind: str, group: str) -> None:
        """Read what changed in a task or family. A record that cannot be read is kept as such."""
        place, folder = _place(kind, group), folder_of(root, StoredName(kind, group, "x", "x")).parent
        changed = _changed(folder)
        known = dict(self.connection.execute("SELECT path, stamp FROM networks WHERE place = ?", (place,)))
        there = {name.path: (name, stamp) for name, stamp in _names_in(folder, kind, group)}
        with self.connection:
            self.connection.execute("DELETE FROM broken WHERE place = ?", (place,))
            for path in known.keys() - there.keys():
                self._remove(path)
            for path, (name, stamp) in there.items():
                if known.get(path) != stamp:
                    self._take(root, name, stamp, place)
            self.connection.execute("DELETE FROM groups WHERE place = ?", (place,))
            if changed is not None:
                self.connection.execute("INSERT INTO groups VALUES (?, ?)", (place, changed))

    def _take(self, root: Path, name: StoredName, stamp: str, place: str) -> None:
        self._remove(name.path)
        try:
            record = read_record(folder_of(root, name) / RECORD)
            check_place(record, name)
        except PlainnetError as error:
            self.connection.execute("INSERT INTO broken VALUES (?, ?, ?)", (name.path, place, str(error)))
            return
        data = record.as_dict()
        values = [value_at(data, field) for field in _QUOTED]
        first = record.metrics[0] if record.metrics else None
        own = (name.path, place, stamp, first and first.name, first and first.value)
        marks = ", ".join("?" * (len(own) + len(values)))
        names = ", ".join(("path", "place", "stamp", "first_metric", "first_value", *_QUOTED.values()))
        row = self.connection.execute(f"INSERT INTO networks ({names}) VALUES ({marks})", (*own, *values))
        number = row.lastrowid
        self.connection.execute("INSERT INTO documents VALUES (?, ?)", (number, json.dumps(data)))
        metrics = metric_values(record.metrics).items()
        self.connection.executemany("INSERT INTO metrics VALUES (?, ?, ?)", [(key, number, v) for key, v in metrics])
        words = {(kind, number, word) for kind in LISTS for word in words_of(data, kind)}
        self.connection.executemany("INSERT INTO lists VALUES (?, ?, ?)", sorted(words))

    def _remove(self, path: str) -> None:
        found = self.connection.execute("SELECT id FROM networks WHERE path = ?", (path,)).fetchone()
        if found is not None:
            for table in ("networks", "documents", "metrics", "lists"):
                self.connection.execute(f"DELETE FROM {table} WHERE id = ?", found)


def words_of(data: dict[str, Any], name: str) -> list[str]:
    """The texts of a list of a record: tags, parents, parts (their names), classes (of every head)."""
    if name == "classes":
        return [word for output in data["outputs"] for word in output["classes"] or ()]
    found = value_at(data, LISTS[name])
    return [data["identity"]["kind"], *found] if name == "parts" else list(found)


def check_place(record: Record, name: StoredName) -> None:
    """A record belongs to the folder that it lies in."""
    identity = record.identity
    group = identity.task if name.kind in ("network", "head") else identity.family
    if (identity.kind, group, identity.name, identity.tag) != tuple(name):
        raise RunError(
            f"{name.path} holds the record of another network: {identity.kind} {group} {identity.name}.{identity.tag}"
        )


@contextmanager
def current_index(root: Path) -> Iterator[Index]:
    """The index, up to date, to be read; one in memory where the store cannot be written."""
    connection = _current(root)
    if connection is None and root.is_dir() and _followed(root):
        connection = _current(root)
    with closing(connection or _in_memory(root)) as found:
        yield Index(found)


def mark_behind(root: Path) -> None:
    """To be called under the lock of the store, before something in it is changed: the next reader looks at all records."""
    mark = root / BEHIND
    if not mark.exists():
        mark.touch()
        sync(root)


def mends(asks: Callable[Concatenate[Path, Asked], Answer]) -> Callable[Concatenate[Path, Asked], Answer]:
    """A function that asks the index of a root, and asks again where that turns out to be damaged, after it was made again."""

    @wraps(asks)
    def ask(root: Path, /, *given: Asked.args, **named: Asked.kwargs) -> Answer:
        try:
            return asks(root, *given, **named)
        except DAMAGED:
            try:
                with store_lock(root):
                    rebuild_index(root)
            except (OSError, *DAMAGED) as error:
                raise RunError(f"the index {root / FILE} is damaged, and cannot be made again: {error}") from None
            return asks(root, *given, **named)

    return ask


def rebuild_index(root: Path) -> None:
    """The index from the records alone, under the lock of the store."""
    _delete(root / FILE)
    with closing(_connection(root / FILE)) as connection:
        for kind, group, _ in each_group(root):
            Index(connection).follow(root, kind, group)
    (root / BEHIND).unlink(missing_ok=True)


def _current(root: Path) -> sqlite3.Connection | None:
    """The index as it is on the disk, to be read alone; None where it is lost, foreign or behind."""
    path = root / FILE
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=60)
    except DAMAGED:
        return None
    try:
        connection.execute(f"PRAGMA mmap_size = {MAPPED}")
        if _is_ours(connection) and not Index(connection).behind(root):
            return connection
    except DAMAGED:
        pass
    connection.close()
    return None


def _followed(root: Path) -> bool:
    """Bring the index up to date; whether that could be done."""
    try:
        with store_lock(root):
            try:
                with closing(_connection(root / FILE)) as connection:
                    for kind, group in Index(connection).behind(root):
                        Index(connection).follow(root, kind, group)
                (root / BEHIND).unlink(missing_ok=True)
            except DAMAGED:  # damaged further in
                rebuild_index(root)
    except (RunError, OSError, *DAMAGED):
        return False
    return True


def _in_memory(root: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    connection.executescript(_TABLES)
    for kind, group, _ in each_group(root):
        Index(connection).follow(root, kind, group)
    return connection


def _connection(path: Path) -> sqlite3.Connection:
    """The index on the disk; one that is no SQLite file, or of another version, is made anew."""
    for attempt in (0, 1):
        connection = sqlite3.connect(path, timeout=60)
        try:
            if _is_ours(connection):
                return connection
            fresh = not connection.execute("SELECT 1 FROM sqlite_master").fetchone()
            if fresh:
                with connection:
                    connection.executescript(f"BEGIN; {_TABLES} PRAGMA user_version = {VERSION}; COMMIT;")
                return connection
        except DAMAGED:
            if attempt:
                connection.close()
                raise
        connection.close()
        _delete(path)
    raise RunError(f"the index {path} cannot be made")


def _is_ours(connection: sqlite3.Connection) -> bool:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return version == VERSION and _definitions(connection) == _own_definitions()


def _definitions(connection: sqlite3.Connection) -> dict[bytes, bytes | None]:
    """Table, or index of one -> how it is defined; as bytes, since in a damaged file they may be no text."""
    return dict(connection.execute("SELECT CAST(name AS BLOB), CAST(sql AS BLOB) FROM sqlite_master"))


@cache
def _own_definitions() -> dict[bytes, bytes | None]:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(_TABLES)
        return _definitions(connection)


def _delete(path: Path) -> None:
    for name in (path, path.with_name(f"{path.name}-journal")):
        name.unlink(missing_ok=True)


def _place(kind: str, group: str) -> str:
    return f"{kind}/{group}"


def _kind_and_group(place: str) -> tuple[str, str]:
    kind, _, group = place.partition("/")
    return kind, group


def _names_in(folder: Path, kind: str, group: str) -> Iterator[tuple[StoredName, str]]:
    """The networks in a folder, each with the stamp of its record."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                name, dot, tag = entry.name.partition(".")
                if dot and name and tag and entry.is_dir(follow_symlinks=False):
                    stamp = _stamp(os.path.join(entry.path, RECORD))
                    if stamp is not None:
                        yield StoredName(kind, group, name, tag), stamp
    except (FileNotFoundError, NotADirectoryError):
        return


def _changed(folder: Path) -> int | None:
    try:
        return os.stat(folder).st_mtime_ns
    except OSError:
        return None


def _stamp(path: str) -> str | None:
    """What a file is recognised by, as long as nobody wrote to it; None where there is no file."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return f"{found.st_ino}-{found.st_mtime_ns}-{found.st_size}" if stat.S_ISREG(found.st_mode) else None
