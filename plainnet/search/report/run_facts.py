"""What pages tell about a run, whatever kind of run it is."""

from __future__ import annotations

from plainnet.pages.page import Facts
from plainnet.search.report.optimum_facts import optimum_facts
from plainnet.search.report.search_facts import search_facts
from plainnet.search.runs.optimum_state import is_optimum
from plainnet.search.store import RunStore

__all__ = ["run_facts"]


def run_facts(store: RunStore, *, trust: bool = False) -> Facts:
    """The facts of a run, searched or solved. `trust`: the run's own files with blocks may be run."""
    if is_optimum(store):
        return Facts("optimum", optimum_facts(store, trust=trust))
    return Facts("search", search_facts(store, trust=trust))
