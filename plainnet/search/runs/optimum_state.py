"""Exact searches as kept runs: where one stands, as plain data that is checked when it is read."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass
from typing import Any

from plainnet import __version__
from plainnet.blocks.structure import parse
from plainnet.errors import StructureError, UsageError
from plainnet.files.text_files import json_value
from plainnet.search.exact.optimum import Begun, ExactRun, check_asked
from plainnet.search.exact.result import Optimum
from plainnet.search.exact.solve import StartState
from plainnet.search.store import RunStore, damaged, decoded

__all__ = ["KIND", "OptimumState", "describe_optimum", "is_optimum", "read_state", "state_of_run"]

MOST_NEAR = 2**31
"""Networks that can be gone through: no machine has the room for more."""
KIND = "optimum"
"""The kind of run that an exact search is."""
FACT = "optimum"
"""The name under which its state is noted."""


@dataclass(frozen=True)
class OptimumState:
    """Where an exact search stands. result: None before there was any; starts: each start structure's bound and prices.

    version: of the program that proved the bound: another one proves it anew.
    """

    version: str
    gap: float
    top: int
    near: int = 0
    seconds: float = 0.0
    starts: tuple[StartState, ...] = ()
    history: tuple[tuple[float, float | None, float | None], ...] = ()
    result: Optimum | None = None

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to do: the gap is reached, nothing is within the budgets, or what is left is too much."""
        result = self.result
        return result is not None and (result.reason in ("optimal", "infeasible") or result.limit == "size")

    def begun(self, networks: tuple[str, ...]) -> Begun:
        """What a search goes on from."""
        starts = self.starts if self.version == __version__ else ()
        return Begun(networks, starts, self.history if starts else (), self.seconds)

    def to_json(self) -> str:
        """As JSON that `read_state` reads back."""
        values = dataclasses.asdict(self)
        values["starts"] = [each._asdict() for each in self.starts]
        if self.result is not None:
            values["result"]["history"] = ()  # it is there already
            for network in (values["result"]["best"], values["result"]["whole"], *values["result"]["others"]):
                if network is not None:
                    scores = network["scores"].items()
                    network["scores"] = {name: value for name, value in scores if math.isfinite(value)}
        return json.dumps(values, allow_nan=False)


def state_of_run(run: ExactRun) -> OptimumState:
    """Where a search stands now."""
    return OptimumState(
        __version__, run.gap, run.top, run.near, run.seconds, run.kept_states(), tuple(run.history), run.result()
    )


def is_optimum(store: RunStore) -> bool:
    """Whether a run is an exact search."""
    return store.info("kind") == KIND


def read_state(store: RunStore) -> OptimumState:
    """Where the exact search of a run stood when it was written down."""
    text = store.info(FACT)
    state: OptimumState = decoded(store.path or "memory", FACT, text, OptimumState)
    try:
        json_value(text, FACT)  # which knows of no numbers that are not finite
        check_asked(state.gap, state.top)
        if not 0 <= state.near <= MOST_NEAR:
            raise UsageError(f"near is {state.near}; accepted: 0 to {MOST_NEAR:,}")
    except UsageError as error:
        raise damaged(store.path or "memory", f"{FACT}: {error}") from None
    if state.result is not None:
        _check_result(store, state.result)
        state = dataclasses.replace(state, result=dataclasses.replace(state.result, history=state.history))
    return state


def _check_result(store: RunStore, result: Optimum) -> None:
    """That prices are of budgets, and that what was found can be read, as far as that takes no code of the run's own."""
    for name, budgets, known in (
        ("limits", result.limits, store.config.limits),
        ("prices", result.prices, result.limits),
    ):
        unknown = sorted(set(budgets) - set(known))
        if unknown:
            raise damaged(
                store.path or "memory", f"{FACT}: result.{name}: {unknown[0][:40]!r} is no budget of the search"
            )
    for each in (result.best, result.whole, *result.others):
        if each is not None and not store.config.blocks:
            try:
                parse(each.structure)
            except StructureError as error:
                first = str(error).splitlines()[0]
                raise damaged(store.path or "memory", f"{FACT}: result: a structure: {first}") from None


def describe_optimum(store: RunStore) -> dict[str, Any]:
    """What is proven, for `runs show`."""
    state = read_state(store)
    result = state.result
    if result is None:
        return {"value": None, "bound": None, "gap": None}
    prices = {name: price for name, price in result.prices.items() if price}
    return {
        "value": result.value,
        "bound": result.bound,
        "gap": result.gap,
        "reason": result.reason,
        "ended by": result.limit,
        "proven by": result.proof,
        "prices": prices,
        "evaluations": result.nodes,
    }
