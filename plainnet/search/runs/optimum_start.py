"""Where a search starts that starts from the optimum: at the best networks of its space within its budgets, which an exact
search knows.

For an objective that only nearly adds up, another one that does is solved: the best of that are near the best of this.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable

from plainnet.blocks.user import load_blocks
from plainnet.errors import UsageError, nearest
from plainnet.search.exact.log_sums import LogSum
from plainnet.search.exact.objective_sums import find_sum
from plainnet.search.exact.optimum import Standing, solved
from plainnet.search.exact.solve import OutOfTimeError
from plainnet.search.exact.summed_objectives import NotASumError
from plainnet.search.settings.config import SearchConfig

__all__ = ["OPTIMUM", "START_SECONDS", "with_starts"]

OPTIMUM = "optimum"
STAND_IN = "zen"
"""What is solved for an objective that is no sum over blocks; logarithms of sums may take minutes, and are not solved unasked."""
NEIGHBOURS = 8
"""Networks that each island begins with."""
START_SECONDS = 60.0
"""Of the processor, for the networks to start from, where nobody says how long they may take."""


def with_starts(
    config: SearchConfig, seconds: float = START_SECONDS, watch: Callable[[Standing, float], None] = lambda *_: None
) -> tuple[SearchConfig, str]:
    """The configuration with the networks that its islands begin with, and what is told of them. seconds: of the processor, after
    which those are taken that are known by then. watch: called with where the exact search stands, and the seconds that it took.
    `UsageError` where the optimum cannot be computed, or no network was found in time, with the reason.
    """
    for path in config.blocks:
        load_blocks(path)
    objective = _objective(config)
    asked = dataclasses.replace(config, objectives=(objective,), start="", starts=())
    count, began = NEIGHBOURS * config.islands, time.process_time()

    def told(standing: Standing) -> None:
        spent = time.process_time() - began
        watch(standing, spent)
        if standing.phase != "done" and spent > seconds:
            raise OutOfTimeError

    try:
        run = solved(asked, top=1, near=count, watch=told)
    except NotASumError as error:
        raise UsageError(f"the search cannot start from the optimum: {error}") from error
    if run.limit == "interrupted":
        raise KeyboardInterrupt
    found, result = run.best_ones(count), run.result()
    if not found and result.reason == "infeasible":
        raise UsageError("the search cannot start from the optimum: no network of this space is within the budgets")
    if not found:
        raise UsageError(
            f"the search cannot start from the optimum: no network within the budgets was found in {seconds:g} s of the "
            "processor; give --start-seconds more, or start from the space's start"
        )
    proven = "" if result.gap is None else f", the first within {result.gap:.3%} of the best there is"
    early = f" (its {seconds:g} s of the processor were over)" if run.limit == "time" else ""
    return (
        dataclasses.replace(config, starts=tuple(each.source for each in found)),
        f"the islands start from the {len(found)} best networks by {objective} that an exact search met{early}: {run.name} "
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
