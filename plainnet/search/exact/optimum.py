"""An exact search over all start structures of a space: the best network within budgets, and a bound on all others."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from signal import SIGINT
from typing import Any

from plainnet.blocks.text.reader import read_blocks
from plainnet.errors import UsageError
from plainnet.search.candidates.budgets import Budgets
from plainnet.search.candidates.evaluation import Counter
from plainnet.search.candidates.genes import GenePool
from plainnet.search.candidates.objectives import find_objective
from plainnet.search.exact.asking import question_of
from plainnet.search.exact.certificate import Certificate
from plainnet.search.exact.graph import Graph
from plainnet.search.exact.graph_builder import TooManyBlocksError, build_graph
from plainnet.search.exact.known_networks import Found, Known
from plainnet.search.exact.log_solver import LogSolver
from plainnet.search.exact.log_sums import LogSum
from plainnet.search.exact.next_best import take_near
from plainnet.search.exact.place_options import Slots, find_slots
from plainnet.search.exact.result import Limit, Network, Optimum, Proof, Reason, gap_of, known_costs
from plainnet.search.exact.sampling import Sampling, grid_lines
from plainnet.search.exact.solve import OutOfTimeError, Solver, StartState
from plainnet.search.ladder.latency_budget import calibrate, needs_latency
from plainnet.search.settings.bounds import check_bounds
from plainnet.search.settings.config import SearchConfig

__all__ = ["Begun", "ExactRun", "Standing", "check_asked", "solved"]

FINER_AROUND = 3
"""Networks around whose widths grids are made finer."""
KEPT_EVERY = 1.0
"""Seconds after which it is written down again where a run stands."""


@dataclass(frozen=True)
class Standing:
    """Where an exact search stands: the best value and the bound, as the objective has them; None where unknown."""

    phase: str
    value: float | None
    bound: float | None
    seconds: float


def check_asked(gap: float, top: int) -> None:
    """`UsageError` for a gap that is no fraction, and for no networks at all."""
    if not 0 <= gap < 1:
        raise UsageError(f"gap is {gap}; accepted: a fraction from 0 to below 1, such as 0.001")
    if top < 1:
        raise UsageError(f"top is {top}; accepted: at least 1")


def solved(
    config: SearchConfig,
    *,
    gap: float = 1e-3,
    top: int = 10,
    max_seconds: float | None = None,
    watch: Callable[[Standing], None] = lambda _: None,
    keep: Callable[[ExactRun], None] = lambda _: None,
    begun: Begun | None = None,
    near: int = 0,
) -> ExactRun:
    """An exact search of a configuration, as far as it came. keep: called now and then, and at the end, to write down where
    it stands; begun: where it stood when it was written down. near: so many of the next best networks are gone through
    afterwards, and of all that were met, the best by the whole closed form is told (of the Zen-score).
    """
    check_asked(gap, top)
    if needs_latency(config):
        config = dataclasses.replace(config, latency=calibrate(config)[0])
    check_bounds(config)
    run = ExactRun(config, gap, top, math.inf if max_seconds is None else max_seconds, watch, keep)
    if begun is not None:
        run.take_up(begun)
    run.near = near
    run.solve()
    return run


@dataclass(frozen=True)
class Begun:
    """Where a run stood when it was written down: its networks, its starts, what it told, and the seconds that it had taken."""

    networks: tuple[str, ...]
    starts: tuple[StartState, ...]
    history: tuple[tuple[float, float | None, float | None], ...]
    seconds: float


class ExactRun:
    """An exact search over all start structures of a space."""

    def __init__(
        self,
        config: SearchConfig,
        gap: float,
        top: int,
        max_seconds: float,
        watch: Callable[[Standing], None],
        keep: Callable[[ExactRun], None] = lambda _: None,
    ) -> None:
        self.config, self.gap, self.top, self.watch, self.keep = config, gap, top, watch, keep
        self.clock = time.perf_counter()
        self.deadline = self.clock + max_seconds
        self.states: tuple[StartState, ...] = ()
        """where the starts stood when the run was taken up"""
        self.question = question_of(config)
        objective = find_objective(config.objectives[0], config.setting)
        self.maximise, self.name = objective.maximise, objective.name
        counter = Counter(config.setting, asked=config.asked, latency=config.latency_costs)
        self.known = Known(counter, Budgets(config.limits), objective.fitness)
        self.solvers: list[Solver | LogSolver] = []
        self.samplings: dict[int, Sampling] = {}
        """by start structure, where not all widths are looked at"""
        self.starts = 0
        self.limit: Limit | None = None
        self.has_ended = False
        self.near = 0
        """how many of the next best networks are gone through when it is solved"""
        self.missing: list[float] = []
        """by start structure, the value down to which none of its networks is missing then"""
        self.signal: int = SIGINT
        """the signal that interrupted it"""
        self.history: list[tuple[float, float | None, float | None]] = []
        self._told = self._kept = -math.inf

    @property
    def seconds(self) -> float:
        """The time that it took, all sessions together."""
        return time.perf_counter() - self.clock

    def take_up(self, begun: Begun) -> None:
        """Go on where a run was. Its networks are counted and scored again, in the ordinary way."""
        pool = GenePool()
        for text in begun.networks:
            genes = tuple(pool.of_block(block, 0) for block in read_blocks(text))
            costs = self.known.counter.costs(genes)
            if costs is not None and not self.known.budgets.over(costs._asdict()):
                value = self.known.score(genes, costs)
                if not math.isnan(value):
                    self.known.add(Found(value, text, costs))
        self.states, self.starts, self.history = begun.starts, len(begun.starts), list(begun.history)
        self.clock -= begun.seconds

    def start_states(self) -> tuple[StartState, ...]:
        """Where each start stands."""
        solvers = tuple(each.state() for each in self.solvers)
        return solvers + self.states[len(solvers) :]

    def kept_states(self) -> tuple[StartState, ...]:
        """Where each start is taken up again: at nothing where only some widths were looked at, which are chosen anew then."""
        states = enumerate(self.start_states())
        return tuple(StartState() if number in self.samplings else each for number, each in states)

    def solve(self) -> None:
        """Solve all starts; ends early where the time is over or somebody interrupts."""
        try:
            slots = find_slots(self.config.space, self.config.setting, self.question.most or None)
            self.starts = len(slots)
            for number, each in enumerate(slots):
                self.tell("counting blocks", force=True)
                self._solve_start(number, each)
            for solver in self.solvers if self.near else ():
                self.tell("next best", force=True)
                if isinstance(solver, Solver):
                    self.missing.append(take_near(solver, self.near))
        except OutOfTimeError:
            self.limit = "time"
        except KeyboardInterrupt as stop:
            self.limit, self.signal = "interrupted", getattr(stop, "number", SIGINT)
        self.has_ended = True
        self.tell("done", force=True)

    def _solve_start(self, number: int, slots: Slots) -> None:
        """Solve one start structure; where its blocks are no formulas and too many, on grids that are made finer."""
        sampling = Sampling(slots)
        while True:
            try:
                graph = build_graph(sampling.places(), self.question, lambda: self._check("counting blocks"))
            except TooManyBlocksError as error:
                if not sampling.begin(error.place, error.why):
                    if self.solvers[number:]:
                        return  # finer than can be counted
                    raise
                self.samplings[number] = sampling
                continue
            sampling.counted()
            self.solvers[number:] = [self._solver(graph, number)]
            self.solvers[number].solve()
            best = [each.text for each in self.best_ones(FINER_AROUND)]
            networks = [tuple(slots.mutator.pool.of_block(block, 0) for block in read_blocks(text)) for text in best]
            if not sampling.reasons or not sampling.finer(networks):
                return
            self.history = [(seconds, value, None) for seconds, value, _ in self.history]  # bounds of other grids

    def _solver(self, graph: Graph, number: int) -> Solver | LogSolver:
        begun = self.states[number] if number < len(self.states) and number not in self.samplings else None
        objective, shared = self.question.objective, {"gap": self.gap, "deadline": self.deadline, "begun": begun}

        def watch(_: Any) -> None:
            self._check("solving")

        if isinstance(objective, LogSum):
            return LogSolver(graph, self.known, objective, watch=watch, **shared)  # type: ignore[arg-type]
        return Solver(graph, self.known, watch=watch, **shared)  # type: ignore[arg-type]

    def _check(self, phase: str) -> None:
        self.tell(phase)
        if time.perf_counter() > self.deadline:
            raise OutOfTimeError

    def bound(self) -> float:
        """What is proven of all starts: infinite before the last one was bounded."""
        states = self.start_states()
        if len(states) < self.starts or not states:
            return math.inf
        bounds = [
            -math.inf if each.is_infeasible else math.inf if each.bound is None else each.bound for each in states
        ]
        return max(self.known.least, *bounds)

    def tell(self, phase: str, *, force: bool = False) -> None:
        """Tell who watches, and remember what came of it."""
        now = self.seconds
        point = (round(now, 4), self.shown(self.known.least), self.shown(self.bound()))
        if not self.history or self.history[-1][1:] != point[1:]:
            self.history.append(point)
        if force or now - self._told >= 0.1:
            self._told = now
            if now - self._kept >= KEPT_EVERY or (force and phase == "done"):
                self._kept = now
                self.keep(self)
            self.watch(Standing(phase, point[1], point[2], now))

    def shown(self, value: float) -> float | None:
        """A value as the objective has it."""
        if not math.isfinite(value):
            return None
        return value if self.maximise else -value

    def _whole(self) -> Network | None:
        """The best by the whole closed form of the best that are known."""
        if not self.near or self.name != "zen_leading" or not self.has_ended:
            return None
        found = [self._network(each) for each in self.best_ones(self.near)]
        return max(found, key=lambda each: each.scores["zen"], default=None)

    def _complete_to(self) -> float | None:
        """The value down to which all networks within the budgets were met."""
        is_known = self.missing and len(self.missing) == self.starts and not self.samplings
        return self.shown(max(self.missing)) if is_known else None

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
        limit = "size" if self.has_ended and self.limit is None else self.limit
        lead = max(self.solvers, key=lambda each: each.bound, default=None)
        priced = lead.priced if lead is not None and not infeasible else None
        by_prices = max((each.priced.bound for each in self.solvers if each.priced is not None), default=math.inf)
        proof: Proof | None = None if told is None else "prices" if bound >= by_prices else "enumeration"
        if proof == "prices" and isinstance(self.question.objective, LogSum):
            proof = "tangents"
        networks = [self._network(each) for each in self.best_ones(self.top)]
        return Optimum(
            objective=self.config.objectives[0],
            maximise=self.maximise,
            best=networks[0] if networks else None,
            value=value,
            bound=None if infeasible else told,
            gap=gap,
            asked=self.gap,
            reason=reason,
            limit=limit if reason in ("feasible", "none found") else None,
            proof=None if infeasible else proof,
            prices=self._prices(priced.prices) if priced is not None else {},
            priced_bound=self.shown(by_prices) if complete and not infeasible else None,
            limits=dict(self.config.limits),
            grid=self._grid_lines(),
            others=tuple(networks[1:]),
            nodes=sum(each.evaluations for each in self.solvers),
            seconds=self.seconds,
            history=tuple(self.history),
            whole=self._whole(),
            complete_to=self._complete_to(),
            sampled="; ".join(dict.fromkeys(each.told() for each in self.samplings.values())) or None,
        )

    def _grid_lines(self) -> tuple[str, ...]:
        found = (grid_lines(each.graph, self.samplings.get(number)) for number, each in enumerate(self.solvers))
        return tuple(line for lines in found for line in lines)

    def certificates(self) -> tuple[Certificate, ...]:
        """What proves the bound of the prices, for each start structure; none where there are no prices, where the bound follows
        from several exact searches, or where not all widths of the space were looked at."""
        solvers = [each for each in self.solvers if isinstance(each, Solver) and each.priced is not None]
        if not solvers or len(solvers) < len(self.solvers) or self.samplings:
            return ()
        axis, best = self.question.axis, self.known.best
        return tuple(
            Certificate(
                self.config.to_json(),
                number,
                self._prices(each.priced.prices),
                float(each.priced.prices[1]),
                axis.name if axis is not None else None,
                each.proven_by_prices(),
                None if best is None else best.text,
                None if best is None else best.value,
            )
            for number, each in enumerate(solvers)
            if each.priced is not None
        )

    def _prices(self, prices: Any) -> dict[str, float]:
        return {cost.name: max(0.0, -float(each)) for cost, each in zip(self.question.costs, prices[2:], strict=True)}

    def best_ones(self, count: int) -> list[Found]:
        """The best networks that were met, best first."""
        return sorted(self.known.found.values(), key=lambda each: (-each.value, each.text))[:count]

    def _network(self, found: Found) -> Network:
        value = found.value if self.maximise else -found.value
        return Network(found.text, value, known_costs(found.costs), self._scores(found.text, value))

    def _scores(self, text: str, value: float) -> dict[str, float]:
        """The objective, and for the Zen-score its whole closed form."""
        scores = {self.name: value}
        if self.name == "zen_leading":
            from plainnet.proxies.closed.zen import zen_score

            shape = self.config.setting.shape
            scores["zen"] = zen_score(text, (shape.height, shape.width))
        return scores
