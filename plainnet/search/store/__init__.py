"""Where runs are kept: one SQLite file in a folder."""

from __future__ import annotations

from plainnet.search.store.checks import decoded, structure_hash
from plainnet.search.store.reading import quoted
from plainnet.search.store.records import COST_PREFIX, COSTS, FIXED, Candidate, EpochRecord, Measure
from plainnet.search.store.run import RunStore
from plainnet.search.store.schema import FILE_NAME, FORMAT, DamagedPartError, UnusableRunError, damaged, parts_of

__all__ = [
    "COSTS",
    "COST_PREFIX",
    "FILE_NAME",
    "FIXED",
    "FORMAT",
    "Candidate",
    "DamagedPartError",
    "EpochRecord",
    "Measure",
    "RunStore",
    "UnusableRunError",
    "damaged",
    "decoded",
    "parts_of",
    "quoted",
    "structure_hash",
]
