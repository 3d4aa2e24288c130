"""Where a search starts that starts from the optimum: at the best networks of its space within its budgets, which an exact
search knows.

For an objective that only nearly adds up, another one that does is solved: the best of that are near the best of this.
"""

from __future__ import annotations

import dataclasses

from plainnet.blocks.user import load_blocks
from plainnet.errors import UsageError, nearest
from plainnet.search.exact.log_sums import LogSum
from plainnet.search.exact.objective_sums import find_sum
from plainnet.search.exact.optimum import solved
from plainnet.search.exact.summed_objectives import NotASumError
from plainnet.search.settings.config import SearchConfig

__all__ = ["OPTIMUM", "with_starts"]

OPTIMUM = "optimum"
STAND_IN = "zen"
"""What is solved for an objective that is no sum over blocks; logarithms of sums may take minutes, and are not solved unasked."""
NEIGHBOURS = 8
"""Networks that each island begins with."""


def with_starts(config: SearchConfig) -> tuple[SearchConfig, str]:
    """The configuration with the networks that its islands begin with, and what is told of them. `UsageError` where the optimum
    cannot be computed, with the reason.
    """
    for path in config.blocks:
        load_blocks(path)
    objective = _objective(config)
    asked = dataclasses.replace(config, objectives=(objective,), start="", starts=())
    count = NEIGHBOURS * config.islands
    try:
        run = solved(asked, top=1, near=count)
    except NotASumError as error:
        raise UsageError(f"the search cannot start from the optimum: {error}") from error
    if run.limit == "interrupted":
        raise KeyboardInterrupt
    found, result = run.best_ones(count), run.result()
    if not found:
        raise UsageError("the search cannot start from the optimum: no network of this space is within the budgets")
    proven = "" if result.gap is None else f", at most {result.gap:.3%} below the best there is"
    return (
        dataclasses.replace(config, starts=tuple(each.source for each in found)),
        f"the islands start from the {len(found)} best networks by {objective} that an exact search met: {run.name} "
        f"{result.value:.6g} to {run.shown(found[-1].value):.6g}{proven}",
    )


def _objective(config: SearchConfig) -> str:
    """What is solved: what the user says, or the first objective where it is a sum over blocks, or the one that stands in."""
    named, _, objective = config.start.partition(":")
    if named != OPTIMUM or (":" in config.start and not objective):
        hint = f"; did you mean {OPTIMUM}?" if nearest(named, [OPTIMUM]) and named != OPTIMUM else ""
        raise UsageError(f"start is {config.start!r}; accepted: {OPTIMUM}, {OPTIMUM}:OBJECTIVE{hint}")
    if objective:
        return objective
    try:
        found = find_sum(config.objectives[0], config.setting, config.latency_costs)
    except NotASumError:
        return STAND_IN
    return STAND_IN if isinstance(found, LogSum) else config.objectives[0]
