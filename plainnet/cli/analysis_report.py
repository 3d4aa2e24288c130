"""An analysis in the form that was asked for."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import TYPE_CHECKING

from plainnet.profiler.analysis import Analysis, BlockAnalysis
from plainnet.results.tables import csv_table

if TYPE_CHECKING:
    from plainnet.profiler.verify import Verification

__all__ = ["render"]


def render(
    result: Analysis,
    form: str | None = None,
    *,
    verification: Verification | None = None,
    width: int | None = None,
    depth: int = 2,
) -> str:
    """The analysis as text (None), "json", "csv" or "markdown".

    verification: the cross-check, for text and JSON (there under `verify`).
    width: the columns of the terminal that text is to fit into; None for as many as it takes.
    depth: how deep the table of submodules goes, for text; 0 for none.
    """
    if form == "json":
        verify = {} if verification is None else {"verify": verification.to_dict()}
        return json.dumps({**result.to_dict(), **verify}, indent=2, allow_nan=False)
    view = result.view(depth=depth)
    if form == "csv":
        return _csv(result)
    if form == "markdown":
        return view.tables[-1].markdown()
    return "\n\n".join(each.text(width) for each in (view, *([verification.view()] if verification else [])))


def _csv(result: Analysis) -> str:
    """Every number of every block, unformatted."""
    records = result.records()
    if not records:  # a module that runs no operator that costs anything
        return csv_table([part.name for part in fields(BlockAnalysis) if part.name != "operations"], [])
    return csv_table(list(records[0]), [list(map(str, record.values())) for record in records])
