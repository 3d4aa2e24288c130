"""Measurements that do not fit into memory, said so before or when they fail."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from plainnet.errors import UsageError
from plainnet.profiler.machine import machine_record

__all__ = ["check_memory", "memory_errors_as_usage"]

_SIGNS = (
    "out of memory",
    "not enough memory",
    "can't allocate memory",
    "invalid buffer size",
    "size calculation overflowed",
)
"""How torch's allocators say it, next to `MemoryError` and `torch.OutOfMemoryError`."""


def check_memory(what: str, needed_bytes: float, device: str) -> None:
    """`UsageError` if the activations alone are more than this machine's memory: then nothing is tried, as a system that
    promises more memory than it has would end the process. Accelerators say it themselves.
    """
    there = machine_record()["memory_bytes"]
    if device.startswith("cpu") and there is not None and needed_bytes > there:
        needs = f"its activations take {needed_bytes / 2**30:,.1f} GiB, and this machine has {there / 2**30:,.1f} GiB"
        raise UsageError(_message(what, needs))


@contextmanager
def memory_errors_as_usage(what: str) -> Iterator[None]:
    """Turn the errors of allocators into a `UsageError` that says what was measured and what can be done."""
    try:
        yield
    except (RuntimeError, MemoryError, UsageError) as error:
        text = str(error)
        if not isinstance(error, MemoryError) and not any(sign in text.lower() for sign in _SIGNS):
            raise
        reason = text.splitlines()[0][:300] if text else type(error).__name__
        raise UsageError(_message(what, reason)) from error


def _message(what: str, reason: str) -> str:
    return (
        f"not enough memory for {what}: {reason}; "
        "accepted: a smaller resolution or batch, or counts alone (--no-latency --no-zen; latency=False, zen=False)"
    )
