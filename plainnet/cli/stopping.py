"""Ctrl-C and SIGTERM: the first ends a command in order, with a last word; after a second one the process ends in any case."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

import click

__all__ = ["Stopped", "leave", "listen", "stoppable"]

SIGNALS = (signal.SIGINT, signal.SIGTERM)
GRACE = 0.5
"""Seconds for the last word after a second signal: who presses Ctrl-C three times reads it, too, and gets the cursor back."""


class Stopped(KeyboardInterrupt):
    """A signal asked the command to end."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def listen() -> None:
    """From here on Ctrl-C is a `KeyboardInterrupt`: while the command line is imported it ends the process at once
    (`plainnet/__init__.py`). Where a shell started it in the background, Ctrl-C is ignored and so it stays.
    """
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def stoppable() -> Iterator[None]:
    """Inside, SIGINT and SIGTERM raise `Stopped` once; after that they end the process, when `GRACE` is over."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    was_stopped = False

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        nonlocal was_stopped
        if was_stopped:  # another one, before this is through
            return
        was_stopped = True
        _end_with_the_next(taken)
        raise Stopped(number)

    # a shell starts what runs in the background with Ctrl-C ignored, and so it stays
    taken = [each for each in SIGNALS if signal.getsignal(each) is not signal.SIG_IGN]
    before = {each: signal.signal(each, stop) for each in taken}
    try:
        yield
    finally:
        if not was_stopped:
            for number, handler in before.items():
                signal.signal(number, handler)


def _end_with_the_next(numbers: list[signal.Signals]) -> None:
    """From here on each of these signals ends the process after `GRACE` with 128 + its number, whatever the main thread is at."""
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    if before >= 0:  # of an event loop, which needs it
        signal.set_wakeup_fd(before)
        for each in numbers:
            signal.signal(each, signal.SIG_DFL)
        return
    for each in numbers:
        signal.signal(each, lambda *_: None)  # what is read below is written before Python asks for this

    def end() -> None:
        number = reader.recv(1)[0]
        time.sleep(GRACE)
        os._exit(128 + number)

    threading.Thread(target=end, daemon=True).start()
    writer.detach()  # it stays open as long as the process


def leave(text: str, stop: KeyboardInterrupt) -> NoReturn:
    """End with a last word; the exit code is 128 and the number of the signal."""
    click.echo(f"\n{text}", err=True)
    sys.exit(128 + getattr(stop, "number", signal.SIGINT))
