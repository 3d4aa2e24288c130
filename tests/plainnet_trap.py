"""What files that are data name in vain: whoever imports this has run code that a file named."""

from __future__ import annotations

__all__ = ["Trap"]


class Trap:
    """Whatever was asked for."""

    def __init__(self, *given: object, **named: object) -> None:
        raise AssertionError(f"a file that is data named code, and it was called with {given} {named}")
