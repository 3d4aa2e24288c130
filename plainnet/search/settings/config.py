"""What a search is: everything that its result follows from, as plain data.

Two runs of equal configurations have equal rows, whatever the number of workers and however often they were
interrupted. The number of islands and the length of an epoch belong here, the number of workers does not.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config

from plainnet.blocks.rows.limits import MOST_SIDE
from plainnet.blocks.rows.shapes import Shape
from plainnet.blocks.rows.variants import Variant
from plainnet.errors import RunError, UsageError
from plainnet.profiler.lut.latency_model import LatencyModel
from plainnet.proxies.closed.composite import VERSION, check_version
from plainnet.search.candidates.budgets import ON_REQUEST, Budgets
from plainnet.search.candidates.evaluation import Setting
from plainnet.search.candidates.objective_names import ObjectiveName, bare_name, may_be_slow, read_objective
from plainnet.search.candidates.training_names import is_training
from plainnet.search.settings.rungs import Rung
from plainnet.search.space.mutators import start_structures
from plainnet.search.space.space import Space
from plainnet.search.strategies import find_strategy

__all__ = ["SearchConfig"]


HALVINGS = 6
"""The first epoch is a 64th of a full one."""


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True)
class SearchConfig:
    """The configuration of a search.

    population, islands, repairs: 0, 0 and -1 for what suits the strategy.
    candidates: children that are proposed, those over a budget and duplicates included.
    islands: populations that evolve by themselves and send `migrants` to the next one after every epoch.
    epoch: children that each island proposes in an epoch, which is also what is lost at most when a run is killed; 0 for
        2,500, or 250 where an objective may take its time (a function of the user's, a proxy that builds the network).
        The first is done in parts (a 64th of it, then as much again, and so on), so that little is lost at first.
    repairs: how often a child over a budget is shrunk before it is rejected.
    timeout: seconds that one candidate may take to be made, counted and scored; 0 for any.
    latency: coefficients of a latency budget (`plainnet.search.ladder.latency_budget`); calibrated when a search needs them.
    latency_model: the model of a table of latencies instead (`plainnet.profiler.lut`), as plain data.
    composite_version: what `composite` means, as objective and on the ladder: today's for a new search, and for one that goes on
        what it meant when that began.
    start: where the islands start: empty for the start structures of the space, "optimum" or "optimum:OBJECTIVE" for the best
        networks that an exact search for that objective knows.
    starts: those networks, each block with the number of its rule; solved for when a search begins.
    ladder: what the best candidates are measured with afterwards, rung by rung.
    training: the plan that a rung `train` trains with (`plainnet.engine.training_plan`).
    train_rounds: in how many rounds the candidates of that rung are picked: the first spread over what the space holds, the
        next by what the trainings before say; 0 for the best of the rung before, all at once.
    """

    space: Space
    objectives: tuple[str, ...] = ("zen",)
    limits: Mapping[str, float] = field(default_factory=dict)
    resolution: int = 32
    num_classes: int = 100
    use_se: bool = False
    candidates: int = 480_000
    seed: int = 0
    strategy: str = "evolution"
    population: int = 0
    islands: int = 0
    epoch: int = 0
    migrants: int = 2
    crossover: float = 0.0
    repairs: int = -1
    timeout: float = 0.0
    ladder: tuple[Rung, ...] = ()
    blocks: tuple[str, ...] = ()
    latency: tuple[float, ...] = ()
    latency_model: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    train_rounds: int = 0
    composite_version: int = VERSION
    start: str = ""
    starts: tuple[tuple[tuple[int, str], ...], ...] = ()

    def __post_init__(self) -> None:
        strategy = find_strategy(self.strategy)
        if not self.population:
            object.__setattr__(self, "population", strategy.default_population)
        if not self.islands:
            object.__setattr__(self, "islands", strategy.default_islands)
        if not self.epoch:
            object.__setattr__(self, "epoch", 250 if any(map(may_be_slow, self.objectives)) else 2_500)
        if self.repairs < 0:
            object.__setattr__(self, "repairs", strategy.default_repairs)
        Budgets(self.limits)
        check_version(self.composite_version)
        for text in (*self.objectives, *self.blocks):
            if not text.isprintable() and any("\ud800" <= letter <= "\udfff" for letter in text):
                raise UsageError(f"{text!r} names a file whose name is no UTF-8 text; accepted: a file of another name")
        for name, least in (("candidates", 1), ("population", 2), ("islands", 1), ("epoch", 1), ("migrants", 0)):
            if getattr(self, name) < least:
                raise UsageError(f"{name} is {getattr(self, name)}; accepted: at least {least}")
        if not 1 <= self.resolution <= MOST_SIDE:
            raise UsageError(f"resolution is {self.resolution}; accepted: 1 to {MOST_SIDE:,}")
        if self.train_rounds < 0:
            raise UsageError(f"train_rounds is {self.train_rounds}; accepted: at least 0")
        if not 0 <= self.crossover <= 1:
            raise UsageError(f"crossover is {self.crossover}; accepted: a probability from 0 to 1")
        if self.crossover and not strategy.crosses:
            raise UsageError(f"crossover is {self.crossover}, and the strategy {self.strategy} has one parent alone")
        if not 0 <= self.timeout < math.inf:
            raise UsageError(f"timeout is {self.timeout}; accepted: seconds, or 0 for none")
        if self.migrants >= self.population:
            raise UsageError(f"migrants ({self.migrants}) must be fewer than the population ({self.population})")
        names = [name.removeprefix("max:").removeprefix("min:") for name in self.objectives]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise UsageError(f"the objective {twice} is given twice; accepted: each once, in one direction")
        if len(self.objectives) > 1 and not strategy.multi_objective:
            raise UsageError(
                f"the strategy {self.strategy} is for one objective, {len(self.objectives)} are given; use nsga2"
            )

    @property
    def setting(self) -> Setting:
        """The input, the classifier and the variant."""
        shape = Shape(self.in_channels, self.resolution, self.resolution)
        return Setting(shape, self.num_classes, Variant(use_se=self.use_se), self.composite_version)

    @property
    def composite(self) -> int | None:
        """The version of the composite that scores of this search are of; None where there are none."""
        asked = [read_objective(text) for text in self.objectives] + [
            ObjectiveName("", r.proxy, {}) for r in self.ladder
        ]
        named = [each.options.get("version", self.composite_version) for each in asked if each.name == "composite"]
        return named[0] if named else None

    @property
    def in_channels(self) -> int:
        """The number of channels that the start structures take."""
        return start_structures(self.space)[0].in_channels

    @property
    def trains(self) -> bool:
        """Whether a rung of the ladder trains."""
        return any(is_training(rung.proxy) for rung in self.ladder)

    @property
    def latency_costs(self) -> tuple[float, ...] | LatencyModel:
        """What latencies are predicted with."""
        return LatencyModel.from_dict(self.latency_model) if self.latency_model else self.latency

    @property
    def asked(self) -> frozenset[str]:
        """The costs beside the counts that a budget or an objective asks for."""
        names = {*self.limits, *map(bare_name, self.objectives)}
        return frozenset(name for name in ON_REQUEST if name in names)

    @property
    def first_parts(self) -> int:
        """How many epochs the first full one is divided into beyond itself: a 64th, a 32nd, ... of it is done after each."""
        return min(HALVINGS, self.epoch.bit_length() - 1)

    def length(self, epoch: int) -> int:
        """How many children each island proposes in an epoch that is not the last."""
        halvings = self.first_parts - epoch
        if halvings < 0:
            return self.epoch
        return (self.epoch >> halvings) - (self.epoch >> (halvings + 1) if epoch else 0)

    def shares(self, epoch: int, proposed: int) -> list[int]:
        """How many children each island proposes in an epoch before which so many were proposed. The last one may be
        shorter.
        """
        each, more = divmod(min(self.length(epoch) * self.islands, self.candidates - proposed), self.islands)
        return [each + (island < more) for island in range(self.islands)]

    def migrates_after(self, epoch: int) -> bool:
        """Whether islands exchange members after an epoch: after every full one, the first in its parts counting as one."""
        return self.islands > 1 and epoch >= self.first_parts

    def to_json(self) -> str:
        """The configuration as JSON that `from_json` reads back."""
        values = {item.name: getattr(self, item.name) for item in dataclasses.fields(self)}
        values["space"] = self.space.model_dump(mode="json", exclude_none=True)
        values["limits"] = dict(self.limits)
        values["training"] = dict(self.training)
        values["latency_model"] = dict(self.latency_model)
        values["ladder"] = [dataclasses.asdict(rung) for rung in self.ladder]
        return json.dumps(values)

    @classmethod
    def from_json(cls, text: str) -> SearchConfig:
        """The configuration that `to_json` wrote, every value of its type; `RunError` for anything else."""
        try:
            return _adapter().validate_json(_with_version(text), strict=True)
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
            where = ".".join(("config", *map(str, problem["loc"])))
            raise RunError(f"the run's configuration cannot be read: {where}: {problem['msg']}") from None


def _with_version(text: str) -> str:
    """The configuration with the version of its composite: the first, where it was written before there was a second."""
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if not isinstance(values, dict) or "composite_version" in values:
        return text
    return json.dumps({**values, "composite_version": 1})


@cache
def _adapter() -> TypeAdapter[SearchConfig]:
    return TypeAdapter(SearchConfig)
