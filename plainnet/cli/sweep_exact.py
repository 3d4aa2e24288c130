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
from click.core import ParameterSource

from plainnet.cli.stopping import leave, stoppable
from plainnet.cli.tables import csv_table, text_table
from plainnet.errors import PlainnetError, UsageError, not_written
from plainnet.files.whole_files import refuse_unwritable, write_whole

if TYPE_CHECKING:
    from plainnet.search.exact.result import Optimum
    from plainnet.search.settings.config import SearchConfig

__all__ = ["refuse_what_is_not_exact", "sweep_exactly"]

GOES_WITH_EXACT = {
    "space", "vary", "is_exact", "out", "quiet", "as_json", "objectives", "resolution", "num_classes", "use_se", "blocks",
}  # fmt: skip


def refuse_what_is_not_exact() -> None:
    """Refuse options of a search that an exact one does not have."""
    context = click.get_current_context()
    for option in context.command.params:
        name = option.name or ""
        given = context.get_parameter_source(name) not in (None, ParameterSource.DEFAULT)
        if given and name not in GOES_WITH_EXACT and not name.startswith("max_"):
            raise UsageError(f"{option.opts[0]} does not go with --exact: nothing is drawn at random there")


def sweep_exactly(
    config: SearchConfig, budget: str, limits: list[float], folder: Path, *, quiet: bool, as_json: bool
) -> None:
    """Solve under each limit, print a table, and write it to sweep.csv in a folder; exit code 1 where a gap is too large."""
    from plainnet.search.exact.optimum import solved

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
                    click.echo(said, err=True)
        except KeyboardInterrupt as stop:
            leave(f"stopped after {len(found)} of {len(limits)} limits; nothing is written", stop)
    header, rows = _table(budget, found)
    head, line, *lines = text_table(header[:-1], [row[:-1] for row in rows], left=0, rule=False).splitlines()
    click.echo(
        "\n".join([f"{head}  structure", line, *(f"{a}  {row[-1]}" for a, row in zip(lines, rows, strict=True))])
    )
    try:
        write_whole(path, csv_table(header, rows) + "\n")
    except PlainnetError:
        with suppress(OSError):  # what holds something stays
            folder.rmdir()
        raise
    click.echo(f"{len(limits)} budgets solved in {time.perf_counter() - began:.1f} s; table in {path}")
    if as_json:
        values: list[dict[str, Any]] = [
            {"budget": budget, "limit": limit, "optimum": each.as_dict()} for limit, each in found
        ]
        click.echo(json.dumps({"schema": "plainnet.sweep_exact/1", "sweep": values}))
    if any(each.reason != "optimal" for _, each in found):
        sys.exit(1)


def _said(result: Optimum) -> str:
    if result.value is None or result.bound is None or result.gap is None:
        return result.reason
    return f"{result.value:.4f}, bound {result.bound:.4f}, gap {result.gap:.3%}"


def _table(budget: str, found: list[tuple[float, Optimum]]) -> tuple[list[str], list[list[str]]]:
    header = [f"{budget} limit", "value", "bound", "gap", "params", "macs", "layers", "structure"]
    rows = []
    for limit, each in found:
        costs = each.best.costs if each.best else {}
        numbers = [
            *(_number(value) for value in (each.value, each.bound)),
            "" if each.gap is None else f"{each.gap:.3%}",
        ]
        counts = [f"{costs[name]:.12g}" if name in costs else "" for name in ("params", "macs", "layers")]
        rows.append([f"{limit:.12g}", *numbers, *counts, each.best.structure if each.best else each.reason])
    return header, rows


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
