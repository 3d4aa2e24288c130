"""The ladder of fidelity: the best candidates of the search measured more and more dearly.

    rung 1: the best 1000 by the leading terms  ->  the whole closed form
    rung 2: the best few by that                ->  Monte-Carlo, twice each
            those that the best one cannot be told apart from  ->  4, 8, ... times
    (a latency budget: the first of these measured for real, those over it out)
    verdict: the finalists again, with fresh seeds; the best of them is the winner

The scores of a rung pick who is measured next and nothing else, so a lucky draw cannot win: it would have to be drawn
again under new seeds. A value depends on the run's seed, the rung, the structure and the number of the repeat alone.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from plainnet.search.config import SearchConfig
from plainnet.search.executors import Team
from plainnet.search.measures import find_measurement, mean_and_error
from plainnet.search.rungs import Rung
from plainnet.search.store import Candidate, Measure, RunStore

__all__ = ["Standing", "climb", "final_standings", "last_rung"]

FINALISTS = 2
"""So many candidates are measured again with fresh seeds at most."""
SIGMAS = 2.0
"""Two candidates are told apart if their means are further apart than this many standard errors of the difference."""

Announce = Callable[[int, str, int, int], None]
"""(number of the rung, its proxy, candidates measured, candidates to measure)"""


@dataclass(frozen=True)
class Standing:
    """Where a candidate stands on a rung."""

    candidate: Candidate
    mean: float
    stderr: float | None
    repeats: int


def climb(store: RunStore, team: Team, announce: Announce) -> None:
    """Run the rungs of a finished search that are not done yet, and the verdict."""
    entrants = _ranked(store)
    rungs = store.config.ladder
    for number, rung in enumerate(rungs, 1):
        entrants = _Rung(store, team, number, rung, announce).run(entrants[: rung.keep])
    limit = store.config.limits.get("latency_ms")
    if rungs and limit is not None:
        entrants = _within_latency(store, team, entrants, limit, announce)
    if last_rung(store.config) > len(rungs):
        last = rungs[-1]
        verdict = Rung(last.proxy, FINALISTS, 2 * last.max_repeats, 2 * last.max_repeats)
        _Rung(store, team, len(rungs) + 2, verdict, announce).run(entrants[:FINALISTS])


def last_rung(config: SearchConfig) -> int:
    """The number of the last rung that a search has: the verdict's, or that of an exact proxy, which needs none."""
    rungs = config.ladder
    if not rungs:
        return 0
    needs_verdict = "latency_ms" in config.limits or not find_measurement(rungs[-1].proxy).exact
    return len(rungs) + 2 if needs_verdict else len(rungs)


def _within_latency(
    store: RunStore, team: Team, entrants: list[Candidate], limit: float, announce: Announce
) -> list[Candidate]:
    """Those of the first few whose measured latency is within the budget, in their order; all, and a note, if none is."""
    number = len(store.config.ladder) + 1
    few = entrants[: 4 * FINALISTS]
    rung = _Rung(store, team, number, Rung("latency_ms", len(few), 3, 3), announce)
    rung.run(few)
    within = [each for each in few if mean_and_error(rung.scores[each.hash])[0] <= limit]
    if not within:
        fastest = min(mean_and_error(rung.scores[each.hash])[0] for each in few)
        store.note("latency", f"no finalist runs within {limit:g} ms; the fastest of them takes {fastest:.3f} ms")
    return within or few


def _ranked(store: RunStore) -> list[Candidate]:
    """Who enters the first rung: the best by the first objective; with several, the whole front comes first."""
    most = max((rung.keep for rung in store.config.ladder), default=0)
    best = store.best(most)
    if len(store.columns) < 2:
        return best
    from plainnet.search.fronts import front_of

    front = front_of(store)
    taken = {candidate.hash for candidate in front}
    return [*front, *(candidate for candidate in best if candidate.hash not in taken)]


