"""A run's file changed by hand, with digests that fit: what is not an accident, but an attack, or a test."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from plainnet.search.store.digests import seal


def reseal(path: Path) -> None:
    """Give a changed file the digests of what it holds now."""
    with closing(sqlite3.connect(path)) as connection:
        seal(connection)
        connection.commit()
