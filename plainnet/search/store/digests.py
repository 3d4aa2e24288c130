"""Digests of what a run's file holds: a number that flips on a disk, or by another program, leaves each page sound for SQLite.

A part of a run (its facts, the islands' states, an epoch with its candidates, a rung, the events) has a digest, written
in the transaction that writes the part. It guards against accidents: whoever changes a file can compute it anew.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable
from hashlib import blake2b
from pathlib import Path
from typing import Any

from plainnet.search.store.schema import DIGESTS, FORMAT, damaged

__all__ = ["check_digests", "seal", "seal_epoch", "seal_event", "seal_rung", "upgrade"]

SHOWN = 3
"""So many parts are named in an error."""


def _digest(rows: Iterable[tuple[Any, ...]], before: str = "") -> str:
    """Of rows as SQLite gives them: the text of a number is exact."""
    found = blake2b(before.encode(), digest_size=16)
    for row in rows:
        found.update(repr(row).encode())
    return found.hexdigest()


def _of_run(connection: sqlite3.Connection) -> dict[str, str]:
    return {"run": _digest(connection.execute("SELECT * FROM run ORDER BY key"))}


def _of_islands(connection: sqlite3.Connection) -> dict[str, str]:
    return {"islands": _digest(connection.execute("SELECT * FROM islands ORDER BY island"))}


def _of_epochs(connection: sqlite3.Connection) -> dict[str, str]:
    """An epoch is its row and its candidates; candidates without an epoch's row are a part that nobody wrote."""
    found: dict[Any, Any] = defaultdict(lambda: blake2b(digest_size=16))
    for row in connection.execute("SELECT * FROM epochs ORDER BY epoch"):
        found[row[0]].update(repr(row).encode())
    for row in connection.execute("SELECT * FROM candidates ORDER BY id"):
        found[row[1]].update(repr(row).encode())
    return {f"epoch {epoch}": each.hexdigest() for epoch, each in found.items()}


def _of_rungs(connection: sqlite3.Connection) -> dict[str, str]:
    rungs = [rung for (rung,) in connection.execute("SELECT DISTINCT rung FROM measures")]
    return {f"rung {rung}": _of_rung(connection, rung) for rung in rungs}


def _of_rung(connection: sqlite3.Connection, rung: int) -> str:
    return _digest(connection.execute("SELECT * FROM measures WHERE rung = ? ORDER BY hash", (rung,)))


def _of_events(connection: sqlite3.Connection) -> dict[str, str]:
    """A chain, because they grow one by one."""
    found = ""
    for row in connection.execute("SELECT * FROM events ORDER BY id"):
        found = _digest([row], found)
    return {"events": found}


PARTS: dict[str, Callable[[sqlite3.Connection], dict[str, str]]] = {
    "run": _of_run, "islands": _of_islands, "epoch": _of_epochs, "rung": _of_rungs, "events": _of_events,
}  # fmt: skip
"""The kinds of parts -> the digests of all parts of a kind."""


def seal(connection: sqlite3.Connection, *kinds: str) -> None:
    """Write the digests of all parts of some kinds (of every kind by default) anew."""
    for kind in kinds or PARTS:
        connection.execute("DELETE FROM digests WHERE part = ? OR part LIKE ?", (kind, f"{kind} %"))
        connection.executemany("INSERT INTO digests VALUES (?, ?)", PARTS[kind](connection).items())


def seal_epoch(connection: sqlite3.Connection, epoch: int, first: int) -> None:
    """Write the digest of an epoch whose candidates are those from an id on."""
    rows = connection.execute("SELECT * FROM epochs WHERE epoch = ?", (epoch,)).fetchall()
    rows += connection.execute("SELECT * FROM candidates WHERE id >= ? ORDER BY id", (first,)).fetchall()
    _write(connection, f"epoch {epoch}", _digest(rows))


def seal_rung(connection: sqlite3.Connection, rung: int) -> None:
    """Write the digest of what a rung measured."""
    _write(connection, f"rung {rung}", _of_rung(connection, rung))


def seal_event(connection: sqlite3.Connection, number: int) -> None:
    """Add the last event to the digest of all."""
    ((before,),) = connection.execute("SELECT digest FROM digests WHERE part = 'events'").fetchall()
    _write(
        connection, "events", _digest(connection.execute("SELECT * FROM events WHERE id = ?", (number,)), str(before))
    )


def _write(connection: sqlite3.Connection, part: str, digest: str) -> None:
    connection.execute("INSERT OR REPLACE INTO digests VALUES (?, ?)", (part, digest))


def check_digests(path: Path, connection: sqlite3.Connection) -> None:
    """See that every part is what was written; the error names those that are not."""
    connection.execute("BEGIN")  # what another process writes meanwhile is not seen
    try:
        written = dict(connection.execute("SELECT part, digest FROM digests"))
        found = {part: digest for digests in PARTS.values() for part, digest in digests(connection).items()}
    finally:
        connection.execute("ROLLBACK")
    # what is lost altogether comes last, what was written comes in its order
    wrong = [part for part in [*found, *written] if found.get(part) != written.get(part)]
    wrong = list(dict.fromkeys(map(str, wrong)))
    if wrong:
        more = f" and {len(wrong) - SHOWN:,} more" if len(wrong) > SHOWN else ""
        verb = "are" if len(wrong) > 1 or wrong[0] in ("islands", "events") else "is"
        raise damaged(path, f"{', '.join(wrong[:SHOWN])}{more} {verb} not what was written")


def upgrade(connection: sqlite3.Connection) -> None:
    """Make a file of format 2, which has no digests, one of this format, all or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute(DIGESTS)
        seal(connection)
        connection.execute(f"PRAGMA user_version = {FORMAT}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
