"""The ladder of fidelity: the best candidates of the search measured more and more dearly.

    rung 1: the best 1000 by the leading terms  ->  the whole closed form
    rung 2: the best few by that                ->  Monte-Carlo, twice each
            those that the best one cannot be told apart from  ->  4, 8, ... times
    (a latency budget: the first of these measured for real, those over it out; if all are, the fastest comes first)
    verdict: the finalists again, with fresh seeds; the best of them is the winner

The scores of a rung pick who is measured next and nothing else, so a lucky draw cannot win: it would have to be drawn
again under new seeds. A value depends on the run's seed, the rung, the structure and the number of the repeat alone.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Sequence

from plainnet.errors import RunError, UsageError
from plainnet.search.candidates.measures import find_measurement, mean_and_error
from plainnet.search.executors import Team
from plainnet.search.ladder.fronts import front_of
from plainnet.search.ladder.ranking import last_rung, unmet
from plainnet.search.ladder.rung_names import latency_rung, verdict_rung
from plainnet.search.settings.config import SearchConfig
from plainnet.search.settings.rungs import Rung
from plainnet.search.store import Candidate, Measure, RunStore

__all__ = ["check_ladder", "climb"]

FINALISTS = 2
"""So many candidates are measured again with fresh seeds at most."""
SIGMAS = 2.0
"""Two candidates are told apart if their means are further apart than this many standard errors of the difference."""

Announce = Callable[[int, str, int, int], None]
"""(number of the rung, its proxy, candidates measured, candidates to measure)"""


CHEAP = {"zen", "composite", "zen_mc", "latency_ms"}
"""Proxies that surely can be a rung: to look them up would import what is not needed yet."""
COUNTED = {"params", "macs", "depth"}
"""Proxies that every candidate has a count for."""


def check_ladder(config: SearchConfig) -> None:
    """`UsageError` for a rung that cannot be climbed; found before a search, not when its evolution is over."""
    for rung in config.ladder:
        if rung.proxy in COUNTED:
            raise UsageError(
                f"the rung {rung} measures what is counted for every candidate; accepted: a proxy such as zen, or --objective "
                f"{rung.proxy if rung.proxy != 'depth' else 'layers'}"
            )
        if rung.proxy not in CHEAP:
            find_measurement(rung.proxy)


def climb(store: RunStore, team: Team, announce: Announce) -> None:
    """Run the rungs of a finished search that are not done yet, and the verdict."""
    config = store.config
    entrants = _entrants(store)
    for number, rung in enumerate(config.ladder, 1):
        entrants = _Rung(store, team, number, rung, announce).run(entrants[: rung.keep])
    limit = config.limits.get("latency_ms")
    if limit is not None:
        entrants = _within_latency(store, team, entrants[: 4 * FINALISTS], limit, announce)
    if last_rung(config) == verdict_rung(config) and not unmet(store):
        last = config.ladder[-1]
        verdict = Rung(last.proxy, FINALISTS, 2 * last.max_repeats, 2 * last.max_repeats)
        _Rung(store, team, verdict_rung(config), verdict, announce).run(entrants[:FINALISTS])


def _within_latency(
    store: RunStore, team: Team, few: list[Candidate], limit: float, announce: Announce
) -> list[Candidate]:
    """Those of the first few whose measured latency is within the budget, in their order."""
    rung = _Rung(store, team, latency_rung(store.config), Rung("latency_ms", len(few), 3, 3), announce)
    rung.run(few)
    missed = unmet(store)
    if missed is not None:
        store.note("unmet", str(missed))
    return [each for each in few if mean_and_error(rung.scores[each.hash])[0] <= limit]


def _entrants(store: RunStore) -> list[Candidate]:
    """Who enters the first rung: the best by the first objective; with several, the whole front comes first."""
    best = store.best(max((rung.keep for rung in store.config.ladder), default=4 * FINALISTS))
    if len(store.columns) < 2:
        return best
    front = front_of(store)
    taken = {candidate.hash for candidate in front}
    return [*front, *(candidate for candidate in best if candidate.hash not in taken)]


class _Rung:
    def __init__(self, store: RunStore, team: Team, number: int, rung: Rung, announce: Announce) -> None:
        self.store, self.team, self.number, self.rung, self.announce = store, team, number, rung, announce
        self.measurement = find_measurement(rung.proxy)
        self.failures: list[str] = []
        self.scores = {measure.hash: list(measure.scores) for measure in store.measures() if measure.rung == number}

    def run(self, entrants: Sequence[Candidate]) -> list[Candidate]:
        """Measure the entrants; all of them, the best first (those that stayed in the race before the others)."""
        contenders, target = list(entrants), 1 if self.measurement.exact else self.rung.repeats
        order: list[Candidate] = []
        while True:
            self._measure(contenders, target)
            self._tell_failures(len(contenders))
            ranked = sorted(contenders, key=lambda each: self._key(each, target))
            racing = [each for each in ranked if not self._told_apart(ranked[0], each, target)]
            out = {each.hash for each in racing}
            order = [each for each in ranked if each.hash not in out] + order
            if self.measurement.exact or len(racing) < 2 or target >= self.rung.max_repeats:
                return racing + order
            contenders, target = racing, min(2 * target, self.rung.max_repeats)

    def _tell_failures(self, contenders: int) -> None:
        """Write down which candidates have no value; with none that has one, there is nothing to go on with."""
        if not self.failures:
            return
        text = f"{self.rung.proxy} failed for {len(self.failures):,} of {contenders:,} candidates; the first: {self.failures[0]}"
        self.store.note("failed", f"rung {self.number}: {text}")
        if len(self.failures) == contenders:
            raise RunError(f"rung {self.number} of the ladder: {text}")
        self.failures = []

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
            for number, measured in self.team.map("measure", jobs):
                candidate, job = some[number], jobs[number]
                scores = self.scores.setdefault(candidate.hash, [])
                scores.extend(measured.values)
                self.failures += [measured.failure] if measured.failure else []
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