class _Rung:
    def __init__(self, store: RunStore, team: Team, number: int, rung: Rung, announce: Announce) -> None:
        self.store, self.team, self.number, self.rung, self.announce = store, team, number, rung, announce
        self.measurement = find_measurement(rung.proxy)
        self.scores = {measure.hash: list(measure.scores) for measure in store.measures() if measure.rung == number}

    def run(self, entrants: Sequence[Candidate]) -> list[Candidate]:
        """Measure the entrants; all of them, the best first (those that stayed in the race before the others)."""
        contenders, target = list(entrants), 1 if self.measurement.exact else self.rung.repeats
        order: list[Candidate] = []
        while True:
            self._measure(contenders, target)
            ranked = sorted(contenders, key=lambda each: self._key(each, target))
            racing = [each for each in ranked if not self._told_apart(ranked[0], each, target)]
            out = {each.hash for each in racing}
            order = [each for each in ranked if each.hash not in out] + order
            if self.measurement.exact or len(racing) < 2 or target >= self.rung.max_repeats:
                return racing + order
            contenders, target = racing, min(2 * target, self.rung.max_repeats)

    def _key(self, candidate: Candidate, target: int) -> tuple[bool, float, int]:
        mean, _ = mean_and_error(self.scores[candidate.hash][:target])
        bad = math.isnan(mean)
        return bad, 0.0 if bad else -mean if self.measurement.higher_is_better else mean, candidate.id

    def _told_apart(self, best: Candidate, other: Candidate, target: int) -> bool:
        if self.measurement.exact:
            return False
        first, first_error = mean_and_error(self.scores[best.hash][:target])
        second, second_error = mean_and_error(self.scores[other.hash][:target])
        if first_error is None or second_error is None:
            return False
        return not abs(first - second) <= SIGMAS * math.hypot(first_error, second_error)

    def _measure(self, candidates: Sequence[Candidate], target: int) -> None:
        """Bring the candidates to `target` values each, written down after every few."""
        missing = [each for each in candidates if len(self.scores.get(each.hash, ())) < target]
        chunk = 64 if self.measurement.exact else 8
        for first in range(0, len(missing), chunk):
            some, began = missing[first : first + chunk], time.perf_counter()
            jobs = [self._job(candidate, target) for candidate in some]
            found = []
            for number, values in self.team.map("measure", jobs):
                candidate, job = some[number], jobs[number]
                scores = self.scores.setdefault(candidate.hash, [])
                scores.extend(values)
                mean, error = mean_and_error(scores)
                repeats = len(scores)
                found.append(
                    Measure(self.number, self.rung.proxy, candidate.hash, repeats, mean, error, job[2], tuple(scores))
                )
            self.store.add_measures(found, seconds=time.perf_counter() - began)
            self.announce(self.number, self.rung.proxy, first + len(some), len(missing))

    def _job(self, candidate: Candidate, target: int) -> tuple[str, str, int, int]:
        """(proxy, structure, seed, repeats): the seed follows from the run's, the rung, and the values so far."""
        have = len(self.scores.get(candidate.hash, ()))
        text = f"{self.store.config.seed} rung {self.number} {candidate.hash} from {have}"
        seed = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=6).digest(), "big")
        return self.rung.proxy, candidate.structure, seed, target - have


def final_standings(store: RunStore) -> list[Standing]:
    """The candidates of the last rung that was reached, the best first; without a ladder, the best by the objective."""
    measures = [each for each in store.measures() if each.rung != len(store.config.ladder) + 1]
    if not measures:
        column = store.columns[0]
        return [Standing(each, each.scores[column] or math.nan, None, 1) for each in store.best(FINALISTS)]
    last = max(measure.rung for measure in measures)
    sign = -1 if find_measurement(next(each.proxy for each in measures if each.rung == last)).higher_is_better else 1
    found = [each for each in measures if each.rung == last and each.mean is not None]
    candidates = store.by_hash([each.hash for each in found])
    most = max((each.repeats for each in found), default=0)
    found.sort(key=lambda each: (each.repeats < most, sign * (each.mean or 0.0), candidates[each.hash].id))
    return [Standing(candidates[each.hash], each.mean or 0.0, each.stderr, each.repeats) for each in found]
