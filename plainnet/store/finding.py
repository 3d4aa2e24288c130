"""What a store holds, by a condition."""

from __future__ import annotations

import gc
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

from plainnet.errors import UsageError
from plainnet.store.expression import compiled
from plainnet.store.index import current_index, mends

__all__ = ["Found", "find"]

_COLUMNS = {
    "path": "n.path",
    "name": 'n."identity.name"',
    "tag": 'n."identity.tag"',
    "kind": 'n."identity.kind"',
    "task": 'n."identity.task"',
    "family": 'n."identity.family"',
    "digest": 'n."identity.digest"',
    "params": 'CAST(n."cost.params" AS INTEGER)',
    "macs": 'CAST(n."cost.macs" AS INTEGER)',
    "data": 'n."data.name"',
    "metric": "n.first_metric",
    "value": "n.first_value",
    "added": 'n."identity.added"',
}


class Found(NamedTuple):
    """A stored network in one line; the metric is the record's first. None for what is not known."""

    path: str
    name: str
    tag: str
    kind: str
    task: str
    family: str
    digest: str
    params: int | None
    macs: int | None
    data: str | None
    metric: str | None
    value: float | None
    added: str | None

    @property
    def short(self) -> str:
        """NAME.TAG."""
        return f"{self.name}.{self.tag}"

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return self._asdict()


@mends
def find(
    root: Path, condition: str | None = None, *, tags: Sequence[str] = (), part: str | None = None
) -> tuple[list[Found], list[tuple[str, str]]]:
    """The stored networks that a condition (see `plainnet.store.expression`) is true of, in the order of their paths, and the
    folders whose record cannot be read, with the reason.

        find(store_root(), 'task == "cls" and acc > 0.7', tags=["imagenet"])

    tags: that they have, all of them. part: that they have, or are. Raises `UsageError` for a condition that cannot be read.
    """
    if root.exists() and not root.is_dir():
        raise UsageError(f"the store {root} is a file; accepted: a folder, or one that is not there yet")
    with current_index(root) as index:
        connection = index.connection
        wheres, values = ["1"], list[Any]()
        if condition is not None:
            if connection.execute("SELECT 1 FROM networks LIMIT 1").fetchone() is None:
                return [], index.broken()  # where there are no networks, no metric has a name yet
            found = compiled(condition, _metrics(connection))
            wheres.append(found.sql)
            values += found.values
        for kind, word in [*(("tags", tag) for tag in tags), *((("parts", part),) if part is not None else ())]:
            wheres.append("n.id IN (SELECT id FROM lists WHERE list = ? AND word = ?)")
            values += [kind, word]
        sql = f"SELECT {', '.join(_COLUMNS.values())} FROM networks n NOT INDEXED WHERE {' AND '.join(wheres)}"
        try:
            with _nothing_collected():
                rows = sorted(connection.execute(sql, values), key=itemgetter(0))
                networks = list(map(Found._make, rows))
        except sqlite3.OperationalError as error:  # a condition with more in it than SQLite takes
            raise UsageError(f"the condition cannot be computed: {error}") from error
        return networks, index.broken()


@contextmanager
def _nothing_collected() -> Iterator[None]:
    """Without the garbage collector: thousands of new rows make it look at all objects of the process again and again, and none
    of them is garbage.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _metrics(connection: sqlite3.Connection) -> list[str]:
    """What the metrics of the store are called; a name at a time, so that a long table costs nothing."""
    names: list[str] = []
    row = connection.execute("SELECT min(name) FROM metrics").fetchone()
    while row[0] is not None:
        names.append(row[0])
        row = connection.execute("SELECT min(name) FROM metrics WHERE name > ?", row).fetchone()
    return names
