"""How every executor calls a worker."""

from __future__ import annotations

import gc
from typing import Any

from plainnet.search.workers import Worker

__all__ = ["answer"]


def answer(worker: Worker, method: str, arguments: tuple[Any, ...]) -> Any:
    """The answer of a worker's method.

    An epoch makes millions of tuples and hardly a cycle among them: looking for cycles would take a fifth of its time,
    so that is put off until it is over.
    """
    if method != "run" or not gc.isenabled():
        return getattr(worker, method)(*arguments)
    gc.disable()
    try:
        return worker.run(*arguments)
    finally:
        gc.enable()
