"""Stopping a run from outside."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any, Self

__all__ = ["StopSignal"]


class StopSignal:
    """Notes the first Ctrl-C (or SIGTERM, as clusters send it), so that the loop can stop at the next update.

    A second Ctrl-C interrupts at once. `name` says which signal came, "" while none did.
    """

    def __init__(self) -> None:
        self.name = ""
        self.previous: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self.previous[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self.previous.items():
            signal.signal(number, handler)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if self.name:
            raise KeyboardInterrupt
        self.name = signal.Signals(number).name
