"""Several processes of one command on this machine: how they are started, told who they are, and how all end where one does.

A process whose parent is gone, killed without a word, stops as if it had been asked to.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType

__all__ = ["follow_parent", "run_together"]

PARENT = "PLAINNET_PARENT"
"""The variable with the number of a pipe that the parent holds open."""
PATIENCE = 10.0
"""Seconds in which the others end by themselves where one has failed: they lose a connection, and say so."""
GRACE = 10.0
"""Seconds between asking a process to end and ending it."""
STEP = 0.1
"""Seconds between two looks at the processes."""
DELAY = 1.0
"""Seconds after which a line of another process than the first is passed on; what misuse is told by the first alone."""
MISUSE = 2


class _Process:
    """One of the processes, and what it printed that has not been passed on; the first one prints by itself."""

    def __init__(self, number: int, command: Sequence[str], environment: Mapping[str, str], held: int) -> None:
        self.number, self.lines = number, deque[tuple[float, str]]()
        self.asked = 0.0
        said = {**environment, "RANK": str(number), "LOCAL_RANK": str(number), PARENT: str(held)}
        out = subprocess.PIPE if number else None
        # in a session of its own a terminal's Ctrl-C comes once: from the parent
        self.process = subprocess.Popen(
            command,
            env=said,
            stdout=out,
            stderr=subprocess.STDOUT if number else None,
            stdin=subprocess.DEVNULL,
            pass_fds=(held,),
            start_new_session=True,
        )
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self.lines.append((time.monotonic(), line.decode("utf-8", "backslashreplace").rstrip()))

    @property
    def code(self) -> int | None:
        """The exit code, as shells count it; None while it runs."""
        code = self.process.poll()
        return code if code is None or code >= 0 else 128 - code

    def ask(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.process.poll() is None:
            self.process.send_signal(number)

    def pass_on(self, *, before: float) -> None:
        """Print the lines that came before a moment."""
        while self.lines and self.lines[0][0] < before:
            print(f"process {self.number}: {self.lines.popleft()[1]}", file=sys.stderr, flush=True)


def run_together(command: Sequence[str], count: int) -> int:
    """Run a command in `count` processes on this machine, which find each other as under torchrun, and return the exit code: 0,
    or that of the first one that failed. Then the others are ended, within half a minute.

    The first process prints; what the others print goes to standard error with their numbers in front. Ctrl-C and SIGTERM are
    passed on to all.
    """
    environment = {
        "OMP_NUM_THREADS": "1",  # or each would take all cores
        **os.environ,
        "WORLD_SIZE": str(count),
        "LOCAL_WORLD_SIZE": str(count),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(_free_port()),
    }
    held, ours = os.pipe()
    started: list[_Process] = []
    try:
        with _passed_on(started):
            for number in range(count):
                started.append(_Process(number, command, environment, held))
            os.close(held)
            return _end_of(started)
    finally:
        for each in started:
            each.process.kill()
            each.process.wait()
            each.reader.join(GRACE)
            if each.process.stdout is not None:
                each.process.stdout.close()
        os.close(ours)


def _end_of(started: Sequence[_Process]) -> int:
    first: _Process | None = None
    failed = 0.0
    while any(each.code is None for each in started):
        now = time.monotonic()
        if first is None:
            first = next((each for each in started if each.code), None)
            failed = now
        for each in started:
            each.pass_on(before=now - DELAY)
            if first is not None and now > failed + PATIENCE:
                each.ask(signal.SIGTERM if not each.asked else 0)
                each.asked = each.asked or now
                if now > each.asked + GRACE:
                    each.ask(signal.SIGKILL)
        time.sleep(STEP)
    first = first or next((each for each in started if each.code), None)
    for each in started:
        each.reader.join(GRACE)
        if not (each.code == started[0].code == MISUSE):
            each.pass_on(before=float("inf"))
    if first is not None and first.code not in (MISUSE, 128 + signal.SIGINT, 128 + signal.SIGTERM):
        print(f"process {first.number} of {len(started)} ended with {first.code}", file=sys.stderr, flush=True)
    return first.code or 0 if first is not None else 0


@contextmanager
def _passed_on(started: Sequence[_Process]) -> Iterator[None]:
    """Inside, SIGINT and SIGTERM go to the processes; those that are ignored stay so."""

    def pass_on(number: int, _frame: FrameType | None) -> None:
        for each in started:
            each.ask(number)

    taken = [each for each in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(each) is not signal.SIG_IGN]
    before = {each: signal.signal(each, pass_on) for each in taken}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def follow_parent() -> None:
    """Stop with the parent, where this is one of its processes: as after SIGTERM, and if that does not help at once."""
    held = os.environ.pop(PARENT, "")
    if held.isdecimal():
        threading.Thread(target=_wait_for_the_end, args=(int(held),), daemon=True).start()


def _wait_for_the_end(held: int) -> None:
    while os.read(held, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE)
    os._exit(128 + signal.SIGTERM)
