"""The race on a rung: candidates are measured until those that matter are told apart."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Sequence
from typing import NoReturn

from plainnet.errors import RunError
from plainnet.proxies.calibrated.names import short_name
from plainnet.search.candidates.measures import find_measurement, mean_and_error
from plainnet.search.executors import Team
from plainnet.search.settings.rungs import Rung
from plainnet.search.store import Candidate, Measure, RunStore

__all__ = ["Announce", "Race"]

SIGMAS = 2.0
"""Two candidates are told apart if their means are further apart than this many standard errors of the difference."""

Announce = Callable[[int, str, int, int], None]
"""(number of the rung, its proxy, candidates measured, candidates to measure)"""


class Race:
    """The candidates of a rung, measured until the best are told apart."""

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
        count = f"{len(self.failures):,} of {contenders:,} candidates"
        text = f"{short_name(self.rung.proxy)} failed for {count}; the first: {self.failures[0]}"
        self.store.note("failed", f"rung {self.number}: {text}")
        if len(self.failures) == contenders:
            self._give_up(f"rung {self.number} of the ladder: {text}")
        self.failures = []

    def _give_up(self, text: str) -> NoReturn:
        raise RunError(text)

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
        """(proxy, structure, seed, repeats)"""
        have = len(self.scores.get(candidate.hash, ()))
        return self.rung.proxy, candidate.structure, self._seed(candidate, have), target - have

    def _seed(self, candidate: Candidate, have: int) -> int:
        """The seed of a candidate's next values: it follows from the run's, the rung, and the number of values so far."""
        text = f"{self.store.config.seed} rung {self.number} {candidate.hash} from {have}"
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=6).digest(), "big")
