"""How every executor calls a worker."""

from __future__ import annotations

import gc
from typing import Any

from plainnet.search.candidates.objective_names import may_be_slow
from plainnet.search.executors.workers import Worker

__all__ = ["answer"]


def answer(worker: Worker, method: str, arguments: tuple[Any, ...]) -> Any:
    """The answer of a worker's method.

    An epoch makes millions of tuples and no cycle among them: looking for cycles, in its middle or once at its end, takes
    up to a fifth of its time. So that is put off, and what the epoch made is then moved to the oldest generation unseen.
    A function of the user's, or a proxy that builds networks, may make cycles, which are looked for after each epoch.
    """
    if method != "run" or not gc.isenabled():
        return getattr(worker, method)(*arguments)
    gc.disable()
    try:
        return worker.run(*arguments)
    finally:
        if not gc.get_freeze_count() and not any(map(may_be_slow, worker.config.objectives)):
            gc.freeze()
            gc.unfreeze()
        gc.enable()
