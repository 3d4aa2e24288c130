"""The state in a checkpoint, checked before anything is restored from it: a digest says that a file is as it was written, not
that what was written makes sense.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, NonNegativeInt, ValidationError, model_validator
from torch import Tensor

from plainnet.errors import RunError

__all__ = ["check_like", "check_optimizer_state", "check_state_of"]

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


class _Group(_Strict):
    params: list[NonNegativeInt]


class _Optimizer(_Strict):
    state: dict[int, dict[str, Any]]
    param_groups: list[_Group]


class _Means(_Strict):
    sums: dict[str, float | int]
    counts: dict[str, NonNegativeInt]

    @model_validator(mode="after")
    def _a_count_for_each_sum(self) -> Self:
        if self.sums.keys() != self.counts.keys():
            raise ValueError("sums and counts are not of the same names")
        return self


class _Process(_Strict):
    random: Names
    means: _Means
    recent: list[_Means] = []


class _Best(_Strict):
    value: float | int | None = None
    round: NonNegativeInt = 0
    iteration: NonNegativeInt = 0


class _Saver(_Strict):
    best: _Best
    validations: NonNegativeInt


class _Recorder(_Strict):
    lines: NonNegativeInt


class _Configured(_Strict):
    config: dict[str, JsonValue]
    data: dict[str, JsonValue]


class _Hooks(_Strict):
    configured: _Configured | None = Field(default=None, alias="ConfigHook.0")
    saver: _Saver | None = Field(default=None, alias="CheckpointHook.0")
    recorder: _Recorder | None = Field(default=None, alias="RecordingHook.0")
    __pydantic_extra__: dict[str, Names]


class _State(_Strict):
    position: _Position
    history: list[_Round]
    rates: list[float | int]
    scalars: dict[str, list[float | int]] = {}
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


LARGEST = 2**53
"""No counter and no option is larger."""


def check_like(own: Any, saved: Any, place: str) -> None:
    """Raise `TypeError` unless what was saved has the parts of what it is restored into: numbers, words, lists and mappings."""
    if isinstance(own, Mapping):
        if not isinstance(saved, Mapping) or own.keys() != saved.keys():
            raise TypeError(f"{place} is {_short(saved)}")
        for key, value in own.items():
            check_like(value, saved[key], f"{place}.{key}")
    elif isinstance(own, list | tuple):
        if not isinstance(saved, list | tuple) or len(own) != len(saved):
            raise TypeError(f"{place} is {_short(saved)}")
        for number, value in enumerate(own):
            check_like(value, saved[number], f"{place}.{number}")
    elif own is None:
        if saved is not None and _kind(saved) != "number":
            raise TypeError(f"{place} is {_short(saved)}")
    elif _kind(own) != _kind(saved) or (_kind(own) == "number" and not _sensible(saved)):
        raise TypeError(f"{place} is {_short(saved)}")


def check_optimizer_state(shapes: Sequence[Sequence[int]], state: Mapping[int, Mapping[str, Any]]) -> None:
    """Raise `TypeError` unless each number is one, and what is remembered of one parameter is what it is of the others: a number,
    or a tensor of the parameter's shape. So it is of torch's own optimizers, but for Adafactor.
    """
    kinds: dict[str, tuple[str, bool]] = {}
    for number, values in state.items():
        if number >= len(shapes):
            raise TypeError(f"optimizer.state.{number} is of no parameter")
        for name, value in values.items():
            found = (_kind(value), isinstance(value, Tensor) and value.shape == shapes[number])
            wrong = kinds.setdefault(name, found) != found and math.prod(shapes[number]) > 1
            if wrong or (found[0] == "number" and not _sensible(value)):
                raise TypeError(f"optimizer.state.{number}.{name} is {_short(value)}")


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "truth"
    if isinstance(value, int | float) or (isinstance(value, Tensor) and value.ndim == 0):
        return "number"
    return "tensor" if isinstance(value, Tensor) else type(value).__name__


def _sensible(value: Any) -> bool:
    number = float(value) if isinstance(value, Tensor) else value
    return math.isfinite(number) and abs(number) <= LARGEST


def _short(value: Any) -> str:
    text = f"a tensor of {tuple(value.shape)}" if isinstance(value, Tensor) else repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
