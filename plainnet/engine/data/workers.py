"""The processes that load batches for a trainer: how they begin, how they end, and what becomes of a batch that they cannot hand
over.
"""

from __future__ import annotations

import multiprocessing.queues
import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from typing import Any

from plainnet.errors import PlainnetError, RunError

__all__ = ["begin_worker", "delivered"]

LOST = ("DataLoader worker (pid", "Too many open files")
"""What torch says when a process is gone, or cannot be understood any more."""


def begin_worker(_worker: int) -> None:
    """What torch's loader calls in each of its processes before the first batch."""
    queue: Any = multiprocessing.queues.Queue
    queue._on_queue_feeder_error = staticmethod(_end_where_a_batch_is_lost)
    _leave_signals_to_the_trainer()


def _end_where_a_batch_is_lost(error: Exception, _batch: Any) -> None:
    """Python would print a trace and go on, and the trainer would wait for the batch for ever."""
    print(f"a loader process cannot hand over a batch: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
    os._exit(1)


def _leave_signals_to_the_trainer() -> None:
    """Ctrl-C and a cluster's SIGTERM reach workers too, which the trainer needs until it has saved: they end when it says so."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "sigwaitinfo"):  # on Linux; elsewhere who sent a signal cannot be told
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(target=_end_with_the_trainer, daemon=True).start()


def _end_with_the_trainer() -> None:
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != os.getppid():
        pass
    os._exit(0)


def delivered(loader: Iterable[Any]) -> Iterator[Any]:
    """The batches of torch's loader. Raises `RunError` where its processes cannot begin or go on, with what may be the reason."""
    try:
        batches = iter(loader)
    except OSError as error:
        _give_up_half_made(error)
        raise _lost(error) from error
    while True:
        try:
            batch = next(batches)
        except StopIteration:
            return
        except PlainnetError:
            raise
        except RuntimeError as error:
            if not str(error).startswith(LOST):
                raise
            raise _lost(error) from error
        yield batch


def _give_up_half_made(error: BaseException) -> None:
    """End the workers of an iterator that torch could not finish making, and keep torch from clearing up what is not there:
    it would write a traceback below the message.
    """
    from torch.utils.data.dataloader import _MultiProcessingDataLoaderIter

    trace = error.__traceback__
    while trace is not None:
        owner = trace.tb_frame.f_locals.get("self")
        if isinstance(owner, _MultiProcessingDataLoaderIter):
            for worker in getattr(owner, "_workers", ()):
                worker.terminate()
            owner._shutdown = True
        trace = trace.tb_next


def _lost(error: Exception) -> RunError:
    said = str(error).partition("\n")[0]
    return RunError(
        f"the processes that load the data cannot go on: {said}. What they wrote stands above; often too few files may be open "
        f"({_open_files()}; ulimit -n), or there is too little memory: take fewer workers (data.workers)"
    )


def _open_files() -> str:
    try:
        import resource
    except ImportError:
        return "the limit is not known here"
    return f"here {resource.getrlimit(resource.RLIMIT_NOFILE)[0]}"
