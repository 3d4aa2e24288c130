"""What an exact search says while it runs, and how a search is judged by it."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from plainnet.search.exact.optimum_view import value_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from plainnet.search.exact.certificate import Certificate
    from plainnet.search.exact.optimum import Standing
    from plainnet.search.exact.result import Optimum

__all__ = ["claim_fault", "judgement", "missing_fault", "watching"]

ROUNDING = 1e-6
"""By how much, as a fraction, a value may be beyond a bound."""
WIDTH = 79
"""Characters of a line of progress."""


def judgement(value: float | None, result: Optimum) -> str:
    """How far the best of a search is from the bound."""
    if value is None:
        return "the search has no candidate with a value"
    if result.bound is None or not value:
        return f"the search's best has {value_text(value)}; there is no bound to compare it with"
    if result.sampled:
        return (
            f"the search's best has {value_text(value)}; the bound holds for some widths only, and may not hold for it"
        )
    beyond = value - result.bound if result.maximise else result.bound - value
    if beyond > ROUNDING * (1 + abs(value)):
        return (
            f"the search's best has {value_text(value)}, beyond the bound of {value_text(result.bound)}, which does not hold for "
            "it: crossover made a network that no bound covers, or there is a fault in plainnet"
        )
    away = abs(result.bound - value) / abs(value)
    return f"the search's best has {value_text(value)}: within {away:.2%} of what this space can give"


def claim_fault(certificates: Sequence[Certificate], claimed: Optimum) -> str:
    """What a run claims beyond what its certificates say; empty where they say it all. (What following all beginnings proved
    beyond the prices is not in them.)
    """
    sign = 1 if claimed.maximise else -1
    bound = claimed.bound if claimed.proof == "prices" else claimed.priced_bound
    if bound is None:
        return "" if claimed.reason == "infeasible" else "it claims no bound"
    prices = max(each.bound for each in certificates) if certificates else math.inf
    if prices > sign * bound + 1e-9 * (1 + abs(bound)):
        return f"it claims {value_text(bound)}, and its prices prove {value_text(sign * prices)}"
    value = certificates[0].value
    if claimed.value is not None and (value is None or sign * claimed.value > value + 1e-9 * (1 + abs(value))):
        return f"it claims a network worth {claimed.value:.9g}, and the best that it holds is worth {value}"
    return ""


def missing_fault(certificates: Sequence[Certificate]) -> str:
    """Why certificates do not cover a space: the start structures of which there is none; empty where they do."""
    from plainnet.search.settings.config import SearchConfig

    first = certificates[0]
    if any(each.config != first.config for each in certificates):
        return "they are of different searches"
    starts = len(SearchConfig.from_json(first.config).space.start)
    missing = sorted(set(range(starts)) - {each.start for each in certificates})
    return f"the space has {starts} start structures, and none is for start {missing[0]}" if missing else ""


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
