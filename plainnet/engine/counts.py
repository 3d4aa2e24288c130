"""Numbers of things: whole, and at least one."""

from __future__ import annotations

from plainnet.errors import UsageError

__all__ = ["check_counts"]


def check_counts(*, least: int = 1, **counts: object) -> None:
    """Raise `UsageError` for an argument, by its name, that is no whole number from `least` on."""
    for name, value in counts.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise UsageError(f"{name} is {value!r}; accepted: whole numbers from {least}")
