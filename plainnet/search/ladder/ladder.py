"""The ladder of fidelity: the best candidates of the search measured more and more dearly.

    rung 1: the best 1000 by the leading terms  ->  the whole closed form
    rung 2: the best few by that                ->  Monte-Carlo, twice each
            those that the best one cannot be told apart from  ->  4, 8, ... times
    a rung that trains: the best few, each in a folder of the run (`plainnet.search.ladder.train_rung`)
    (a latency budget: the first of these measured for real, those over it out; if all are, the fastest comes first)
    verdict: the finalists again, with fresh seeds; the best of them is the winner

The scores of a rung pick who is measured next and nothing else, so a lucky draw cannot win: it would have to be drawn
again under new seeds (a training is too dear for that: its rung decides). A value depends on the run's seed, the rung, the
structure and the number of the repeat alone.
"""

from __future__ import annotations

from plainnet.errors import UsageError
from plainnet.search.candidates.measures import find_measurement, mean_and_error
from plainnet.search.candidates.training_names import is_training
from plainnet.search.executors import Team
from plainnet.search.ladder.fronts import front_of
from plainnet.search.ladder.race import Announce, Race
from plainnet.search.ladder.ranking import CLIMBED, is_climbed, last_rung, unmet
from plainnet.search.ladder.rung_names import latency_rung, verdict_rung
from plainnet.search.ladder.train_rung import TrainRace, train_in_rounds
from plainnet.search.settings.config import SearchConfig
from plainnet.search.settings.rungs import Rung
from plainnet.search.store import Candidate, RunStore

__all__ = ["check_ladder", "climb"]

FINALISTS = 2
"""So many candidates are measured again with fresh seeds at most."""
CHEAP = {"zen", "composite", "zen_mc", "latency_ms"}
"""Proxies that surely can be a rung: to look them up would import what is not needed yet."""
COUNTED = {"params", "macs", "depth"}
"""Proxies that every candidate has a count for."""


def check_ladder(config: SearchConfig) -> None:
    """`UsageError` for a rung that cannot be climbed; found before a search, not when its evolution is over."""
    trains = False
    for rung in config.ladder:
        if trains and not is_training(rung.proxy):
            raise UsageError(f"the rung {rung} comes after one that trains; accepted there: train@N:KEEP, for longer")
        trains = trains or is_training(rung.proxy)
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
        if is_training(rung.proxy):
            race = TrainRace(store, team, number, rung, announce)
            entrants = train_in_rounds(race, entrants) if config.train_rounds else race.run(entrants[: rung.keep])
        else:
            entrants = Race(store, team, number, rung, announce).run(entrants[: rung.keep])
    limit = config.limits.get("latency_ms")
    if limit is not None:
        entrants = _within_latency(store, team, entrants[: 4 * FINALISTS], limit, announce)
    if last_rung(config) == verdict_rung(config) and not unmet(store):
        last = config.ladder[-1]
        verdict = Rung(last.proxy, FINALISTS, 2 * last.max_repeats, 2 * last.max_repeats)
        Race(store, team, verdict_rung(config), verdict, announce).run(entrants[:FINALISTS])
    if config.trains and not is_climbed(store):
        store.note(CLIMBED, "the ladder was climbed to its end")


def _within_latency(
    store: RunStore, team: Team, few: list[Candidate], limit: float, announce: Announce
) -> list[Candidate]:
    """Those of the first few whose measured latency is within the budget, in their order."""
    rung = Race(store, team, latency_rung(store.config), Rung("latency_ms", len(few), 3, 3), announce)
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
