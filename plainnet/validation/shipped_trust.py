"""Writes the figures that ship, `plainnet/data/trust.json`: every closed form on every set of trained networks.

    python -m plainnet.validation.shipped_trust            all of them
    python -m plainnet.validation.shipped_trust imagenet   of some sets; the others' figures stay

A form that has no score for the networks of a set has no figure there. Figures of proxies that build networks are kept as they
are: they come from `plainnet validate NAME --sample 200 --store`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from plainnet.blocks.structure import Structure
from plainnet.proxies.catalogue import find_proxy
from plainnet.proxies.closed.baselines import BASELINES
from plainnet.proxies.closed.composite import VERSION, VERSIONS
from plainnet.proxies.score import score
from plainnet.proxies.versions import known_as
from plainnet.validation.accuracy_table import AccuracyTable, nas_bench_macro_table
from plainnet.validation.trained_sets import SETS, trained_table
from plainnet.validation.trust import Records, enter, shipped_records, write_records
from plainnet.validation.validate import NoScoresError, validate

__all__ = ["CLOSED_FORMS", "measured"]

CLOSED_FORMS: dict[str, tuple[str, dict[str, Any]]] = {
    **{name: (name, {}) for name in ("composite", "params", "macs", "depth", "zen", "madnas", "deepmad", "rho")},
    "residual_sensitivity": ("residual_sensitivity", {}),
    **{
        known_as("composite", version): ("composite", {"version": version})
        for version in VERSIONS
        if version != VERSION
    },
}
"""What is measured: its name in the file -> the proxy and its options."""


def measured(name: str, table: AccuracyTable, records: Records, *, resamples: int = 200) -> None:
    """Enter the figures of a closed form on a table."""
    proxy, options = CLOSED_FORMS.get(name, (name, {}))
    enter(records, validate(table, _function(proxy, table, options), proxy=name, baselines={}, resamples=resamples))


def _function(proxy: str, table: AccuracyTable, options: dict[str, Any]) -> Callable[[Structure], float]:
    if proxy in BASELINES:
        return lambda structure: BASELINES[proxy](structure, table.resolution)
    found = find_proxy(proxy)
    sign = 1 if found.higher_is_better else -1
    return lambda structure: sign * score(structure, found, resolution=table.resolution, **options).mean


def main(names: Sequence[str] = tuple(SETS)) -> int:
    """Measure sets by name, and write the file."""
    before = shipped_records()
    records: Records = {each.title: {} for each in SETS.values()}
    for name in names:
        table = trained_table(name)
        for proxy in CLOSED_FORMS:
            print(f"{proxy} on {table.name}", file=sys.stderr, flush=True)
            try:
                measured(proxy, table, records)
            except NoScoresError as error:
                print(error, file=sys.stderr, flush=True)
    if "nas-bench-macro" in names:
        unseen = nas_bench_macro_table(not_fitted=True)
        for proxy in ("composite_fitted", *BASELINES):
            measured(proxy, unseen, records)
    for title, proxies in before.items():
        for proxy, record in proxies.items():
            records.setdefault(title, {}).setdefault(proxy, record)
    write_records(records, Path(str(files("plainnet") / "data" / "trust.json")))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or tuple(SETS)))
