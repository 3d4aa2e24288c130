"""What a search says at its end: its result, loudly where a budget is not met."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from plainnet.cli.screen import alarm
from plainnet.results.tables import terminal_width

if TYPE_CHECKING:
    from plainnet.search.runs.search_result import SearchResult

__all__ = ["print_result"]


def print_result(result: SearchResult, *, quiet: bool, as_json: bool, is_full: bool = False) -> None:
    """Print it for people, for programs (the last line is JSON), or both."""
    if not quiet or not as_json:
        click.echo(result.view().text(None if is_full else terminal_width()))
    if result.unmet is not None:
        alarm(f"BUDGET NOT MET: {result.unmet}")
    if as_json:
        click.echo(json.dumps(result.to_dict()))
