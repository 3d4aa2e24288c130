"""How far the best of a search is from what its space can give at most, where that can be proven.

The bound is what an exact search proves of all networks within the budgets. It says something about a run and changes
nothing in it: it is noted beside the candidates, and where there is none, why.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from plainnet.errors import PlainnetError
from plainnet.search.candidates.faults import FAULTS
from plainnet.search.exact.optimum import Begun, Standing, solved
from plainnet.search.exact.result import gap_of
from plainnet.search.exact.solve import OutOfTimeError
from plainnet.search.settings.config import SearchConfig
from plainnet.search.store import RunStore, decoded

__all__ = ["FACT", "SearchBound", "bound_of", "note_bound"]

logger = logging.getLogger(__name__)

FACT = "bound"
"""The name under which a bound is noted."""
ROUNDING = 1e-6
"""By how much, as a fraction, a value may be beyond the bound before one of them is taken to be wrong."""
CLOSE = 5e-3
"""Where the bound is so close to the best network that is known, as a fraction of its value, no better one is looked for."""


@dataclass(frozen=True)
class SearchBound:
    """What all networks of a search's space within its budgets have at most (or at least, where `maximise` is False).

    objective: its column. value: the best of it among all candidates, whatever the ladder decided. bound: None where none was
    proven; `reason` then says why. gap: |bound - value| / |value|, None where one of them is unknown. seconds: that the proof
    took, of the processor.
    """

    objective: str
    maximise: bool
    value: float
    bound: float | None
    gap: float | None
    reason: str | None
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """As plain data."""
        return dataclasses.asdict(self)

    def __str__(self) -> str:
        """The bound in one sentence; empty where there is none."""
        if self.bound is None or self.gap is None:
            return ""
        worst = "more" if self.maximise else "less"
        if self.gap == 0:
            return (
                f"no network of this space within the budgets has {worst} {self.objective} than the best found: proven"
            )
        return (
            f"the best {self.objective} found, {self.value:.6g}, is within {self.gap:.2%} of what this space can give: no "
            f"network within the budgets has {worst} than {self.bound:.6g}, proven"
        )


@dataclass(frozen=True)
class _Noted:
    """What is kept of a proof; the value may still become better."""

    bound: float | None
    reason: str | None
    seconds: float


def bound_of(store: RunStore) -> SearchBound | None:
    """What was proven of a run's space, beside the best that the run holds now; None where nobody tried, or nothing was found."""
    text, best = store.noted(FACT), store.best(1)
    value = best[0].scores[store.columns[0]] if best else None
    if text is None or value is None:
        return None
    noted: _Noted = decoded(store.path or "memory", FACT, text, _Noted)
    name, maximise = store.columns[0], store.directions[0]
    bound, reason = noted.bound, noted.reason
    if bound is not None and (value - bound if maximise else bound - value) > ROUNDING * (1 + abs(value)):
        bound, reason = (
            None,
            f"the best found has {value:.9g}, beyond the {bound:.9g} that was proven: a fault of plainnet",
        )
    return SearchBound(name, maximise, value, bound, gap_of(value, bound), reason, noted.seconds)


def note_bound(store: RunStore, seconds: float, watch: Callable[[Standing], None]) -> None:
    """Prove a bound on all networks of a run's space, in about so many seconds of the processor at most, and note it, or why
    there is none.
    """
    noted = _proven(store.config, store.best(1)[0].structure, seconds, watch)
    logger.info("the bound: %s", noted.reason if noted.bound is None else f"{noted.bound:.9g}")
    store.set_fact(FACT, json.dumps(dataclasses.asdict(noted)))


def _proven(config: SearchConfig, best: str, seconds: float, watch: Callable[[Standing], None]) -> _Noted:
    uncovered = _not_covered(config)
    if uncovered:
        return _Noted(None, uncovered, 0.0)
    began = time.process_time()

    def told(standing: Standing) -> None:
        watch(standing)
        if standing.phase != "done" and time.process_time() - began > seconds:
            raise OutOfTimeError

    try:
        run = solved(config, gap=CLOSE, top=1, watch=told, begun=Begun((best,), (), (), 0.0))
    except FAULTS as error:
        said = str(error) if isinstance(error, PlainnetError) else f"{type(error).__name__}: {error}"
        return _Noted(None, said, 0.0)
    if run.limit == "interrupted":
        raise KeyboardInterrupt
    found, took = run.result(), round(time.process_time() - began, 3)
    if found.reason == "infeasible":
        return _Noted(
            None, "the exact search finds no network within the budgets, and this one did: a fault of plainnet", took
        )
    if found.sampled:
        return _Noted(None, f"a bound of some widths alone says nothing of the others: {found.sampled}", took)
    if found.bound is None:
        return _Noted(None, f"nothing was proven in {seconds:g} s; plainnet optimum --judge RUN takes its time", took)
    return _Noted(found.bound, None, took)


def _not_covered(config: SearchConfig) -> str:
    """Why no exact search says what a search could have found; empty where one does."""
    space = config.space
    if len(config.objectives) > 1:
        return f"a bound is proven of one objective, and this search has {len(config.objectives)}"
    if not config.crossover:
        return ""
    if len(space.start) > 1:
        return "crossover joins halves of different start structures, which no bound covers"
    changes = [*(rule.change for rule in space.blocks), *(rule.change for rule in space.positions)]
    if any("stride" in change for change in changes):
        return "crossover cuts where strides are, which change here: it joins halves of different places, which no bound covers"
    return ""
