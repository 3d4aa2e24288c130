"""The state in a checkpoint, checked before anything is restored from it: a digest says that a file is as it was written, not
that what was written makes sense.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, ValidationError

from plainnet.errors import RunError

__all__ = ["check_state_of"]

Names = dict[str, Any]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")


class _Position(_Strict):
    epoch: NonNegativeInt
    batch: NonNegativeInt
    iteration: NonNegativeInt
    rounds: NonNegativeInt
    round_start: NonNegativeInt


class _Round(_Strict):
    epoch: NonNegativeInt
    iteration: NonNegativeInt
    train: dict[str, float | int | None]
    val: dict[str, float | int | None]


class _Optimizer(_Strict):
    state: dict[int, dict[str, Any]]
    param_groups: list[dict[str, Any]]


class _Means(_Strict):
    sums: dict[str, float | int]
    counts: dict[str, NonNegativeInt]


class _Process(_Strict):
    random: Names
    means: _Means


class _Best(_Strict):
    value: float | int | None = None
    round: NonNegativeInt = 0
    iteration: NonNegativeInt = 0


class _Saver(_Strict):
    best: _Best
    validations: NonNegativeInt


class _Recorder(_Strict):
    lines: NonNegativeInt


class _Hooks(_Strict):
    saver: _Saver | None = Field(default=None, alias="CheckpointHook.0")
    recorder: _Recorder | None = Field(default=None, alias="RecordingHook.0")
    __pydantic_extra__: dict[str, Names]


class _State(_Strict):
    position: _Position
    history: list[_Round]
    rates: list[float | int]
    optimizer: _Optimizer
    scheduler: Names | None
    scaler: Names | None
    averaged: Names | None
    hooks: _Hooks
    processes: list[_Process] = Field(min_length=1)


def check_state_of(path: Path, state: Any) -> None:
    """Raise `RunError` naming the field of `state.json` in the checkpoint `path` that cannot be what a run wrote."""
    try:
        _State.model_validate(state)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = ".".join(map(str, first["loc"])) or "the whole"
        raise RunError(f"{path / 'state.json'} is damaged: {field}: {first['msg']}") from None
