"""An analysis in the form that was asked for."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from plainnet.cli.latency_table import points_view
from plainnet.profiler.analysis import Analysis, BlockAnalysis
from plainnet.results.tables import csv_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from plainnet.profiler.forward_trace import ForwardTrace
    from plainnet.profiler.latency_pieces import Point
    from plainnet.profiler.roofline import Roofline
    from plainnet.profiler.verify import Verification

__all__ = ["as_record", "render"]


def render(
    result: Analysis,
    form: str | None = None,
    *,
    verification: Verification | None = None,
    width: int | None = None,
    depth: int = 2,
    points: Sequence[Point] | None = None,
    roof: Roofline | None = None,
    trace: ForwardTrace | None = None,
) -> str:
    """The analysis as text (None), "json", "csv" or "markdown".

    verification: the cross-check, for text and JSON (there under `verify`).
    width: the columns of the terminal that text is to fit into; None for as many as it takes.
    depth: how deep the table of submodules goes, for text; 0 for none.
    points: latencies at several batch sizes and thread counts, for text and JSON (there under `latencies`).
    roof: every layer against the machine, for text and JSON (there under `roofline`).
    trace: where one is, for JSON (there under `trace`).
    """
    if form == "json":
        record = as_record(result, verification=verification, points=points, roof=roof, trace=trace)
        return json.dumps(record, indent=2, allow_nan=False)
    view = result.view(depth=depth)
    if form == "csv":
        return _csv(result)
    if form == "markdown":
        return view.tables[-1].markdown()
    views = [
        view,
        *([points_view(points)] if points else []),
        *([roof.view()] if roof else []),
        *([verification.view()] if verification else []),
    ]
    return "\n\n".join(each.text(width) for each in views)


def as_record(
    result: Analysis,
    *,
    verification: Verification | None = None,
    points: Sequence[Point] | None = None,
    roof: Roofline | None = None,
    trace: ForwardTrace | None = None,
) -> dict[str, Any]:
    """The JSON form, which a page tells, too: the analysis, and what else was asked for, as `render` says."""
    return {
        **result.to_dict(),
        **({} if points is None else {"latencies": [point.as_dict() for point in points]}),
        **({} if roof is None else {"roofline": roof.to_dict()}),
        **({} if verification is None else {"verify": verification.to_dict()}),
        **({} if trace is None else {"trace": trace.as_dict()}),
    }


def _csv(result: Analysis) -> str:
    """Every number of every block, unformatted."""
    records = result.records()
    if not records:  # a module that runs no operator that costs anything
        return csv_table([part.name for part in fields(BlockAnalysis) if part.name != "operations"], [])
    return csv_table(list(records[0]), [list(map(str, record.values())) for record in records])
