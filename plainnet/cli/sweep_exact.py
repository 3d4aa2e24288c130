"""`plainnet sweep --exact`: a certified optimum for each of a list of budgets."""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from plainnet.cli.run_config import refuse_options
from plainnet.cli.screen import show, tell
from plainnet.cli.search_options import LIMITS
from plainnet.cli.stopping import leave, stoppable
from plainnet.errors import PlainnetError, not_written
from plainnet.files.whole_files import refuse_unwritable, write_whole
from plainnet.results.tables import Table, csv_table

if TYPE_CHECKING:
    from plainnet.search.exact.result import Optimum
    from plainnet.search.runs.kept_optima import Optima
    from plainnet.search.settings.config import SearchConfig

__all__ = ["optima_table", "refuse_what_is_not_exact", "sweep_exactly"]

GOES_WITH_EXACT = {
    "space", "vary", "is_exact", "out", "quiet", "as_json", "is_full", "objectives", "resolution", "num_classes", "use_se",
    "blocks",
}  # fmt: skip


def refuse_what_is_not_exact() -> None:
    """Refuse options of a search that an exact one does not have."""
    refuse_options(GOES_WITH_EXACT | set(LIMITS), "does not go with --exact: nothing is drawn at random there")


def sweep_exactly(
    config: SearchConfig, budget: str, limits: list[float], folder: Path, *, quiet: bool, as_json: bool, is_full: bool
) -> None:
    """Solve under each limit, print a table, and write it to sweep.csv in a folder; exit code 1 where a gap is too large."""
    from plainnet.search.exact.optimum import solved
    from plainnet.search.runs.kept_optima import Optima

    path = folder / "sweep.csv"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise not_written(folder, error, done="made") from None
    refuse_unwritable(path)
    began = time.perf_counter()
    found: list[tuple[float, Optimum]] = []
    with stoppable():
        try:
            for limit in limits:
                result = solved(dataclasses.replace(config, limits={**config.limits, budget: limit}), top=1).result()
                if result.limit == "interrupted":
                    raise KeyboardInterrupt
                found.append((limit, result))
                if not quiet:
                    seconds = time.perf_counter() - began
                    said = (
                        f"{len(found)} of {len(limits)} ({seconds:.0f} s): {budget} <= {limit:,.12g}: {_said(result)}"
                    )
                    tell(said, err=True)
        except KeyboardInterrupt as stop:
            leave(f"stopped after {len(found)} of {len(limits)} limits; nothing is written", stop)
    optima = Optima(config, budget, tuple(found))
    table = optima_table(optima)
    show(table, is_full=is_full)
    _write(folder, optima, table)
    written = f"table in {path}{_page(optima, folder)}"
    tell(f"{len(limits)} budgets solved in {time.perf_counter() - began:.1f} s; {written}")
    if as_json:
        values: list[dict[str, Any]] = [
            {"budget": budget, "limit": limit, "optimum": each.as_dict()} for limit, each in found
        ]
        click.echo(json.dumps({"schema": "plainnet.sweep_exact/1", "sweep": values}))
    if any(each.reason != "optimal" for _, each in found):
        sys.exit(1)


def _write(folder: Path, optima: Optima, table: Table) -> None:
    from plainnet.search.runs.kept_optima import write_optima

    try:
        write_optima(folder, optima)
        write_whole(folder / "sweep.csv", csv_table(table.columns, table.rows) + "\n")
    except PlainnetError:
        with suppress(OSError):  # what holds something stays
            folder.rmdir()
        raise


def _page(optima: Optima, folder: Path) -> str:
    """Write the page with the bound above the networks, where there is any; what to tell."""
    from plainnet.pages.found_pages import write_pages
    from plainnet.search.report import exact_sweep_facts
    from plainnet.search.report.reproduce import exact_sweep_command

    if not optima.networks:
        return ""
    command = exact_sweep_command(optima.config, optima.budget, optima.limits)
    facts = exact_sweep_facts(optima.solved, optima.budget, command=command, config=optima.config)
    return f", page in {write_pages(facts, folder / 'sweep.html')[0]}"


def _said(result: Optimum) -> str:
    if result.value is None or result.bound is None or result.gap is None:
        return result.reason
    return f"{result.value:.4f}, bound {result.bound:.4f}, gap {result.gap:.3%}"


def optima_table(optima: Optima) -> Table:
    """A row for each limit; the hash of the best network, or why there is none, and its string where there is room."""
    columns = [f"{optima.budget} limit", "value", "bound", "gap", "params", "macs", "layers", "best", "structure"]
    rows = []
    for limit, each in optima.solved:
        costs = each.best.costs if each.best else {}
        numbers = [
            *(_number(value) for value in (each.value, each.bound)),
            "" if each.gap is None else f"{each.gap:.3%}",
        ]
        counts = [f"{costs[name]:.12g}" if name in costs else "" for name in ("params", "macs", "layers")]
        best = (each.best.hash, each.best.structure) if each.best else (each.reason, "")
        rows.append([f"{limit:.12g}", *numbers, *counts, *best])
    return Table(columns, rows, left=0, drop=("layers", "macs", "params"), wide=("structure",))


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
