"""What a search over settings has tried, as a result, and read from its folder again, without torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from os.path import isdir
from pathlib import Path
from shlex import quote
from typing import Any

from plainnet.engine.tuning.tuning_folder import ASKED, BEST, Asked, Trial, read_asked, read_trials
from plainnet.engine.tuning.varied_keys import Value
from plainnet.errors import PlainnetError
from plainnet.files.text_files import printable
from plainnet.results.result import Result, View
from plainnet.results.tables import Table

__all__ = ["Tuning", "best_of", "find_tunings", "read_tuning", "said_values", "tuning_of"]


@dataclass(frozen=True)
class Tuning(Result):
    """What was tried: trials in their order, each with its values and the best validation of its training (None where it
    diverged, or is not over). metric: a validation metric. best: the number of the best trial, None before one is over.
    """

    folder: str
    metric: str
    is_small: bool
    vary: tuple[str, ...]
    trials: tuple[Trial, ...]
    best: int | None
    asked: int
    stopped_by: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        said = {**vars(self), "vary": list(self.vary), "trials": [asdict(trial) for trial in self.trials]}
        return {"schema": "plainnet.tuning/1", **said}

    def records(self) -> list[Mapping[str, Any]]:
        """A record for each trial: its number, the values, the metric, the round of it."""
        return [{"trial": t.number, **t.values, self.metric: t.value, "round": t.round} for t in self.trials]

    def view(self) -> View:
        """The trials, the best first, and how to train the best."""
        worst = float("inf")
        order = sorted(self.trials, key=lambda t: (worst if t.value is None else self._sign * t.value, t.number))
        rows = [[str(t.number), *map(_shown, t.values.values()), _outcome(t), str(t.round or "")] for t in order]
        keys = list(self.trials[0].values) if self.trials else []
        after = []
        if self.best is not None:
            after = [
                ("best", f"trial {self.best}: {said_values(self.trials[self.best].values)}"),
                ("train it", f"plainnet train {quote(str(Path(self.folder) / BEST))}"),
            ]
        if self.state != "finished":
            after.append(("go on", f"plainnet tune {quote(self.folder)}"))
        return View([], [Table(["trial", *map(printable, keys), self.metric, "round"], rows)] if rows else [], after)

    @property
    def state(self) -> str:
        """finished, or unfinished (stopped, or still running)."""
        return "finished" if sum(trial.is_over for trial in self.trials) >= self.asked else "unfinished"

    @property
    def _sign(self) -> int:
        return 1 if self.is_small else -1


def _shown(value: Value) -> str:
    return f"{value:.4g}" if isinstance(value, float) else printable(str(value))


def _outcome(trial: Trial) -> str:
    return f"{trial.value:.4f}" if trial.value is not None else "diverged" if trial.is_over else "not over"


def said_values(values: Mapping[str, Value]) -> str:
    """The values as one reads them."""
    return ", ".join(f"{key}={_shown(value)}" for key, value in values.items())


def best_of(asked: Asked, found: Sequence[Trial]) -> int | None:
    """The number of the best trial, the first of equals; None before one is over."""
    sign = 1 if asked.is_small else -1
    known = [(sign * trial.value, trial.number) for trial in found if trial.is_over and trial.value is not None]
    return min(known)[1] if known else None


def tuning_of(folder: Path, asked: Asked, found: Sequence[Trial], *, stopped_by: str = "") -> Tuning:
    """What was tried so far, of what was asked for."""
    best = best_of(asked, found)
    return Tuning(
        str(folder), asked.metric, asked.is_small, asked.vary, tuple(found), best, asked.trials, stopped_by=stopped_by
    )


def read_tuning(folder: Path) -> Tuning:
    """What was tried so far in the folder of a search over settings. `RunError` for one that is damaged."""
    asked = read_asked(folder)
    return tuning_of(folder, asked, read_trials(folder, asked.varied))


def find_tunings(folder: Path) -> Iterator[tuple[Path, Tuning | PlainnetError]]:
    """The searches over settings in a folder and below it, each with what was tried or what is wrong with it."""
    for path in sorted(folder.rglob(ASKED)) if isdir(folder) else ():
        try:
            yield path.parent, read_tuning(path.parent)
        except PlainnetError as error:
            yield path.parent, error
