"""A search over settings of a training: optuna says what to try, the engine trains it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from plainnet.configs import Config, dump_values
from plainnet.engine.checkpoints.run_folder import own_folder
from plainnet.engine.metric_direction import is_made_small
from plainnet.engine.run.run_files import CONFIG, write_text
from plainnet.engine.run.schema import TrainConfig
from plainnet.engine.run.training_run import load_config, train
from plainnet.engine.seeds import derive
from plainnet.engine.tuning.tuning_folder import (
    BEST,
    Asked,
    Trial,
    is_tuning,
    read_asked,
    read_trials,
    run_of,
    write_asked,
    write_line,
)
from plainnet.engine.tuning.tuning_result import Tuning, best_of, said_values, tuning_of
from plainnet.engine.tuning.varied_keys import Value, Varied, override
from plainnet.errors import DivergedError, MissingExtraError, RunError, UsageError
from plainnet.files.text_files import printable

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Tuning", "begin_tuning", "go_on_tuning"]

FIRST = 10
"""Trials that are drawn at random before the others are drawn where good ones were."""
OWN = ("run", "derived")
"""Keys that belong to a run and not to all trials."""


def begin_tuning(
    folder: Path, config: Config[TrainConfig], vary: Sequence[str], *, trials: int, seed: int = 0, console: Console
) -> Tuning:
    """Try `trials` values of the varied keys, each in a training of `config`, judged by the best validation of `checkpoint.best`.

    The same seed tries the same, also after an interruption. Raises `UsageError` for a key or an end of a range that the
    configuration does not take, before anything is trained, and `RunError` for a folder that is not free.
    """
    varied = tuple(map(Varied.read, vary))
    keys = [each.key for each in varied]
    if twice := [key for key in dict.fromkeys(keys) if keys.count(key) > 1]:
        raise UsageError(f"{twice[0]} is varied twice")
    if own := [key for key in keys if key.split(".")[0] in (*OWN, "checkpoint", "store")]:
        raise UsageError(f"{own[0]} cannot be varied: it says where a trial goes, or what it is judged by")
    _study(is_small=True)
    for each in varied:
        each.distribution()
    value = config.value
    losses = [loss.log_name for loss in value.task.losses]
    is_small = is_made_small(value.checkpoint.best, mode=value.checkpoint.mode, losses=losses)
    asked = Asked(tuple(vary), trials, seed, value.checkpoint.best, is_small)
    if is_tuning(folder):
        raise RunError(f"{folder} holds a search over settings; go on with: plainnet tune {quote(str(folder))}")
    if folder.exists() and any(path.name != "lock" for path in folder.iterdir()):
        raise RunError(f"{folder} is not empty; choose another folder: --out")
    common = {name: item for name, item in config.plain().items() if name not in OWN}
    for each in varied:
        for end in each.ends:
            load_config(common, overrides=[override(each.key, end)])
    with own_folder(folder):
        write_asked(folder, asked, common)
        return _tune(folder, asked, console)


def go_on_tuning(folder: Path, *, trials: int | None = None, console: Console) -> Tuning:
    """Go on where a search was stopped; trials: how many there shall be in all, where it is not what was asked for."""
    asked = read_asked(folder)
    _study(is_small=True)
    with own_folder(folder):
        return _tune(folder, asked, console, trials=trials)


def _tune(folder: Path, asked: Asked, console: Console, *, trials: int | None = None) -> Tuning:
    wanted, stopped_by = trials or asked.trials, ""
    found = read_trials(folder, asked.varied)
    while not stopped_by and sum(trial.is_over for trial in found) < wanted:
        if not found or found[-1].is_over:
            number = len(found)
            values = _next(asked, found)
            write_line(folder, trial=number, begun=values)
            found.append(Trial(number, values, run=str(run_of(folder, number))))
        trial = found[-1]
        console.rule(f"trial {trial.number + 1} of {wanted}: {printable(said_values(trial.values))}", align="left")
        stopped_by = _train(folder, trial, console)
        if not stopped_by:
            write_line(folder, trial=trial.number, value=trial.value, round=trial.round)
            _write_best(folder, asked, found)
    return tuning_of(folder, dataclasses.replace(asked, trials=wanted), found, stopped_by=stopped_by)


def _train(folder: Path, trial: Trial, console: Console) -> str:
    """Train what a trial says; the signal that stopped it, if one did."""
    said = [override(key, value) for key, value in trial.values.items()]
    run = override("run", str(Path(trial.run).absolute()))
    config = load_config(folder / CONFIG, overrides=[*said, run])
    try:
        summary = train(config, console=console, continue_existing=True)
    except DivergedError as error:
        console.print(f"diverged: {error}", highlight=False, soft_wrap=True)
        trial.is_over = True
        return ""
    if summary.stopped_by:
        return summary.stopped_by
    trial.is_over = True
    trial.value, trial.round = summary.best.get("value"), summary.best.get("round")
    return ""


def _write_best(folder: Path, asked: Asked, found: Sequence[Trial]) -> None:
    """best.yaml, which trains the best in a folder of its own."""
    number = best_of(asked, found)
    if number is not None:
        about = f"# the best of {len(found)} trials: {asked.metric} {found[number].value:.6g} in trial {number}\n"
        values = {"_base_": str((run_of(folder, number) / CONFIG).relative_to(folder)), "run": "best"}
        write_text(folder / BEST, about + dump_values(values))


def _study(*, is_small: bool) -> Any:
    """A study in memory; optuna is silent."""
    try:
        import optuna
    except ImportError as error:
        raise MissingExtraError("optuna", "tune") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(direction="minimize" if is_small else "maximize")


def _next(asked: Asked, found: Sequence[Trial]) -> dict[str, Value]:
    """What to try next (tree-structured Parzen estimator, Bergstra et al. 2011): it follows from the seed, the number and what
    was found before alone, so that a search that is taken up tries what it would have tried.
    """
    from optuna.samplers import TPESampler
    from optuna.trial import TrialState, create_trial

    study = _study(is_small=asked.is_small)
    distributions = {each.key: each.distribution() for each in asked.varied}
    for trial in found:
        state = TrialState.FAIL if trial.value is None else TrialState.COMPLETE
        params = {key: trial.values[key] for key in distributions}
        study.add_trial(create_trial(params=params, distributions=distributions, value=trial.value, state=state))
    seed = derive(asked.seed, "tune", len(found)) % 2**32
    study.sampler = TPESampler(seed=seed, n_startup_trials=FIRST, multivariate=False)
    params = study.ask(distributions).params
    return {key: params[key] for key in distributions}
