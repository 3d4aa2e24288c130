"""Ctrl-C and SIGTERM: the first ends a command in order, with a last word; the second ends the process at once."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

import click

__all__ = ["Stopped", "leave", "listen", "stoppable"]

SIGNALS = (signal.SIGINT, signal.SIGTERM)


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
    """Inside, SIGINT and SIGTERM raise `Stopped` once; after that they do what they do by default."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    was_stopped = False

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        nonlocal was_stopped
        was_stopped = True
        for each in SIGNALS:
            signal.signal(each, signal.SIG_DFL)
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


def leave(text: str, stop: KeyboardInterrupt) -> NoReturn:
    """End with a last word; the exit code is 128 and the number of the signal."""
    click.echo(f"\n{text}", err=True)
    sys.exit(128 + getattr(stop, "number", signal.SIGINT))
