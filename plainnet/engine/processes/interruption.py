"""Stopping a run from outside."""

from __future__ import annotations

import os
import signal
import socket
import threading
from types import FrameType
from typing import Any, Self

__all__ = ["StopSignal"]

GRACE = 5.0
"""Seconds that a process has to end by itself after a second signal."""


class StopSignal:
    """Notes the first Ctrl-C (or SIGTERM, as clusters send it), so that the loop can stop at the next update.

    A second one interrupts at once, and ends the process with 128 + its number where that does not help: where Python waits in
    foreign code (for other processes), or code of a user's catches everything. `name` says which signal came first, "" while
    none did.
    """

    def __init__(self) -> None:
        self.name = ""
        self.previous: dict[int, Any] = {}
        self.ends: tuple[socket.socket, socket.socket] | None = None

    def __enter__(self) -> Self:
        if threading.current_thread() is not threading.main_thread():
            return self
        for number in (signal.SIGINT, signal.SIGTERM):
            self.previous[number] = signal.signal(number, self._note)
        reader, writer = socket.socketpair()
        writer.setblocking(False)
        before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        if before >= 0:  # of an event loop around us, which needs it
            signal.set_wakeup_fd(before)
            reader.close()
            writer.close()
            return self
        self.ends = reader, writer
        threading.Thread(target=_end_after_the_second, args=(reader,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.ends is not None:
            signal.set_wakeup_fd(-1)
            self.ends[1].close()  # which ends the thread, too
        for number, handler in self.previous.items():
            signal.signal(number, handler)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if self.name:
            raise KeyboardInterrupt
        self.name = signal.Signals(number).name


def _end_after_the_second(reader: socket.socket) -> None:
    """Read the numbers of the signals, which come here whatever Python's main thread is at, until the other end is closed."""
    seen = 0
    with reader:
        while number := reader.recv(1):
            seen += number[0] in (signal.SIGINT, signal.SIGTERM)
            if seen < 2:
                continue
            reader.settimeout(GRACE)
            try:
                while reader.recv(16):
                    pass
            except TimeoutError:
                os._exit(128 + number[0])
            return
