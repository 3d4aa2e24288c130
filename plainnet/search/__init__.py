"""Searching for networks: spaces as data, evolution on islands, a ladder of fidelity, runs that are kept.

    from plainnet.search import SearchConfig, load_space, search

    config = SearchConfig(load_space("zennas-resnet"), limits={"params": 1e6, "layers": 18}, candidates=20_000)
    print(search(config).best.structure)

Names are imported when they are first used; nothing here imports torch before a rung of a ladder needs it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plainnet.search.exact.result import Optimum
    from plainnet.search.runs.optimum_run import optimum, resume_optimum
    from plainnet.search.runs.progress import Progress
    from plainnet.search.runs.search_result import Best, SearchResult
    from plainnet.search.runs.session import resume, search
    from plainnet.search.settings.config import SearchConfig
    from plainnet.search.settings.defaults import default_ladder
    from plainnet.search.settings.rungs import Rung
    from plainnet.search.space.space import Space
    from plainnet.search.space.space_files import load_space, shipped_spaces
    from plainnet.search.store import RunStore

_HOME = {
    "Best": "runs.search_result",
    "Optimum": "exact.result",
    "Progress": "runs.progress",
    "Rung": "settings.rungs",
    "RunStore": "store",
    "SearchConfig": "settings.config",
    "SearchResult": "runs.search_result",
    "Space": "space.space",
    "default_ladder": "settings.defaults",
    "load_space": "space.space_files",
    "optimum": "runs.optimum_run",
    "resume": "runs.session",
    "resume_optimum": "runs.optimum_run",
    "search": "runs.session",
    "shipped_spaces": "space.space_files",
}
"""Public name -> the module of this package that holds it."""

__all__ = [
    "Best",
    "Optimum",
    "Progress",
    "RunStore",
    "Rung",
    "SearchConfig",
    "SearchResult",
    "Space",
    "default_ladder",
    "load_space",
    "optimum",
    "resume",
    "resume_optimum",
    "search",
    "shipped_spaces",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(import_module(f"plainnet.search.{_HOME[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'plainnet.search' has no attribute {name!r}")
