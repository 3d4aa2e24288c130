"""What "best" means, for every command: the order of a run's candidates.

    the verdict's finalists, by its values          (measured again under fresh seeds)
    then who came to the last rung, by its values; then the rung before; ...
    then all others, by the objective               (with several: the front first)

Only candidates within the run's budgets have a place. A candidate that was measured to be over a latency budget has none
either, unless every one that was measured is over it: then the fastest comes first, and `unmet` says so.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from operator import itemgetter

from plainnet.search.candidates.measures import find_measurement
from plainnet.search.candidates.training_names import is_training, training_length
from plainnet.search.ladder.fronts import front_of
from plainnet.search.ladder.rung_names import kept_measurement, latency_rung, score_name, verdict_rung
from plainnet.search.settings.config import SearchConfig
from plainnet.search.settings.rungs import Rung
from plainnet.search.store import COST_PREFIX, Candidate, Measure, RunStore

CLIMBED = "climbed"
"""The kind of the event at the end of a ladder that trains."""

__all__ = ["CLIMBED", "Standing", "Unmet", "explanations", "is_climbed", "last_rung", "ranking", "scores_of", "unmet"]


Place = tuple[bool, float]
"""Whether a candidate did not go on, and its value, less being better."""


@dataclass(frozen=True)
class Standing:
    """Where a candidate stands: the score that decides about its place, the rung that gave it (0: the objective)."""

    candidate: Candidate
    rung: int
    score_name: str
    mean: float
    stderr: float | None = None
    repeats: int = 1


@dataclass(frozen=True)
class Unmet:
    """A budget that no finalist meets: the lowest that was measured, in the budget's unit, and the limit."""

    budget: str
    lowest: float
    limit: float

    def __str__(self) -> str:
        return (
            f"no finalist runs within {self.limit:g} ms: the fastest of them takes {self.lowest:.3f} ms "
            f"({self.lowest / self.limit:.0%} of the budget)"
        )


def last_rung(config: SearchConfig) -> int:
    """The number of the last rung that a search has: the verdict's, that of measured latencies, or that of an exact proxy or
    a training, which need no verdict; 0 for none.
    """
    rungs = config.ladder
    if rungs and not find_measurement(rungs[-1].proxy).decides:
        return verdict_rung(config)
    return latency_rung(config) if "latency_ms" in config.limits else len(rungs)


def is_climbed(store: RunStore) -> bool:
    """Whether the ladder has been climbed to its end. Where a latency budget is not met there is no verdict. A ladder that
    trains takes hours, and its end is noted.
    """
    if store.config.trains:
        return any(kind == CLIMBED for _, kind, _, _ in store.events())
    reached = max((measure.rung for measure in store.measures()), default=0)
    return reached >= (latency_rung(store.config) if unmet(store) else last_rung(store.config))


def unmet(store: RunStore) -> Unmet | None:
    """The latency budget, if finalists were measured and none is within it."""
    limit, number = store.config.limits.get("latency_ms"), latency_rung(store.config)
    if limit is None:
        return None
    means = [each.mean for each in store.measures() if each.rung == number and each.mean is not None]
    if not means or min(means) <= limit:
        return None
    return Unmet("latency_ms", min(means), limit)


def ranking(store: RunStore, count: int) -> list[Standing]:
    """The best candidates of a run, the best first."""
    found: dict[int, Standing] = {}
    out = _over_latency(store)
    for standing in _climbed(store):
        if standing.candidate.hash not in out:
            found.setdefault(standing.candidate.hash, standing)
        if len(found) >= count:
            break
    if len(found) < count:
        column, several = store.columns[0], len(store.columns) > 1
        front = front_of(store) if several else []
        for candidate in [*front, *store.best(count + len(out))]:
            if candidate.hash not in out:
                score = candidate.scores[column]
                found.setdefault(candidate.hash, Standing(candidate, 0, column, math.nan if score is None else score))
    return list(found.values())[:count]


def said_of_training(config: SearchConfig, rung: Rung, number: int) -> str:
    """What a rung that trains is."""
    length = training_length(rung.proxy)
    picked = (
        f"{rung.keep:,} picked in {config.train_rounds} rounds" if config.train_rounds else f"the best {rung.keep:,}"
    )
    seeds = "" if rung.max_repeats == 1 else f", {rung.repeats} to {rung.max_repeats} seeds each"
    unit = "iterations" if config.training.get("train", {}).get("by") == "iteration" else "epochs"
    return f"rung {number}: {picked} trained" + (f" for {length:,} {unit}" if length else "") + seeds


