"""The folder of a search over settings.

tune.json says what was asked for, config.yaml what is common to all trials, trials.jsonl what was tried: a line when a trial
begins ({"trial": 3, "begun": {"optim.lr": 0.05}}), and one when it is over ({"trial": 3, "value": 0.97, "round": 12}; null where
the training diverged). trials/003 is the run folder of the trial, best.yaml the best configuration.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from plainnet.configs import dump_values
from plainnet.engine.run.run_files import CONFIG, write_text
from plainnet.engine.tuning.varied_keys import Value, Varied
from plainnet.errors import RunError, UsageError
from plainnet.files.text_files import json_value, read_text

__all__ = [
    "ASKED",
    "BEST",
    "Asked",
    "Trial",
    "is_tuning",
    "read_asked",
    "read_trials",
    "run_of",
    "write_asked",
    "write_line",
]

ASKED, TRIALS, BEST = "tune.json", "trials.jsonl", "best.yaml"
SCHEMA = "plainnet.tune/1"


@dataclass(frozen=True)
class Asked:
    """What a search was asked for: what is varied (as `--vary` says it), how many trials, the seed of what is tried, the
    validation metric, and whether less of it is better.
    """

    vary: tuple[str, ...]
    trials: int
    seed: int
    metric: str
    is_small: bool

    @property
    def varied(self) -> tuple[Varied, ...]:
        """What is varied."""
        return tuple(map(Varied.read, self.vary))


@dataclass
class Trial:
    """One training: the values of the keys that are varied, and once it is over its best validation, None where it diverged."""

    number: int
    values: dict[str, Value]
    is_over: bool = False
    value: float | None = None
    round: int | None = None
    run: str = field(default="")


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    schema_: str = Field(alias="schema", pattern=f"^{SCHEMA}$")
    vary: list[str] = Field(min_length=1)
    trials: int = Field(ge=1)
    seed: int = Field(ge=0)
    metric: str
    is_small: bool


class _Begun(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    trial: int = Field(ge=0)
    begun: dict[str, float | int | str | bool | None]


class _Over(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
    trial: int = Field(ge=0)
    value: float | None
    round: int | None = None


def is_tuning(folder: Path) -> bool:
    """Whether a search over settings was begun in a folder."""
    return (folder / ASKED).is_file()


def run_of(folder: Path, number: int) -> Path:
    """The run folder of a trial."""
    return folder / "trials" / f"{number:03d}"


def write_asked(folder: Path, asked: Asked, config: Mapping[str, Any]) -> None:
    """Begin: tune.json last, so that a folder that has it is whole."""
    write_text(folder / CONFIG, dump_values(config))
    write_text(folder / ASKED, json.dumps({"schema": SCHEMA, **asdict(asked)}, indent=2) + "\n")


def read_asked(folder: Path) -> Asked:
    """What was asked for; `RunError` for a file that cannot say it."""
    path = folder / ASKED
    try:
        found = _Asked.model_validate(json_value(read_text(path, what="search over settings"), str(path)))
        asked = Asked(tuple(found.vary), found.trials, found.seed, found.metric, found.is_small)
        _ = asked.varied
        return asked
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        raise RunError(f"{path} is damaged: {'.'.join(map(str, first['loc'])) or 'it'}: {first['msg']}") from None
    except UsageError as error:
        raise RunError(f"{path} is damaged: {str(error).removeprefix(f'{path}: ')}") from None


def read_trials(folder: Path, varied: Collection[Varied]) -> list[Trial]:
    """The trials so far, by number; the last one may not be over. `RunError` for a line that cannot be. varied: what is tried."""
    path = folder / TRIALS
    trials: list[Trial] = []
    lines = read_text(path, what="list of trials").split("\n") if path.is_file() else ()
    for number, line in enumerate(lines, start=1):
        if not line:
            continue
        try:
            if "begun" in (said := json_value(line, "it is no trial")):
                begun = _Begun.model_validate(said)
                if begun.trial != len(trials) or (trials and not trials[-1].is_over):
                    raise ValueError(f"trial {begun.trial} does not follow")
                if begun.begun.keys() != {each.key for each in varied}:
                    raise ValueError(f"it is not of {', '.join(each.key for each in varied)}")
                if odd := [each.key for each in varied if not each.takes(begun.begun[each.key])]:
                    raise ValueError(f"its {odd[0]} is none of the values that are tried")
                trials.append(Trial(begun.trial, begun.begun, run=str(run_of(folder, begun.trial))))
                continue
            over = _Over.model_validate(said)
            if not trials or over.trial != trials[-1].number or trials[-1].is_over:
                raise ValueError(f"trial {over.trial} was not begun")
            trials[-1].is_over, trials[-1].value, trials[-1].round = True, over.value, over.round
        except (ValueError, TypeError, UsageError) as error:
            why = error.errors(include_url=False)[0]["msg"] if isinstance(error, ValidationError) else error
            raise RunError(f"{path} is damaged: line {number}: {why}") from None
    return trials


def write_line(folder: Path, **said: Any) -> None:
    """Add a line; the file is replaced as a whole."""
    path = folder / TRIALS
    before = path.read_text(encoding="utf-8") if path.is_file() else ""
    write_text(path, f"{before}{json.dumps(said, allow_nan=False)}\n")
