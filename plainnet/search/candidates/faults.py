"""What may go wrong inside of one candidate: in an objective, a proxy or a block of the user's. It is counted and named,
and the search goes on.
"""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter as Tally
from collections.abc import Collection, Iterable, Mapping
from types import FrameType
from typing import Any, NamedTuple

from plainnet.blocks.rows.layers import LayerError
from plainnet.blocks.rows.walk import WalkError
from plainnet.errors import StructureError, UsageError

__all__ = [
    "FAILED",
    "FAULTS",
    "CandidateTimeoutError",
    "Failure",
    "NoNumberError",
    "Watchdog",
    "count_failures",
    "failed_rows",
    "fates",
    "fault_of",
    "is_refusal",
    "kind_of_fault",
]


class CandidateTimeoutError(BaseException):
    """A candidate took longer than it may. (No `Exception`: what the user wrote is not to catch it.)"""


class NoNumberError(Exception):
    """An objective gave something else than a number."""


FAULTS = (Exception, SystemExit, CandidateTimeoutError)
"""What ends a candidate and not the search."""
REFUSALS = (StructureError, LayerError, WalkError)


class Failure(NamedTuple):
    """A candidate that failed: the hash of its row (0: it has none), what is counted, and the whole story."""

    hash: int
    kind: str
    text: str


def is_refusal(error: BaseException) -> bool:
    """Whether an error says that something is no network, rather than that some code is wrong."""
    return isinstance(error, REFUSALS)


def fault_of(error: BaseException) -> BaseException:
    """What is behind an error: the walk reports what a block's `layers()` raised as an error of its own."""
    while is_refusal(error) and error.__cause__ is not None:
        error = error.__cause__
    return error.with_traceback(None)  # its frames would be kept with it


def kind_of_fault(error: BaseException) -> str:
    """What an error is counted as."""
    if isinstance(error, CandidateTimeoutError):
        return "timeout"
    return "no number" if isinstance(error, NoNumberError) else type(error).__name__


FAILED, IN_A_BLOCK = "failed: ", " in a block"
"""What stands around the kind of a failure in the counts; the second where it has no row: nothing is known of its costs."""


def count_failures(failures: Iterable[Failure], rows: Collection[int]) -> Tally[str]:
    """Failures by what they are counted as: those that have no row, and those whose row is among `rows`."""
    return Tally(
        f"{FAILED}{each.kind}{'' if each.hash else IN_A_BLOCK}"
        for each in failures
        if not each.hash or each.hash in rows
    )


def failed_rows(counts: Mapping[str, int]) -> int:
    """How many rows without a score there are among counts."""
    return sum(count for name, count in counts.items() if name.startswith(FAILED) and not name.endswith(IN_A_BLOCK))


def fates(proposed: int, counts: Mapping[str, int]) -> dict[str, int]:
    """The counts of so many candidates with what follows from them: every candidate is evaluated, a duplicate, failed or
    rejected.
    """
    failed = sum(count for name, count in counts.items() if name.startswith(FAILED))
    known = counts.get("evaluated", 0) + counts.get("duplicates", 0)
    return {**counts, "failed": failed, "rejected": proposed - known - failed}


class Watchdog:
    """Ends what takes longer than `seconds` (0: nothing) between `start` and `stop`, in the main thread.

    The signal comes again every second, for code that catches everything and goes on.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds, self._armed = seconds, False
        self._before: Any = None
        self._others: tuple[float, float] = (0.0, 0.0)
        self._since = 0.0

    def __enter__(self) -> Watchdog:
        if self.seconds:
            if threading.current_thread() is not threading.main_thread():
                raise UsageError("a timeout for candidates needs a search in the main thread of its process")
            self._others, self._since = signal.setitimer(signal.ITIMER_REAL, 0), time.monotonic()
            self._before = signal.signal(signal.SIGALRM, self._bark)
        return self

    def __exit__(self, *error: object) -> None:
        if self.seconds:
            self.stop()
            signal.signal(signal.SIGALRM, self._before)
            left, interval = self._others
            if left:
                signal.setitimer(signal.ITIMER_REAL, max(1e-3, left - (time.monotonic() - self._since)), interval)

    def start(self) -> None:
        """Begin to watch."""
        if self.seconds:
            self._armed = True
            signal.setitimer(signal.ITIMER_REAL, self.seconds, 1.0)

    def stop(self) -> None:
        """Stop watching."""
        if self.seconds:
            self._armed = False
            signal.setitimer(signal.ITIMER_REAL, 0)

    def _bark(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if self._armed:
            raise CandidateTimeoutError(f"took longer than {self.seconds:g} s")
