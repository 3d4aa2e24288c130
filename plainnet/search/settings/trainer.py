"""What a search needs of whoever trains its candidates: `plainnet.engine.CandidateTrainer` is one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

__all__ = ["TrainedLike", "TrainedNumbers", "Trainer", "TrainingStopped"]


class TrainedLike(Protocol):
    """What became of a training: the best of its metric (None where `failure` says why there is none), its seconds, and
    the signal that stopped it early.
    """

    @property
    def value(self) -> float | None: ...
    @property
    def seconds(self) -> float: ...
    @property
    def stopped_by(self) -> str: ...
    @property
    def failure(self) -> str: ...


class TrainedNumbers(NamedTuple):
    """The same, as it travels between processes."""

    value: float | None
    seconds: float
    stopped_by: str = ""
    failure: str = ""


class Trainer(Protocol):
    """Trains candidates by a plan. It can be pickled."""

    def check(
        self,
        plan: Mapping[str, Any],
        *,
        structure: str,
        input_shape: tuple[int, int, int],
        num_classes: int,
        use_se: bool,
        lengths: Sequence[int | None],
    ) -> None:
        """`UsageError` for a plan that trains no candidate of this search."""

    def train(
        self,
        plan: Mapping[str, Any],
        *,
        structure: str,
        use_se: bool,
        folder: str,
        seed: int,
        length: int | None,
        blocks: Sequence[str],
    ) -> TrainedLike:
        """Train in a folder, or go on there; a training that is over gives its result again."""


class TrainingStopped(KeyboardInterrupt):
    """A signal stopped a training, which is saved where it was."""

    def __init__(self, signal_name: str) -> None:
        super().__init__(signal_name)
        import signal

        self.number = int(getattr(signal, signal_name, signal.SIGINT))
