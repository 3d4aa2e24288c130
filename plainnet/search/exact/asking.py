"""What is asked of an exact search: its configuration, and that as sums, prices and limits."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from plainnet.errors import UsageError
from plainnet.search.candidates.objective_names import absolute
from plainnet.search.exact.objective_sums import find_sum
from plainnet.search.exact.question import Question
from plainnet.search.exact.summed_objectives import SUMMED_COSTS, NotASumError, SumCost
from plainnet.search.settings.config import SearchConfig
from plainnet.search.space.space import Space
from plainnet.search.space.space_files import load_space

__all__ = ["exact_config", "question_of"]

AXES = ("layers", "convolutions")
"""Budgets that are counted along paths, not priced: the first of them that is given."""
MOST_STEPS = 400
"""What such a budget may be at most to be counted so."""


def exact_config(
    space: str | Space | Mapping[str, Any],
    *,
    objective: str | None = None,
    limits: Mapping[str, float] | None = None,
    resolution: int | None = None,
    num_classes: int | None = None,
    use_se: bool = False,
    blocks: tuple[str, ...] = (),
) -> SearchConfig:
    """The configuration of an exact search; what is not given comes from the space. Strategy and seed are not used."""
    loaded = load_space(space)
    objectives = (absolute(objective),) if objective is not None else tuple(loaded.objectives)
    _refuse(loaded, objectives)
    return SearchConfig(
        loaded,
        objectives=objectives,
        limits={**loaded.limits, **(limits or {})},
        resolution=resolution or loaded.resolution,
        num_classes=loaded.num_classes if num_classes is None else num_classes,
        use_se=use_se or loaded.use_se,
        blocks=blocks,
    )


def _refuse(space: Space, objectives: tuple[str, ...]) -> None:
    """Refuse cells, and several objectives."""
    if space.cell is not None:
        raise UsageError(
            f"{space.name} is a space of cells, and its costs are no sums over blocks that change by themselves; "
            "`plainnet search` remains"
        )
    if len(objectives) != 1:
        raise UsageError(f"an exact search has one objective, {len(objectives)} are given; say --objective NAME")


def question_of(config: SearchConfig) -> Question:
    """What a configuration asks of an exact search."""
    _refuse(config.space, config.objectives)
    for name in config.limits:
        if name not in SUMMED_COSTS:
            raise NotASumError(
                f"the budget {name} is no sum over blocks, so no prices can hold it; accepted: {', '.join(SUMMED_COSTS)}; "
                "`plainnet search` remains"
            )
    setting, latency = config.setting, config.latency_costs
    axis = next((name for name in AXES if config.limits.get(name, math.inf) <= MOST_STEPS), None)
    priced = [(name, limit) for name, limit in config.limits.items() if name != axis]
    return Question(
        setting,
        find_sum(config.objectives[0], setting, latency),
        tuple(SumCost(name, setting, latency) for name, _ in priced),
        tuple(float(limit) for _, limit in priced),
        SumCost(axis, setting) if axis else None,
        int(config.limits[axis]) if axis else 0,
    )
