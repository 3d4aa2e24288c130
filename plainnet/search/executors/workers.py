"""A worker: some of a run's islands, and everything that one process knows about genes.

It answers with plain data only, so that it may live in this process, in another, or on another machine.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any, NamedTuple

from plainnet.errors import PlainnetError
from plainnet.search.candidates.budgets import Budgets
from plainnet.search.candidates.evaluation import Counter
from plainnet.search.candidates.faults import FAULTS, Watchdog, is_refusal, kind_of_fault
from plainnet.search.candidates.genes import GenePool
from plainnet.search.candidates.measures import find_measurement, one_torch_thread
from plainnet.search.candidates.objectives import find_objective
from plainnet.search.evolution.islands import Island, IslandReport, Surroundings, island_random
from plainnet.search.settings.config import SearchConfig
from plainnet.search.settings.trainer import TrainedNumbers, Trainer
from plainnet.search.space.feasible import feasible_starts
from plainnet.search.space.mutators import find_mutator
from plainnet.search.store import DamagedPartError
from plainnet.search.strategies import find_strategy

__all__ = ["EpochRequest", "Measured", "Worker"]


class EpochRequest(NamedTuple):
    """What a worker is asked to do: one epoch of some islands."""

    epoch: int
    shares: Mapping[int, int]
    """island -> how many children it proposes"""
    arrivals: Mapping[int, list[Any]]
    """island -> what its neighbour sent after the last epoch"""
    news: bytes
    """the hashes that others evaluated in the last epoch, 8 bytes each"""


class Measured(NamedTuple):
    """Values of a proxy, NaN where it gave none, and what went wrong then."""

    values: list[float]
    failure: str = ""


class Worker:
    """The islands of one process."""

    def __init__(self, config: SearchConfig, trainer: Trainer | None = None) -> None:
        from plainnet.blocks.user import load_blocks

        for path in config.blocks:
            load_blocks(path)
        self.config, self._trainer = config, trainer
        setting = config.setting
        pool = GenePool()
        mutator = find_mutator(config.space, pool, setting.shape)
        with _of_file("where the search starts"):
            self._firsts = tuple(
                tuple(mutator.read_gene(rule, text) for rule, text in source) for source in config.starts
            )
        mutator.starts = self._firsts or mutator.starts
        budgets = Budgets(config.limits)
        counter = Counter(setting, asked=config.asked, latency=config.latency_costs)
        objectives = tuple(find_objective(name, setting, seed=config.seed) for name in config.objectives)
        starts = feasible_starts(mutator, counter, budgets, seed=config.seed)
        self.shrunk = "" if set(starts) <= set(mutator.starts) else "".join(gene.source for gene in starts[0])
        """what the search starts from where all start structures are over the budgets"""
        mutator.starts = starts
        self._surroundings = Surroundings(pool, mutator, counter, budgets, objectives, config.repairs, config.timeout)
        self._known: set[int] = set()
        self._islands: dict[int, Island] = {}

    @property
    def objective_names(self) -> tuple[str, ...]:
        """What the objectives are called."""
        return tuple(objective.name for objective in self._surroundings.objectives)

    def check_objectives(self) -> None:
        """`UsageError` for an objective whose options no start of the space has a value under."""
        for objective in self._surroundings.objectives:
            check = getattr(objective.scorer, "check", None)
            if check is not None:
                check(self._surroundings.mutator.starts)

    @property
    def directions(self) -> tuple[bool, ...]:
        """Whether each objective is made large."""
        return tuple(objective.maximise for objective in self._surroundings.objectives)

    def settle(self, islands: Mapping[int, dict[str, Any] | None], known: bytes) -> None:
        """Take over islands, each with its state or None for a new one, and the hashes evaluated in all epochs so far."""
        self._known = set(array("q", known))
        self._islands = {}
        for number, state in islands.items():
            self._islands[number] = self._new_island(number)
            if state is not None:
                with _of_file(f"the state of island {number}"):
                    self._islands[number].restore(state)

    def _new_island(self, number: int) -> Island:
        strategy = find_strategy(self.config.strategy)(
            self._surroundings.mutator,
            population=self.config.population,
            random=island_random(self.config.seed, number),
            crossover=self.config.crossover,
        )
        return Island(strategy, self._surroundings, self._firsts[number :: self.config.islands])

    def refit(self, state: dict[str, Any], number: int, *, reseed: bool, budgets: bool) -> dict[str, Any]:
        """The state of an island that came from another configuration: with the generator of this one's seed, without
        the members that are over this one's budgets.
        """
        old = self._new_island(number)
        generator = old.strategy.generator.getstate()
        with _of_file(f"the state of island {number}"):
            old.restore(state)
        if reseed:
            old.strategy.generator.setstate(generator)
        if not budgets:
            return old.state()
        new = self._new_island(number)
        for member in old.strategy.members():
            if new.affords(member.genes):
                new.strategy.tell(member)
        new.strategy.generator.setstate(old.strategy.generator.getstate())
        return new.state()

    def run(self, request: EpochRequest) -> dict[int, IslandReport]:
        """Run one epoch of islands. What one of them evaluates, the others learn after the epoch: the result does not
        depend on which islands share a worker.
        """
        self._known.update(array("q", request.news))
        reports, learned = {}, []
        moves = self.config.migrates_after(request.epoch)
        for number, proposals in request.shares.items():
            island, fresh = self._islands[number], set[int]()
            with _of_file(f"what came to island {number}"):
                island.welcome(request.arrivals.get(number, []))
            rows, tally, failures = island.run(proposals, self._known, fresh)
            emigrants = island.emigrants(self.config.migrants) if moves else []
            reports[number] = IslandReport(rows, dict(tally), island.state(), emigrants, failures)
            learned.append(fresh)
        for fresh in learned:
            self._known.update(fresh)
        return reports

    def train(self, structure: str, folder: str, seed: int, length: int | None) -> TrainedNumbers:
        """Train a structure in a folder, in one thread of torch. Its time is not limited: only scores are."""
        assert self._trainer is not None, "a ladder that trains is given a trainer"
        with one_torch_thread():
            found = self._trainer.train(
                self.config.training,
                structure=structure,
                use_se=self.config.use_se,
                folder=folder,
                seed=seed,
                length=length,
                blocks=self.config.blocks,
            )
        return TrainedNumbers(found.value, found.seconds, found.stopped_by, found.failure)

    def measure(self, proxy: str, structure: str, seed: int, repeats: int) -> Measured:
        """Values of a dearer proxy for a structure, in one thread of torch so that they are the same everywhere."""
        measurement = find_measurement(proxy)
        try:
            with nullcontext() if measurement.exact else one_torch_thread(), Watchdog(self.config.timeout) as watchdog:
                watchdog.start()
                values = measurement.measure(structure, self.config.setting, seed=seed, repeats=repeats)
        except FAULTS as error:
            if isinstance(error, PlainnetError) and not is_refusal(error):
                raise
            return Measured([math.nan] * repeats, f"{kind_of_fault(error)}: {error}, for {structure}")
        bad = next((value for value in values if not math.isfinite(value)), None)
        if bad is None:
            return Measured(values)
        return Measured([each if math.isfinite(each) else math.nan for each in values], f"{bad} for {structure}")


@contextmanager
def _of_file(what: str) -> Iterator[None]:
    """What is taken up inside comes from a run's file; `DamagedPartError` if it is not what was written there."""
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise DamagedPartError(f"{what}: {type(error).__name__}: {error}") from None
