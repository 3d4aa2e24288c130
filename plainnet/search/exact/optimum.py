"""`optimum`: the best network of a space within budgets, computed, with a proven bound."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from signal import SIGINT
from typing import Any

from plainnet.errors import UsageError
from plainnet.search.candidates.budgets import Budgets, Costs
from plainnet.search.candidates.evaluation import Counter
from plainnet.search.candidates.genes import Genes
from plainnet.search.candidates.objective_names import absolute
from plainnet.search.candidates.objectives import find_objective
from plainnet.search.exact.certificate import Certificate
from plainnet.search.exact.graph import Graph, Question, build_graph
from plainnet.search.exact.result import Limit, Network, Optimum, Proof, Reason, gap_of, known_costs
from plainnet.search.exact.slots import find_slots
from plainnet.search.exact.solve import Found, Known, OutOfTimeError, Solver
from plainnet.search.exact.sums import SUMMED_COSTS, NotASumError, SumCost, find_sum
from plainnet.search.ladder.latency_budget import calibrate, needs_latency
from plainnet.search.settings.bounds import check_bounds
from plainnet.search.settings.config import SearchConfig
from plainnet.search.space.space import Space
from plainnet.search.space.space_files import load_space

__all__ = ["ExactRun", "Standing", "exact_config", "optimum", "question_of", "solved"]

AXES = ("layers", "convolutions")
"""Budgets that are counted along paths, not priced: the first of them that is given."""
MOST_STEPS = 400
"""What such a budget may be at most to be counted so."""


@dataclass(frozen=True)
class Standing:
    """Where an exact search stands: the best value and the bound, as the objective has them; None where unknown."""

    phase: str
    value: float | None
    bound: float | None
    seconds: float


def optimum(
    space: str | Space | Mapping[str, Any],
    *,
    objective: str | None = None,
    limits: Mapping[str, float] | None = None,
    resolution: int | None = None,
    num_classes: int | None = None,
    use_se: bool = False,
    gap: float = 1e-3,
    top: int = 10,
    max_seconds: float | None = None,
    watch: Callable[[Standing], None] = lambda _: None,
) -> Optimum:
    """The best network of a space within `limits` (budget -> limit), with a bound on all others that mutation could reach.

    objective: a sum over blocks (by default the space's own): zen (its leading terms), madnas, a cost, or an object of the user's
    whose `prepare(setting)` has `of_block(block, shape)`. gap: ends when |bound - value| <= gap * |value|. top: how
    many of the best networks that were met are told. `NotASumError` for what cannot be solved, with the reason.

    >>> found = optimum("zennas-resnet", limits={"params": 1e5, "layers": 6})
    >>> found.reason, found.best.costs["layers"]
    ('optimal', 6)
    """
    config = exact_config(
        space, objective=objective, limits=limits, resolution=resolution, num_classes=num_classes, use_se=use_se
    )
    return solved(config, gap=gap, top=top, max_seconds=max_seconds, watch=watch).result()


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
    if len(objectives) != 1:
        raise UsageError(f"an exact search has one objective, {len(objectives)} are given; say --objective NAME")
    return SearchConfig(
        loaded,
        objectives=objectives,
        limits={**loaded.limits, **(limits or {})},
        resolution=resolution or loaded.resolution,
        num_classes=loaded.num_classes if num_classes is None else num_classes,
        use_se=use_se or loaded.use_se,
        blocks=blocks,
    )


def question_of(config: SearchConfig) -> Question:
    """What a configuration asks of an exact search."""
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


def solved(
    config: SearchConfig,
    *,
    gap: float = 1e-3,
    top: int = 10,
    max_seconds: float | None = None,
    watch: Callable[[Standing], None] = lambda _: None,
) -> ExactRun:
    """An exact search of a configuration, as far as it came."""
    if not 0 <= gap < 1:
        raise UsageError(f"gap is {gap}; accepted: a fraction from 0 to below 1, such as 0.001")
    if top < 1:
        raise UsageError(f"top is {top}; accepted: at least 1")
    if needs_latency(config):
        config = dataclasses.replace(config, latency=calibrate(config)[0])
    check_bounds(config)
    run = ExactRun(config, gap, top, math.inf if max_seconds is None else max_seconds, watch)
    run.solve()
    return run


class ExactRun:
    """An exact search over all start structures of a space."""

    def __init__(
        self, config: SearchConfig, gap: float, top: int, max_seconds: float, watch: Callable[[Standing], None]
    ) -> None:
        self.config, self.gap, self.top, self.watch = config, gap, top, watch
        self.begun = time.perf_counter()
        self.deadline = self.begun + max_seconds
        self.question = question_of(config)
        objective = find_objective(config.objectives[0], config.setting)
        self.maximise, self.name = objective.maximise, objective.name
        counter = Counter(config.setting, asked=config.asked, latency=config.latency_costs)
        self.known = Known(counter, Budgets(config.limits), objective.fitness)
        self.solvers: list[Solver] = []
        self.starts = 0
        self.limit: Limit | None = None
        self.signal: int = SIGINT
        """the signal that interrupted it"""
        self.history: list[tuple[float, float | None, float | None]] = []
        self._told = -math.inf

    def solve(self) -> None:
        """Solve all starts; ends early where the time is over or somebody interrupts."""
        try:
            slots = find_slots(self.config.space, self.config.setting, self.question.most or None)
            self.starts = len(slots)
            for each in slots:
                self.tell("counting blocks", force=True)
                graph = build_graph(each, self.question, lambda: self._check("counting blocks"))
                solver = Solver(
                    graph, self.known, gap=self.gap, deadline=self.deadline, watch=lambda _: self.tell("solving")
                )
                self.solvers.append(solver)
                solver.solve()
        except OutOfTimeError:
            self.limit = "time"
        except KeyboardInterrupt as stop:
            self.limit, self.signal = "interrupted", getattr(stop, "number", SIGINT)
        self.tell("done", force=True)

    def _check(self, phase: str) -> None:
        self.tell(phase)
        if time.perf_counter() > self.deadline:
            raise OutOfTimeError

    def bound(self) -> float:
        """What is proven of all starts: infinite before the last one was bounded."""
        if len(self.solvers) < self.starts or not self.solvers:
            return math.inf
        return max(self.known.least, *(each.bound for each in self.solvers))

    def tell(self, phase: str, *, force: bool = False) -> None:
        """Tell who watches, and remember what came of it."""
        now = time.perf_counter() - self.begun
        point = (round(now, 4), self.shown(self.known.least), self.shown(self.bound()))
        if not self.history or self.history[-1][1:] != point[1:]:
            self.history.append(point)
        if force or now - self._told >= 0.1:
            self._told = now
            self.watch(Standing(phase, point[1], point[2], now))

    def shown(self, value: float) -> float | None:
        """A value as the objective has it."""
        if not math.isfinite(value):
            return None
        return value if self.maximise else -value

    def result(self) -> Optimum:
        """What is known now."""
        best, bound = self.known.best, self.bound()
        value, told = (self.shown(best.value) if best else None), self.shown(bound)
        gap = gap_of(value, told)
        complete = len(self.solvers) == self.starts > 0
        infeasible = best is None and complete and all(each.is_infeasible for each in self.solvers)
        reason: Reason = "infeasible" if infeasible else "none found"
        if best is not None:
            reason = "optimal" if gap is not None and gap <= self.gap else "feasible"
        if reason in ("feasible", "none found") and self.limit is None:
            self.limit = "size"
        lead = max(self.solvers, key=lambda each: each.bound, default=None)
        priced = lead.priced if lead is not None and not infeasible else None
        by_prices = max((each.priced.bound for each in self.solvers if each.priced is not None), default=math.inf)
        proof: Proof | None = None if told is None else "prices" if bound >= by_prices else "enumeration"
        networks = [self._network(each) for each in self._best_ones()]
        return Optimum(
            objective=self.config.objectives[0],
            maximise=self.maximise,
            best=networks[0] if networks else None,
            value=value,
            bound=None if infeasible else told,
            gap=gap,
            asked=self.gap,
            reason=reason,
            limit=self.limit if reason in ("feasible", "none found") else None,
            proof=None if infeasible else proof,
            prices=self._prices(priced.prices) if priced is not None else {},
            priced_bound=self.shown(by_prices) if complete and not infeasible else None,
            limits=dict(self.config.limits),
            grid=tuple(line for each in self.solvers for line in _grid(each.graph)),
            others=tuple(networks[1:]),
            nodes=sum(each.evaluations for each in self.solvers),
            seconds=time.perf_counter() - self.begun,
            history=tuple(self.history),
        )

    def certificates(self) -> tuple[Certificate, ...]:
        """What proves the bound of the prices, for each start structure; none where there are no prices."""
        if not self.solvers or any(each.priced is None for each in self.solvers):
            return ()
        axis = self.question.axis
        return tuple(
            Certificate(
                self.config.to_json(),
                number,
                self._prices(each.priced.prices),
                float(each.priced.prices[1]),
                axis.name if axis is not None else None,
                each.proven_by_prices(),
            )
            for number, each in enumerate(self.solvers)
            if each.priced is not None
        )

    def _prices(self, prices: Any) -> dict[str, float]:
        return {cost.name: max(0.0, -float(each)) for cost, each in zip(self.question.costs, prices[2:], strict=True)}

    def _best_ones(self) -> list[Found]:
        return sorted(self.known.found.values(), key=lambda each: (-each.value, each.text))[: self.top]

    def _network(self, found: Found) -> Network:
        value = found.value if self.maximise else -found.value
        return Network(found.text, value, known_costs(found.costs), self._scores(found.genes, found.costs, value))

    def _scores(self, genes: Genes, costs: Costs, value: float) -> dict[str, float]:  # noqa: ARG002
        """The objective, and for the Zen-score its whole closed form."""
        scores = {self.name: value}
        if self.name == "zen_leading":
            from plainnet.proxies.closed.zen import zen_score
            from plainnet.search.candidates.structures import as_structure

            shape = self.config.setting.shape
            scores["zen"] = zen_score(as_structure(genes), (shape.height, shape.width))
        return scores


def _grid(graph: Graph) -> list[str]:
    """The widths of each place, in words."""
    lines = []
    for number, place in enumerate(graph.slots.places):
        widths = graph.nodes[number + 1].grid
        further = ", and further blocks" if place.further else ""
        if len(widths) == 1:
            what = str(widths[0])
        else:
            steps = {int(b - a) for a, b in pairwise(widths)}
            step = f" in steps of {steps.pop()}" if len(steps) == 1 else f" ({len(widths)} values)"
            what = f"{widths[0]} to {widths[-1]}{step}"
        lines.append(f"{number}: {graph.slots.start[number].name}: out_channels {what}{further}")
    return lines
