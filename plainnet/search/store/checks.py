"""A run's file is data: what is read from it has the type that it was written with, or the file is damaged.

SQLite keeps any value in any column, runs triggers, and takes a view for a table; a file may come from anywhere. So the
definitions in it are ours word for word, and every value is looked at when it is read.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Sequence
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from plainnet.search.store.records import Measure
from plainnet.search.store.schema import CANDIDATES, DIGESTS, FORMAT, TABLES, UnusableRunError, damaged

__all__ = [
    "check_pages",
    "check_schema",
    "check_structures",
    "checked_candidate",
    "checked_measures",
    "checked_row",
    "decoded",
    "first_problem",
    "format_of",
]

TEXT, WHOLE, NUMBER = (str,), (int,), (int, float)
NULL = type(None)
KINDS: dict[str, tuple[type, ...]] = {
    "id": WHOLE, "epoch": WHOLE, "island": WHOLE, "hash": WHOLE, "structure": TEXT, "parent": WHOLE,
    "other_parent": WHOLE, "operator": WHOLE, "params": WHOLE, "macs": WHOLE, "layers": WHOLE, "activations": WHOLE,
    "peak_activation": (int, NULL), "latency_ms": (int, float, NULL), "convolutions": (int, NULL),
    "rho": (int, float, NULL),
}  # fmt: skip
"""Column of a candidate -> what it may hold; an objective's may hold a number, or nothing."""
SCORE: tuple[type, ...] = (int, float, NULL)
ROWS: dict[str, dict[str, tuple[type, ...]]] = {
    "run": {"key": TEXT, "value": TEXT},
    "islands": {"island": WHOLE, "state": TEXT, "arrivals": TEXT},
    "epochs": {"epoch": WHOLE, "proposed": WHOLE, "evaluated": WHOLE, "tally": TEXT, "best": SCORE, "best_hash": (int, NULL)},
    "measures": {
        "rung": WHOLE, "proxy": TEXT, "hash": WHOLE, "repeats": WHOLE, "mean": SCORE, "stderr": SCORE, "seed": WHOLE,
        "scores": TEXT,
    },
    "events": {"id": WHOLE, "time": NUMBER, "kind": TEXT, "seconds": NUMBER, "text": TEXT},
}  # fmt: skip
"""Table -> column -> what it may hold."""
LARGEST = 1 << 48
"""Hashes are below this."""


def check_schema(path: Path, connection: sqlite3.Connection) -> None:
    """See that the file holds the tables of its format, as we define them, and nothing that SQLite would run."""
    wanted = {*ROWS, "candidates", *(["digests"] if format_of(connection) == FORMAT else [])}
    found = connection.execute("SELECT type, name, sql FROM sqlite_master").fetchall()
    names = sorted(str(name) for kind, name, _ in found if kind == "table")
    if not wanted <= set(names):
        raise UnusableRunError(f"{path} is incomplete: its tables are {', '.join(names) or 'missing'}")
    for kind, name, sql in found:
        if kind == "index" and str(name).startswith("sqlite_autoindex_"):
            continue
        if kind != "table" or name not in wanted:
            raise damaged(path, f"it holds the {kind} {name}, which is not of a run")
        if not re.fullmatch(_definitions()[name], _plain(str(sql))):
            raise damaged(path, f"its table {name} is defined in another way")


def format_of(connection: sqlite3.Connection) -> int:
    """The version of a file's format."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


@cache
def _definitions() -> dict[str, str]:
    """Table -> a pattern of its definition."""
    statements = [_plain(each) for each in (*TABLES.split(";"), DIGESTS) if each.strip()]
    found = {each.split()[2]: re.escape(each) for each in statements}
    before, after = _plain(CANDIDATES).rstrip("; ").split("{objectives}")
    found["candidates"] = re.escape(before) + r"""(, ?"[^"]+" REAL)*""" + re.escape(after)
    return found


def _plain(sql: str) -> str:
    return " ".join(sql.split()).replace("( ", "(")


def check_pages(path: Path, connection: sqlite3.Connection) -> None:
    """See that every page is sound."""
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise damaged(path, found)


def check_structures(path: Path, connection: sqlite3.Connection) -> None:
    """See that structures are those whose hashes stand beside them: SQLite has no checksum of what a page holds."""
    for number, stored, structure in connection.execute("SELECT id, hash, structure FROM candidates"):
        if stored != structure_hash(str(structure)):
            raise damaged(path, f"candidate {number} is not what was written")


def checked_row(path: Path | str, table: str, row: tuple[Any, ...], columns: Sequence[str] = ()) -> tuple[Any, ...]:
    """A row of a table (some of its columns; all by default), or the error that names the field of another type."""
    kinds = ROWS[table]
    for name, value in zip(columns or kinds, row, strict=True):
        if type(value) not in kinds[name]:
            raise damaged(path, f"{table}.{name} is {_shown(value)}")
    return row


def checked_candidate(path: Path | str, names: Sequence[str], row: tuple[Any, ...]) -> tuple[Any, ...]:
    """The same for columns of a candidate."""
    for name, value in zip(names, row, strict=True):
        if type(value) not in KINDS.get(name, SCORE):
            raise damaged(path, f"candidates.{name} is {_shown(value)} (candidate {_shown(row[0])})")
        if name == "hash" and not 0 <= value < LARGEST:
            raise damaged(path, f"candidates.hash is {value}")
    if names[1:3] == ("hash", "structure") and row[1] != structure_hash(row[2]):
        raise damaged(path, f"candidates.structure is not what was written (candidate {_shown(row[0])})")
    return row


def structure_hash(structure: str) -> int:
    """`Structure.hash` as a number."""
    return int.from_bytes(blake2b(structure.encode("utf-8", "replace"), digest_size=6).digest(), "big")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def decoded(path: Path | str, name: str, text: str, kind: Any) -> Any:
    """The value of a type that was written as JSON; the error names the field."""
    try:
        return _adapter(kind).validate_json(text, strict=True)
    except ValidationError as error:
        raise damaged(path, f"{name}: {first_problem(error)}") from None


def first_problem(error: ValidationError) -> str:
    """The first thing that is wrong, with its place."""
    found = error.errors(include_url=False)[0]
    where = ".".join(map(str, found["loc"]))
    return f"{where}: {found['msg']}" if where else str(found["msg"])


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def checked_measures(path: Path | str, rows: Iterable[tuple[Any, ...]]) -> list[Measure]:
    """Rows of `measures` as values."""
    return [
        Measure._make((*row[:-1], tuple(decoded(path, "measures.scores", row[-1], list[float]))))
        for row in (checked_row(path, "measures", each) for each in rows)
    ]
