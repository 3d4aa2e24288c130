"""A validation as one HTML file: its figures, and every network as a point. The file needs nothing from the network."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

from plainnet.errors import MissingExtraError
from plainnet.files.whole_files import write_whole
from plainnet.validation.validate import Validation
from plainnet.validation.validation_view import HEADER, figure_rows

__all__ = ["write_page"]

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 64rem; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; margin: 1rem 0 } th, td { padding: .25rem .8rem; text-align: right }
th:first-child, td:first-child { text-align: left } tr { border-bottom: 1px solid #ddd }
"""


def write_page(validation: Validation, path: str | Path) -> None:
    """Write the page. `MissingExtraError` where plotly is not installed."""
    try:
        import plotly.graph_objects as go
    except ImportError:
        raise MissingExtraError("plotly", "report") from None
    figure = go.Figure(_points(go, validation), layout=_layout(go, validation))
    plot = figure.to_html(full_html=False, include_plotlyjs=True, div_id="networks")
    title = escape(f"{validation.proxy} on {validation.table}")
    page = f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style></head>
<body><h1>{title}</h1><p>{escape(validation.sentence())}.</p>
{_table(validation)}
<p>{escape(_notes(validation))}</p>
{plot}</body></html>
"""
    write_whole(path, page)


def _notes(validation: Validation) -> str:
    unscored = f" {len(validation.unscored)} networks have no score and are left out." if validation.unscored else ""
    best = validation.accuracies[validation.names.index(validation.best_scored)]
    return (
        f"{validation.networks:,} networks ({validation.distinct:,} different ones), 95 % intervals from"
        f" {validation.resamples} bootstrap resamples. The best-scored network, {validation.best_scored}, reaches"
        f" {best:.2f}; the best there is, {max(validation.accuracies):.2f}.{unscored}"
    )


def _table(validation: Validation) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in HEADER)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in figure_rows(validation)
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def _points(go: Any, validation: Validation) -> list[Any]:
    best = validation.names.index(validation.best_scored)
    everything = go.Scattergl(
        x=validation.scores,
        y=validation.accuracies,
        text=validation.names,
        mode="markers",
        name="networks",
        marker={"size": 4, "opacity": 0.5},
        hovertemplate="%{text}<br>score %{x:.4g}<br>accuracy %{y:.2f}<extra></extra>",
    )
    chosen = go.Scattergl(
        x=[validation.scores[best]],
        y=[validation.accuracies[best]],
        text=[validation.best_scored],
        mode="markers",
        name="best-scored",
        marker={"size": 11, "symbol": "diamond"},
        hovertemplate="%{text}<br>score %{x:.4g}<br>accuracy %{y:.2f}<extra></extra>",
    )
    return [everything, chosen]


def _layout(go: Any, validation: Validation) -> Any:
    return go.Layout(xaxis={"title": {"text": validation.proxy}}, yaxis={"title": {"text": "accuracy (%)"}}, height=600)
