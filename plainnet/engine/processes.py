"""One of several processes: which one this is, without asking torch, and how it leaves the others."""

from __future__ import annotations

import os

__all__ = ["is_main_process", "leave_the_others"]


def is_main_process() -> bool:
    """Whether this is the only process, or the first of those that torchrun or accelerate started."""
    return os.environ.get("RANK", "0") == "0"


def leave_the_others() -> None:
    """End the common work of all processes, once nothing is left to do: gloo's threads must not outlive the interpreter,
    which may abort the process at its exit.
    """
    from torch import distributed

    if distributed.is_available() and distributed.is_initialized():
        distributed.barrier()
        distributed.destroy_process_group()
