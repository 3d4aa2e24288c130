"""A rung that trains: each candidate in a folder of the run, by the plan of the search.

A training depends on the run's seed, the rung, the structure and the number of the seed alone, and is resumed to the last
bit, so that a search that was killed while it trains ends with the table that it would have had. Each is written down when
it is over. Successive halving is several such rungs, each of which trains from the beginning: a schedule that was stretched
afterwards would be another one.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, NoReturn

from plainnet.blocks.structure import parse
from plainnet.errors import UsageError
from plainnet.search.candidates.measures import mean_and_error
from plainnet.search.candidates.training_names import is_training, training_length
from plainnet.search.ladder.race import Race
from plainnet.search.settings.config import SearchConfig
from plainnet.search.settings.rungs import Rung
from plainnet.search.settings.trainer import TrainedNumbers, Trainer, TrainingStopped
from plainnet.search.space.mutators import start_structures
from plainnet.search.store import Candidate, Measure, RunStore

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["TrainRace", "check_training", "train_in_rounds", "training_folder"]

FOLDER = "trainings"
POOL = 2_000
"""Of so many candidates are those picked that are trained in rounds: the best of them, and as many others by lot."""
FEWEST = 4
"""So many trainings have to be over before the next are picked by what they say."""


def training_folder(store: RunStore, number: int, rung: Rung, candidate: Candidate, repeat: int) -> Path:
    """Where a candidate of a rung is trained, with the seed of a number."""
    assert store.path is not None, "a search that trains is kept in a folder"
    return store.path.parent / FOLDER / f"{number}-{rung.proxy.replace('@', '-')}" / f"{candidate.short_hash}-{repeat}"


def check_training(config: SearchConfig, trainer: Trainer | None, folder: Path | None) -> None:
    """`UsageError` for a ladder that trains and cannot: found before a search, not when its evolution is over."""
    rungs = [rung for rung in config.ladder if is_training(rung.proxy)]
    if not rungs:
        if config.train_rounds or config.training:
            raise UsageError("there is a plan for trainings, and no rung that trains; accepted: --ladder ...,train:8")
        return
    if config.train_rounds and len(rungs) > 1:
        raise UsageError(f"training in rounds is for one rung, and {len(rungs)} rungs train")
    if config.train_rounds and rungs[0].keep < config.train_rounds:
        raise UsageError(f"{rungs[0].keep} trainings are fewer than {config.train_rounds} rounds")
    if not config.training:
        raise UsageError(
            f"the rung {rungs[0]} trains, and nothing says how; accepted: --train-config with a file or a recipe such as quick"
        )
    if trainer is None:
        raise UsageError("the ladder trains; give search(..., trainer=plainnet.engine.CandidateTrainer())")
    if folder is None:
        raise UsageError("a search that trains keeps its trainings; give it a folder")
    trainer.check(
        config.training,
        structure=str(start_structures(config.space)[0]),
        input_shape=(config.in_channels, config.resolution, config.resolution),
        num_classes=config.num_classes,
        use_se=config.use_se,
        lengths=[training_length(rung.proxy) for rung in rungs],
    )


class TrainRace(Race):
    """The candidates of a rung, trained; with several seeds until the best are told apart."""

    def _measure(self, candidates: Sequence[Candidate], target: int) -> None:
        missing = [
            (candidate, repeat)
            for repeat in range(target)
            for candidate in candidates
            if repeat >= len(self.scores.get(candidate.hash, ()))
        ]
        length, began = training_length(self.rung.proxy), time.perf_counter()
        jobs = [
            (
                candidate.structure,
                str(training_folder(self.store, self.number, self.rung, candidate, repeat)),
                self._seed(candidate, repeat),
                length,
            )
            for candidate, repeat in missing
        ]
        if jobs:
            self.announce(self.number, self.rung.proxy, 0, len(jobs))
        for number, trained in self.team.map("train", jobs):
            if trained.stopped_by:
                raise TrainingStopped(trained.stopped_by)
            self._keep(missing[number][0], jobs[number][2], trained, seconds=time.perf_counter() - began)
            began = time.perf_counter()
            self.announce(self.number, self.rung.proxy, number + 1, len(jobs))

    def _keep(self, candidate: Candidate, seed: int, trained: TrainedNumbers, *, seconds: float) -> None:
        """Write down what a training gave."""
        scores = self.scores.setdefault(candidate.hash, [])
        scores.append(math.nan if trained.value is None else trained.value)
        if trained.failure:
            self.failures.append(f"{trained.failure}, for {candidate.structure}")
        mean, error = mean_and_error(scores)
        measure = Measure(self.number, self.rung.proxy, candidate.hash, len(scores), mean, error, seed, tuple(scores))
        self.store.add_measures([measure], seconds=seconds)

    def _give_up(self, text: str) -> NoReturn:
        self.store.forget_measures(self.number)  # what is wrong with all may be mended outside, and is tried again
        super()._give_up(text)


def train_in_rounds(race: TrainRace, entrants: list[Candidate]) -> list[Candidate]:
    """Train as many candidates as the rung keeps, in rounds: the first are spread over the features of the pool, the next
    are those of which the trainings before promise most (expected accuracy + its deviation). The best trained come first.

    The picks follow from the configuration and from what was measured, so that a run that is taken up picks the same.
    """
    store, config = race.store, race.store.config
    pool = _pool(store, race.number, entrants)
    features = _features(config, pool)
    trained: list[int] = []
    budget = min(race.rung.keep, len(pool))
    for turn in range(config.train_rounds):
        count = budget * (turn + 1) // config.train_rounds - len(trained)
        picks, how = _picks(race, pool, features, trained, count)
        if not all(race.scores.get(pool[pick].hash) for pick in picks):
            store.note("round", f"round {turn + 1} of {config.train_rounds}: {len(picks)} candidates, {how}")
        race.run([pool[pick] for pick in picks])
        trained += picks
    return race.run([pool[pick] for pick in trained])


def _pool(store: RunStore, number: int, entrants: list[Candidate]) -> list[Candidate]:
    """The candidates to pick from: who came from the rung before, or the best of all and as many by lot."""
    if number > 1:
        return entrants
    best = store.best(POOL // 2)
    taken = {candidate.hash for candidate in best}
    others = [row[0] for row in store.query(f"SELECT id FROM candidates WHERE {store.within} ORDER BY id")]
    drawn = Random(store.config.seed).sample(others, min(POOL, len(others)))
    ids = ",".join(str(int(each)) for each in drawn)
    rest = [each for each in store.select(f"WHERE id IN ({ids}) ORDER BY id") if each.hash not in taken]
    return [*best, *rest][:POOL]


def _features(config: SearchConfig, pool: Sequence[Candidate]) -> NDArray[Any]:
    """The features of the pool, standardised by it."""
    import numpy as np

    from plainnet.proxies.calibrated.features import network_features

    shape = config.setting.shape
    rows = [
        list(network_features(parse(each.structure), (shape.height, shape.width), variant=config.setting.variant))
        for each in pool
    ]
    return np.array(rows, dtype=np.float64)


def _picks(
    race: TrainRace, pool: Sequence[Candidate], features: NDArray[Any], trained: list[int], count: int
) -> tuple[list[int], str]:
    """Whom to train next, and why these."""
    import numpy as np

    from plainnet.proxies.calibrated.model import GaussianModel

    means = {pick: mean_and_error(race.scores[pool[pick].hash])[0] for pick in trained}
    known = [pick for pick in trained if not math.isnan(means[pick])]
    if len(known) >= FEWEST:
        try:
            model = GaussianModel(features[known], np.array([means[pick] for pick in known]))
        except UsageError as error:
            return _spread(features, trained, count), f"spread over the features: {error}"
        found = model.predict(features)
        promise = found.mean + found.deviation
        promise[trained] = -math.inf
        best = np.argsort(-promise, kind="stable")[:count]
        return [int(pick) for pick in best], "those that promise most"
    return _spread(features, trained, count), "spread over the features"


def _spread(features: NDArray[Any], taken: Sequence[int], count: int) -> list[int]:
    """Candidates far from each other and from those that are taken: each is the one furthest from all before; the first, the
    one nearest to the middle.
    """
    import numpy as np

    scale = features.std(axis=0)
    x = np.clip((features - features.mean(axis=0)) / np.where(scale > 0, scale, 1.0), -4, 4)
    picks = list(taken)
    if not picks and count:
        picks.append(int(np.argmin((x * x).sum(axis=1))))
    distance = np.full(len(x), math.inf)
    for pick in picks:
        distance = np.minimum(distance, ((x - x[pick]) ** 2).sum(axis=1))
    while len(picks) < len(taken) + count:
        distance[picks] = -1.0
        picks.append(int(np.argmax(distance)))
        distance = np.minimum(distance, ((x - x[picks[-1]]) ** 2).sum(axis=1))
    return picks[len(taken) :]