def _over_latency(store: RunStore) -> set[int]:
    """The candidates that were measured to be over a latency budget which others meet."""
    limit, number = store.config.limits.get("latency_ms"), latency_rung(store.config)
    if limit is None or unmet(store):
        return set()
    return {each.hash for each in store.measures() if each.rung == number and (each.mean is None or each.mean > limit)}


def _climbed(store: RunStore) -> Iterator[Standing]:
    """Everybody who was measured, the highest rung first, and on each the best first."""
    by_rung: dict[int, list[Measure]] = {}
    for measure in store.measures():
        by_rung.setdefault(measure.rung, []).append(measure)
    timed, missed = latency_rung(store.config), unmet(store) is not None
    rungs = sorted(by_rung, reverse=True)
    if missed:
        rungs = [timed, *(number for number in rungs if number < timed)]
    for number in rungs:
        if number == timed and not missed:
            continue  # who is within the budget keeps the place that the rung below gave
        measures = [each for each in by_rung[number] if each.mean is not None]
        if not measures:
            continue
        measurement = kept_measurement(store, measures[0].proxy)
        sign = -1 if measurement.higher_is_better else 1
        most = max(each.repeats for each in measures)
        # who has fewer values was told apart from the best, and did not go on
        placed = [((each.repeats < most, sign * (each.mean or 0.0)), each) for each in measures]
        for candidate, each in _present(store, placed):
            name = score_name(each.proxy, store.columns)
            assert each.mean is not None
            yield Standing(candidate, number, name, each.mean, each.stderr, each.repeats)


def _present(store: RunStore, placed: list[tuple[Place, Measure]]) -> Iterator[tuple[Candidate, Measure]]:
    """The candidates that were measured and are within the budgets, by their places, the earlier of equals first. They are
    looked up as far as somebody asks: after every few measurements somebody asks for the first.
    """
    placed.sort(key=itemgetter(0))
    first, size = 0, 8
    while first < len(placed):
        last = min(first + size, len(placed))
        while last < len(placed) and placed[last][0] == placed[last - 1][0]:
            last += 1
        some = placed[first:last]
        candidates = store.by_hash([each.hash for _, each in some])
        here = [(place, candidates[each.hash].id, each) for place, each in some if each.hash in candidates]
        for _, _, each in sorted(here, key=itemgetter(0, 1)):
            yield candidates[each.hash], each
        first, size = last, 8 * size


def scores_of(store: RunStore, candidates: list[Candidate]) -> list[dict[str, float]]:
    """Objectives and ladder of candidates by name, the last rung that measured a proxy giving its value. A cost that is an
    objective stands among the costs.
    """
    found: list[dict[str, float]] = []
    by_hash: dict[int, list[Measure]] = {}
    for measure in store.measures():
        by_hash.setdefault(measure.hash, []).append(measure)
    for candidate in candidates:
        scores = {
            name: value
            for name, value in candidate.scores.items()
            if value is not None and not _is_cost(name, candidate)
        }
        for measure in by_hash.get(candidate.hash, ()):
            if measure.mean is not None:
                scores[score_name(measure.proxy, store.columns)] = measure.mean
        found.append(scores)
    return found


def _is_cost(column: str, candidate: Candidate) -> bool:
    return column.startswith(COST_PREFIX) and column.removeprefix(COST_PREFIX) in candidate.costs


def explanations(store: RunStore) -> dict[str, str]:
    """What each score of a run is: who was asked, and which one decides."""
    config = store.config
    said = {}
    for name in store.columns:
        what = "leading terms of the closed-form Zen-score, " if name == "zen_leading" else ""
        said[name] = f"{what}asked of every candidate"
    last = last_rung(config)
    for number, rung in enumerate(config.ladder, 1):
        exact = find_measurement(rung.proxy).exact
        times = f"{rung.repeats}" if rung.repeats == rung.max_repeats else f"{rung.repeats} to {rung.max_repeats}"
        often = "" if exact or times == "1" else f", {times} times each"
        said[score_name(rung.proxy, store.columns)] = (
            said_of_training(config, rung, number)
            if is_training(rung.proxy)
            else f"rung {number}: the best {rung.keep:,} measured{often}"
        )
    if "latency_ms" in config.limits:
        said[score_name("latency_ms", store.columns)] = (
            "finalists, measured in one thread of this machine (CPU time, the least of eight passes)"
        )
    if last == verdict_rung(config):
        name = score_name(config.ladder[-1].proxy, store.columns)
        said[name] += "; for the finalists the verdict: measured again with fresh seeds"
    return said
