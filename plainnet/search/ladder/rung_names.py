"""The numbers of a ladder's last rungs, and what the values of a rung are called."""

from __future__ import annotations

from collections.abc import Sequence

from plainnet.errors import RunError, UsageError
from plainnet.proxies.calibrated.names import short_name
from plainnet.search.candidates.measures import Measurement, find_measurement
from plainnet.search.settings.config import SearchConfig
from plainnet.search.store import COSTS, FIXED, RunStore

__all__ = ["kept_measurement", "latency_rung", "score_name", "verdict_rung"]

MEASURED = "measured_"
"""What stands before the name of a rung whose values would else be taken for a cost or an objective of the same name."""


def latency_rung(config: SearchConfig) -> int:
    """The number of the rung on which the finalists' latencies are measured."""
    return len(config.ladder) + 1


def verdict_rung(config: SearchConfig) -> int:
    """The number of the rung on which the finalists are measured again, with fresh seeds."""
    return len(config.ladder) + 2


def score_name(proxy: str, columns: Sequence[str]) -> str:
    """What the values of a rung are called beside a candidate's costs and objectives."""
    name = short_name(proxy)
    return f"{MEASURED}{name}" if name in (*COSTS, *FIXED, *columns) else name


def kept_measurement(store: RunStore, proxy: str) -> Measurement:
    """The measurement that a run names; `RunError` for what is none, with the run's file."""
    try:
        return find_measurement(proxy)
    except UsageError as error:
        raise RunError(f"{store.path or 'memory'}: measures.proxy: {error}") from error
