"""The page about a run, whatever kind of run it is."""

from __future__ import annotations

from pathlib import Path

from plainnet.search.report.optimum_page import page_of_optimum
from plainnet.search.report.page import page_of_search, write_page
from plainnet.search.runs.optimum_state import is_optimum
from plainnet.search.store import RunStore

__all__ = ["write_report"]


def write_report(store: RunStore, path: Path, *, trust: bool = False) -> Path:
    """Write the page about a run; the path. `trust`: the run's own files with blocks may be run."""
    page = page_of_optimum if is_optimum(store) else page_of_search
    return write_page(page(store, trust=trust), path)
