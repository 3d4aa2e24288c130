"""What an exact search says while it runs, and how a search is judged by it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from plainnet.search.exact.optimum_view import value_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from plainnet.search.exact.optimum import Standing
    from plainnet.search.exact.result import Optimum

__all__ = ["judgement", "watching"]

WIDTH = 79
"""Characters of a line of progress."""


def judgement(value: float | None, result: Optimum) -> str:
    """How far the best of a search is from the bound."""
    if value is None:
        return "the search has no candidate with a value"
    if result.bound is None or not value:
        return f"the search's best has {value_text(value)}; there is no bound to compare it with"
    away = abs(result.bound - value) / abs(value)
    return f"the search's best has {value_text(value)}: within {away:.2%} of what this space can give"


@contextmanager
def watching(*, quiet: bool) -> Iterator[Callable[[Standing], None]]:
    """One line of progress on a terminal."""
    from plainnet.search.exact.result import gap_of

    is_shown = not quiet and sys.stderr is not None and sys.stderr.isatty()

    def show(standing: Standing) -> None:
        value, bound = value_text(standing.value), value_text(standing.bound)
        gap = gap_of(standing.value, standing.bound)
        said = "" if gap is None else f", gap {gap:.3%}"
        line = f"{standing.seconds:6.1f} s  {standing.phase}: best {value}, bound {bound}{said}"
        click.echo(f"\r{line[:WIDTH]:{WIDTH}}", nl=False, err=True)

    yield show if is_shown else lambda _: None
    if is_shown:
        click.echo(f"\r{'':{WIDTH}}\r", nl=False, err=True)
