"""The numbers of a ladder's last rungs, and what the values of a rung are called."""

from __future__ import annotations

from collections.abc import Sequence

from plainnet.proxies.calibrated.names import short_name
from plainnet.search.settings.config import SearchConfig
from plainnet.search.store import COSTS, FIXED

__all__ = ["latency_rung", "score_name", "verdict_rung"]

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
