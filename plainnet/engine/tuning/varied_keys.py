"""A key of the configuration and the values that are tried for it."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from plainnet.errors import MissingExtraError, UsageError

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

__all__ = ["Value", "Varied", "override"]

Value = float | int | str | bool | None
ACCEPTED = "accepted: KEY=LOW:HIGH, KEY=LOW:HIGH:log, KEY=LOW:HIGH:STEP, KEY=A,B,C"


@dataclass(frozen=True)
class Varied:
    """A key with a range of numbers (whole ones where both ends are) or with alternatives.

    Varied.read("optim.lr=1e-3:1:log")     Varied.read("train.epochs=5:20:5")     Varied.read("optim.type=SGD,AdamW")
    """

    text: str
    key: str
    low: float = 0.0
    high: float = 0.0
    step: float | None = None
    is_log: bool = False
    choices: tuple[Value, ...] = ()

    @classmethod
    def read(cls, text: str) -> Varied:
        """What `--vary` says; `UsageError` for what is neither a range nor alternatives."""
        key, sign, said = text.partition("=")
        key, said = key.strip(), said.strip()
        if not sign or not key or not said:
            raise UsageError(f"--vary {text}; {ACCEPTED}")
        if "," in said or ":" not in said:
            return cls(text, key, choices=_alternatives(text, said))
        low, high, *more = said.split(":")
        first, last = _number(low, text), _number(high, text)
        if len(more) > 1 or not all(map(math.isfinite, (first, last))) or first >= last:
            raise UsageError(f"--vary {text}: {said} is no range from a number to a larger one; {ACCEPTED}")
        if more == ["log"]:
            if first <= 0:
                raise UsageError(f"--vary {text}: the logarithm of {low} is none; accepted: ends above 0")
            return cls(text, key, first, last, is_log=True)
        step = _number(more[0], text) if more else None
        steps = 1.0 if step is None or step <= 0 else (last - first) / step
        if abs(steps - round(steps)) > 1e-9 * steps:  # or the end would never be tried
            raise UsageError(f"--vary {text}: from {low} to {high} are no whole steps of {step}; {ACCEPTED}")
        if step is not None and not 0 < step <= last - first:
            raise UsageError(f"--vary {text}: the step is {step}; accepted: above 0, at most {last - first}")
        return cls(text, key, first, last, step=step)

    @property
    def is_whole(self) -> bool:
        """Whether only whole numbers are tried."""
        return all(isinstance(each, int) for each in (self.low, self.high, self.step) if each is not None)

    @property
    def ends(self) -> tuple[Value, ...]:
        """The values with which the configuration is checked before anything is tried."""
        return self.choices or (self.low, self.high)

    def takes(self, value: Value) -> bool:
        """Whether a value is one of those that are tried."""
        if self.choices:
            return any(value == each and type(value) is type(each) for each in self.choices)
        if isinstance(value, bool) or not isinstance(value, int if self.is_whole else (int, float)):
            return False
        if not self.low <= value <= self.high:
            return False
        step = self.step or (1 if self.is_whole and not self.is_log else None)
        return step is None or abs((value - self.low) / step - round((value - self.low) / step)) < 1e-8

    def distribution(self) -> BaseDistribution:
        """The same for optuna."""
        try:
            from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
        except ImportError as error:
            raise MissingExtraError("optuna", "tune") from error
        if self.choices:
            return CategoricalDistribution(self.choices)
        if self.is_whole:
            return IntDistribution(int(self.low), int(self.high), log=self.is_log, step=int(self.step or 1))
        return FloatDistribution(self.low, self.high, log=self.is_log, step=self.step)


def override(key: str, value: Value) -> str:
    """`KEY=VALUE` as the command line has it."""
    return f"{key}={json.dumps(value)}"


def _number(text: str, said: str) -> float:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    raise UsageError(f"--vary {said}: {text or 'nothing'} is no number; {ACCEPTED}")


def _alternatives(text: str, said: str) -> tuple[Value, ...]:
    found = tuple(_alternative(text, each.strip()) for each in said.split(","))
    if len({json.dumps(each) for each in found}) < len(found) or len(found) < 2:
        raise UsageError(f"--vary {text}: two or more alternatives, all different; {ACCEPTED}")
    return found


def _alternative(text: str, said: str) -> Value:
    """A scalar as YAML reads it; 1e-3 is a number, as in a configuration."""
    try:
        return _number(said, text)
    except UsageError:
        pass
    try:
        value = YAML(typ="safe", pure=True).load(said)
    except YAMLError:
        value = {}
    if not (value is None or isinstance(value, bool | int | float | str)) or not said:
        raise UsageError(f"--vary {text}: {said or 'nothing'} is no number and no word; {ACCEPTED}")
    return value
