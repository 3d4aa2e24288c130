"""Import paths that the documents once named: they work for one more version, and warn."""

from __future__ import annotations

import importlib
import importlib.abc
import sys
import warnings
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

__all__ = ["MOVED"]

MOVED = {
    f"plainnet.{old}": f"plainnet.{new}"
    for old, new in {
        "net": "network.plain_net",
        "modules": "network.modules",
        "initialization": "network.initialization",
        "published": "network.published",
        "zennas_weights": "network.zennas_weights",
        "torchvision_weights": "network.torchvision_weights",
        "blocks.layers": "blocks.rows.layers",
        "blocks.shapes": "blocks.rows.shapes",
        "blocks.variants": "blocks.rows.variants",
        "blocks.walk": "blocks.rows.walk",
        "blocks.counts": "blocks.rows.counts",
        "profiler.proxies": "proxies",
        "profiler.proxies.catalogue": "proxies.catalogue",
        "profiler.proxies.entropy": "proxies.closed.entropy",
        "profiler.proxies.residual": "proxies.closed.residual",
        "profiler.proxies.shipped": "proxies.shipped",
        "profiler.proxies.zen": "proxies.closed.zen",
        "profiler.proxies.zen_mc": "proxies.sampled.zen_mc",
        "profiler.composite": "proxies.closed.composite",
        "profiler.composite_fitted": "proxies.closed.composite_fitted",
        "profiler.operator_rules": "network.counting.operator_rules",
        "profiler.score": "proxies.score",
        "profiler.trust": "validation.trust",
        "search.evaluation": "search.candidates.evaluation",
        "search.derived_runs": "search.runs.derived_runs",
        "engine.hooks.base": "engine.hooks.hook",
        "engine.evaluators.base": "engine.evaluators.evaluator",
    }.items()
}
"""Where a module was -> where it is."""


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the modules of `MOVED`; each is the module at its new place, not a copy."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        del path, target
        return ModuleSpec(name, self) if name in MOVED else None

    def create_module(self, spec: ModuleSpec) -> None:
        """An empty one, which `exec_module` replaces."""

    def exec_module(self, module: ModuleType) -> None:
        old = module.__name__
        warnings.warn(
            f"{old} is now {MOVED[old]}; this path goes with the next version", DeprecationWarning, stacklevel=2
        )
        sys.modules[old] = importlib.import_module(MOVED[old])


def install() -> None:
    sys.meta_path.insert(0, _Finder())  # before the others, which would load a package's files a second time
