"""Where runs are kept: one SQLite file in a folder."""

from __future__ import annotations

from plainnet.search.store.run import COST_PREFIX, COSTS, Candidate, EpochRecord, Measure, RunStore
from plainnet.search.store.schema import FILE_NAME, FORMAT, UnusableRunError

__all__ = [
    "COSTS",
    "COST_PREFIX",
    "FILE_NAME",
    "FORMAT",
    "Candidate",
    "EpochRecord",
    "Measure",
    "RunStore",
    "UnusableRunError",
]
