"""The numbers of a run by name, as the lines of its log had them, with their last values: read and added from anywhere.

from plainnet.engine import add_scalar, scalar

scalar("loss").mean(50)              # in a hook, in a loss, in a network, while a trainer trains
add_scalar("temperature", 0.7)       # goes to the next line of the log, and from there to its history
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from itertools import islice

from torch import Tensor

from plainnet.errors import UsageError, nearest

__all__ = ["LENGTH", "ScalarHistory", "Scalars", "add_scalar", "scalar"]

LENGTH = 1_000
"""Values that are kept of each name."""
CLOCKS = "time/"
"""How the names of times begin, which no checkpoint holds: those of equal runs are equal."""

_CURRENT: ContextVar[Scalars | None] = ContextVar("plainnet_scalars", default=None)


class ScalarHistory:
    """The last values of a scalar, up to 1,000, the newest last; `window` counts from the newest, None takes all of them."""

    def __init__(self, values: Sequence[float] = ()) -> None:
        self._values: deque[float] = deque(values, maxlen=LENGTH)

    def __len__(self) -> int:
        return len(self._values)

    def values(self, window: int | None = None) -> list[float]:
        """The last `window` values (fewer where there are fewer), the newest last."""
        if window is not None and (not isinstance(window, int) or window < 1):
            raise UsageError(f"window is {window}; accepted: 1 or more values, None for all")
        first = 0 if window is None else max(0, len(self._values) - window)
        return list(islice(self._values, first, None))

    @property
    def current(self) -> float:
        """The newest value."""
        return self._values[-1]

    def mean(self, window: int | None = None) -> float:
        """The mean of the last `window` values; nan where one of them is no number."""
        values = self.values(window)
        return math.fsum(values) / len(values) if all(map(math.isfinite, values)) else sum(values) / len(values)

    def max(self, window: int | None = None) -> float:
        """The largest of the last `window` values that are numbers; nan where none is."""
        return max((value for value in self.values(window) if not math.isnan(value)), default=math.nan)

    def min(self, window: int | None = None) -> float:
        """The smallest of the last `window` values that are numbers; nan where none is."""
        return min((value for value in self.values(window) if not math.isnan(value)), default=math.nan)

    def add(self, value: float) -> None:
        """A newer value."""
        self._values.append(value)


class Scalars(Mapping[str, ScalarHistory]):
    """Name -> its last values: what the lines of log.jsonl are called and say, of updates (`loss`, `lr`) and of epochs
    (`train/loss`, `val/accuracy`). It is kept in checkpoints, but for times (`time/...`).

    extras: what the next line of the log says besides.
    """

    def __init__(self) -> None:
        self.extras: dict[str, float] = {}
        self._histories: dict[str, ScalarHistory] = {}
        self._before: Scalars | None = None

    def __getitem__(self, name: str) -> ScalarHistory:
        if name not in self._histories:
            near = nearest(name, self._histories)
            hint = f"did you mean {near}?" if near else f"logged: {', '.join(self._histories) or 'nothing yet'}"
            raise UsageError(f"no scalar {name} has been logged; {hint}")
        return self._histories[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._histories)

    def __len__(self) -> int:
        return len(self._histories)

    def __contains__(self, name: object) -> bool:
        return name in self._histories

    def add(self, line: Mapping[str, float]) -> None:
        """The numbers of a line of the log."""
        for name, value in line.items():
            self._histories.setdefault(name, ScalarHistory()).add(float(value))

    def begin(self) -> None:
        """Be what `scalar` and `add_scalar` mean from now on."""
        self._before = _CURRENT.get()
        _CURRENT.set(self)

    def end(self) -> None:
        """Be it no more: what was meant before, by a training around this one, is meant again."""
        _CURRENT.set(self._before)

    def state_dict(self) -> dict[str, list[float]]:
        """The values of each name but times."""
        return {name: each.values() for name, each in self._histories.items() if not name.startswith(CLOCKS)}

    def load_state_dict(self, state: Mapping[str, Sequence[float]]) -> None:
        """Take up where `state_dict` left off."""
        self._histories = {name: ScalarHistory([float(value) for value in values]) for name, values in state.items()}


def scalar(name: str) -> ScalarHistory:
    """The last values of a scalar of the run that is training here, by its name in log.jsonl; each value is of one line.

        scalar("loss").current      scalar("loss").mean(50)      scalar("val/accuracy").max()

    Raises `UsageError` for a name that has not been logged yet (`name in trainer.scalars` tells), and outside of a training.
    """
    scalars = _CURRENT.get()
    if scalars is None:
        raise UsageError(
            f"no training is running here, whose scalar {name} could be read; see trainer.scalars after it"
        )
    return scalars[name]


def add_scalar(name: str, value: Tensor | float) -> None:
    """Say a number in the next line of the log, as `trainer.extras[name] = value` does in a hook; the last one of several counts.

    Of several processes the first one's is logged. Outside of a training it does nothing.
    """
    scalars = _CURRENT.get()
    if scalars is None:
        return
    if isinstance(value, Tensor) and value.numel() != 1:
        raise UsageError(f"the scalar {name} is of shape {tuple(value.shape)}; accepted: a number")
    scalars.extras[name] = float(value.detach() if isinstance(value, Tensor) else value)
