"""What an exact search says while it runs, and at its end: the network, what is proven, what budgets are worth."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from textwrap import fill
from typing import TYPE_CHECKING

import click

from plainnet.cli.tables import text_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from plainnet.search.exact.optimum import Standing
    from plainnet.search.exact.result import Optimum

__all__ = ["judgement", "print_optimum", "watching"]

WIDTH = 79
"""Characters of a line at most; only a structure, which is one word to copy, may be longer."""


def judgement(value: float | None, result: Optimum) -> str:
    """How far the best of a search is from the bound."""
    if value is None:
        return "the search has no candidate with a value"
    if result.bound is None or not value:
        return f"the search's best has {_number(value)}; there is no bound to compare it with"
    away = abs(result.bound - value) / abs(value)
    return f"the search's best has {_number(value)}: within {away:.2%} of what this space can give"


@contextmanager
def watching(*, quiet: bool) -> Iterator[Callable[[Standing], None]]:
    """One line of progress on a terminal."""
    from plainnet.search.exact.result import gap_of

    is_shown = not quiet and sys.stderr is not None and sys.stderr.isatty()

    def show(standing: Standing) -> None:
        value, bound = _number(standing.value), _number(standing.bound)
        gap = gap_of(standing.value, standing.bound)
        said = "" if gap is None else f", gap {gap:.3%}"
        line = f"{standing.seconds:6.1f} s  {standing.phase}: best {value}, bound {bound}{said}"
        click.echo(f"\r{line[:WIDTH]:{WIDTH}}", nl=False, err=True)

    yield show if is_shown else lambda _: None
    if is_shown:
        click.echo(f"\r{'':{WIDTH}}\r", nl=False, err=True)


def _number(value: float | None) -> str:
    return "none yet" if value is None else f"{value:,.10g}" if value == int(value) else f"{value:,.4f}"


def print_optimum(result: Optimum, folder: Path | None) -> None:
    """The result for people, in lines of at most `WIDTH` characters but for the structure."""
    if result.best is not None:
        click.echo(result.best.structure)
        _say("  ".join(f"{name} {value:,.10g}" for name, value in result.best.costs.items()))
        width = max(map(len, result.best.scores))
        for name, value in result.best.scores.items():
            said = f"{value:,.10g}" if value == int(value) else f"{value:.6g}"
            click.echo(f"{name:{width}}  {said}")
    _say(_claim(result))
    for name, price in result.prices.items():
        if price:
            size = 10 ** max(0, len(str(int(result.limits[name]))) - 3)
            _say(f"{size:,} more {name} would be worth {price * size:.4g} at most, near this budget")
    if result.others:
        _print_others(result, folder)
    for line in result.grid:
        _say(f"it holds for block {line}")
    _say(f"{result.seconds:.1f} s, {result.nodes} evaluations of the dynamic program")
    if folder is not None:
        again = quote(str(folder))
        click.echo(f"kept in {folder}; a page about it: plainnet report {again}")
        if result.limit is not None and result.limit != "size":
            click.echo(f"to go on: plainnet optimum --resume {again}")


def _print_others(result: Optimum, folder: Path | None) -> None:
    """The next best networks, one line each; their structures are in the run."""
    costs = [name for name in result.others[0].costs if name in (*result.limits, "params", "macs", "layers")]
    rows = [
        [str(rank), _number(other.value), *(f"{other.costs[name]:,.10g}" for name in costs)]
        for rank, other in enumerate(result.others, 2)
    ]
    where = f": plainnet runs best {quote(str(folder))}" if folder is not None else ""
    _say(f"the next best that were met{where}")
    click.echo(text_table(["rank", "value", *costs], rows, left=0, rule=False))


def _say(text: str) -> None:
    click.echo(fill(text, WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False))


def _claim(result: Optimum) -> str:
    """What is proven, in one line."""
    than = "at most" if result.maximise else "at least"
    if result.reason == "infeasible":
        return "no network of this space is within the budgets: proven"
    why = {
        "time": "the time was over",
        "interrupted": "it was stopped",
        "size": "what is left is too much to go through",
    }
    early = f"; {why[result.limit]}" if result.limit else ""
    if result.best is None:
        known = "nothing is proven" if result.bound is None else f"any would have {than} {_number(result.bound)}"
        return f"no network within the budgets was found, and {known}{early}"
    if result.bound is None or result.gap is None:
        return f"no bound is proven{early}"
    if result.gap == 0:
        return f"no network of this space within the budgets is better: proven by {result.proof}"
    kept = "" if result.gap <= result.asked else f", more than the {result.asked:.3%} asked for"
    return f"every network of this space has {than} {_number(result.bound)}: gap {result.gap:.3%}{kept}{early}"
