"""Which sum an objective's name means: what an exact search adds up, or why it cannot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from plainnet.errors import UsageError
from plainnet.search.candidates.evaluation import Setting
from plainnet.search.candidates.objective_names import read_objective
from plainnet.search.candidates.objectives import is_made_large
from plainnet.search.candidates.user_objectives import load_objective, user_scorer
from plainnet.search.exact.log_sums import CompositeLogs, DeepMadLogs
from plainnet.search.exact.summed_objectives import (
    SUMMED_COSTS,
    EntropySum,
    Latency,
    NotASumError,
    Sum,
    SumCost,
    UserSum,
    ZenSum,
)

__all__ = ["find_sum"]


def find_sum(text: str, setting: Setting, latency: Latency = ()) -> Sum:
    """The objective that a text names, as a sum to be made large; `NotASumError` with the reason where it is none."""
    _, name, options = read_objective(text)
    sign = 1 if is_made_large(text) else -1
    if name in SUMMED_COSTS and not options:
        return SumCost(name, setting, latency, sign)
    if name == "zen" and not options and sign > 0:
        return ZenSum(setting)
    if name == "madnas" and set(options) <= {"ratios"} and sign > 0:
        return EntropySum(setting, _ratios(options))
    if name == "composite" and set(options) <= {"version"} and sign > 0:
        return CompositeLogs(setting, options.get("version", setting.composite_version))
    if name == "deepmad" and set(options) <= {"ratios", "alpha1", "alpha2"} and sign > 0:
        return DeepMadLogs(setting, _ratios(options), options)
    if ":" in name:
        found = load_objective(name)
        scorer = found.prepare(setting) if hasattr(found, "prepare") else None
        if callable(getattr(scorer, "of_block", None)):
            user_scorer(name, setting)  # looks at it as a search does
            return UserSum(scorer, sign)
    raise NotASumError(
        f"{text} does not say that it is a sum over blocks{_why(name, options)}; `plainnet search` remains. Accepted: zen, "
        f"madnas, composite, deepmad, {', '.join(SUMMED_COSTS)}, FILE.py:OBJECT whose prepare(setting) has of_block(block, shape)"
    )


def _ratios(options: Mapping[str, Any]) -> list[float] | None:
    given = options.get("ratios")
    if given is None:
        return None
    if not isinstance(given, list) or not all(isinstance(each, (int, float)) and each >= 0 for each in given):
        raise UsageError(f"ratios is {given!r}; accepted: a list of numbers of at least 0")
    return [float(each) for each in given]


def _why(name: str, options: Mapping[str, Any]) -> str:
    if "depth_penalty" in options:
        return " (its depth penalty is the exponential of a standard deviation over all blocks)"
    return {
        "rho": " (it is the largest quotient of two sums)",
        "peak_activation": " (it is the largest of its blocks)",
    }.get(name, "")
