"""Workers in processes of this machine: spawned, kept alive, one torch thread each."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

from plainnet.errors import PlainnetError
from plainnet.search.executors.team import WorkerDiedError
from plainnet.search.executors.worker_answer import answer
from plainnet.search.executors.workers import Worker
from plainnet.search.settings.config import SearchConfig
from plainnet.search.settings.trainer import Trainer

__all__ = ["ProcessHandle", "deaf_to_ctrl_c", "follow_parent"]

GRACE = 20.0
"""Seconds that a training has to save where it is."""


class ProcessHandle:
    """A worker in a process of its own. It ends with this one, however that ends."""

    def __init__(self, config: SearchConfig, trainer: Trainer | None = None) -> None:
        self._trains = trainer is not None
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, config.to_json(), trainer), daemon=True)
        with deaf_to_ctrl_c():
            self._process.start()
        theirs.close()

    @property
    def pid(self) -> int | None:
        """The process's number."""
        return self._process.pid

    def send(self, method: str, *arguments: Any) -> None:
        try:
            self._connection.send((method, arguments))
        except (OSError, ValueError) as error:
            raise WorkerDiedError(self._epitaph()) from error

    def take(self) -> Any:
        try:
            succeeded, value = self._connection.recv()
        except (EOFError, OSError) as error:
            raise WorkerDiedError(self._epitaph()) from error
        if not succeeded:
            raise value
        return value

    def _epitaph(self) -> str:
        self._process.join(1)
        return f"exit code {self._process.exitcode}"

    def hang_up(self) -> None:
        self._connection.close()
        if self._trains:  # a training saves where it is
            self._process.terminate()

    def close(self) -> None:
        self.hang_up()
        self._process.join(GRACE if self._trains else 2)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def follow_parent() -> None:
    """Make this process one that ends when its parent does, however that ends and whatever this one is at; Ctrl-C, which
    reaches every process of a terminal, is left to the parent.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def follow() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=follow, name="follow-parent", daemon=True).start()


@contextmanager
def deaf_to_ctrl_c() -> Iterator[None]:
    """Processes that are started inside ignore Ctrl-C from their first moment: it is for the one that holds the run."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _serve(connection: Connection, config: str, trainer: Trainer | None) -> None:
    """Answer calls until the other side hangs up."""
    follow_parent()
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = "1"
    worker: Worker | None = None
    while True:
        try:
            method, arguments = connection.recv()
        except (EOFError, OSError):
            return
        try:
            if worker is None:
                worker = Worker(SearchConfig.from_json(config), trainer)
            reply: tuple[bool, Any] = (True, answer(worker, method, arguments))
        except PlainnetError as error:
            reply = (False, error)
        except Exception as error:
            reply = (False, _plain(error))
        try:
            connection.send(reply)
        except OSError:
            return


def _plain(error: Exception) -> Exception:
    """An error that surely travels: the objective of a user may raise anything."""
    from plainnet.errors import RunError

    return RunError(f"a worker failed: {type(error).__name__}: {error}")
