"""What a hook or a trainer of yours says to the same code in the other processes. With one process each of them costs nothing.

Every process must come to `barrier`, `broadcast` and `gather`, in the same order: one that does not keeps the others waiting.
So none of them belongs under `if is_main_process():`.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from typing import Any, NoReturn, ParamSpec, TypeVar

from plainnet.engine.processes.process_group import process_count, process_number
from plainnet.errors import RunError, UsageError

__all__ = ["abort", "barrier", "broadcast", "gather", "main_process"]

P = ParamSpec("P")
T = TypeVar("T")


def _together() -> bool:
    """Whether there are others, who have been joined."""
    from torch import distributed

    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_world_size() > 1
    if process_count() > 1:
        raise UsageError(f"the {process_count()} processes have not joined yet: a trainer or a tester makes them")
    return False


def main_process(function: Callable[P, T]) -> Callable[P, T | None]:
    """A function that is called in the first process alone; in the others it does nothing and gives None.

        @main_process
        def save(path, text):
            path.write_text(text)

    What it gives is given to all with `broadcast(save(...))`.
    """

    @functools.wraps(function)
    def only_there(*arguments: P.args, **options: P.kwargs) -> T | None:
        return function(*arguments, **options) if process_number() == 0 else None

    return only_there


def barrier() -> None:
    """Wait until all processes are here."""
    if not _together():
        return
    from torch import distributed

    distributed.barrier()


def broadcast(value: T, *, source: int = 0) -> T:
    """The value of process `source` in every process; what the others give is not looked at.

    Numbers, words, tensors, and lists and mappings of them; anything that can be pickled, since it comes from a process of the
    same run. Tensors come on the CPU. Raises `UsageError` for a process that there is not.
    """
    count = process_count() if _together() else 1
    if not 0 <= source < count:
        raise UsageError(f"source is {source}; accepted: 0 to {count - 1}, the number of a process")
    if count == 1:
        return value
    from torch import distributed

    held: list[Any] = [_on_cpu(value) if process_number() == source else None]
    distributed.broadcast_object_list(held, src=source)
    given: T = held[0]
    return given


def gather(value: T) -> list[T]:
    """The values of all processes, in the order of their numbers, in every process. What a value may be: as for `broadcast`."""
    if not _together():
        return [value]
    from torch import distributed

    values: list[Any] = [None] * process_count()
    distributed.all_gather_object(values, _on_cpu(value))
    return values


def abort(why: str) -> NoReturn:
    """End the run in all processes with exit code 1, whatever the others are waiting for.

    With one process, a `RunError`. With several this one ends on the spot, having said why; the launcher (`--processes`,
    torchrun, mpirun, `srun --kill-on-bad-exit`) ends the others.
    """
    if process_count() == 1:
        raise RunError(why)
    sys.stdout.flush()
    print(f"process {process_number()} ends the run: {why}", file=sys.stderr, flush=True)
    os._exit(1)


def _on_cpu(value: Any) -> Any:
    """The value with tensors on the CPU, without their history: they may be of another device than the next process's."""
    from accelerate.utils import recursively_apply

    return recursively_apply(lambda tensor: tensor.detach().cpu(), value)
