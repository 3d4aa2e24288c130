"""A search that takes a second, and how its rows are compared."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from plainnet.search import SearchConfig, load_space


def small_config(**changes: Any) -> SearchConfig:
    """4 islands, 5 epochs of 800 candidates."""
    values: dict[str, Any] = {
        "limits": {"params": 2e5, "layers": 10},
        "candidates": 4_000,
        "islands": 4,
        "population": 16,
        "epoch": 200,
    }
    return SearchConfig(load_space("zennas-resnet"), **{**values, **changes})


TABLES = {
    "candidates": "SELECT * FROM candidates ORDER BY id",
    "islands": "SELECT * FROM islands ORDER BY island",
    "epochs": "SELECT * FROM epochs ORDER BY epoch",
    "measures": "SELECT * FROM measures ORDER BY rung, hash",
}
"""All tables whose rows follow from the configuration (events hold times)."""


def rows_of(folder: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of a run."""
    connection = sqlite3.connect(folder / "run.sqlite")
    try:
        return {name: connection.execute(query).fetchall() for name, query in TABLES.items()}
    finally:
        connection.close()
