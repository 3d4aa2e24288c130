"""The rungs of a ladder of fidelity: what each costs more, fewer candidates reach."""

from __future__ import annotations

from dataclasses import dataclass

from plainnet.errors import UsageError

__all__ = ["Rung", "read_rung"]


@dataclass(frozen=True)
class Rung:
    """One rung: the best `keep` candidates are measured with `proxy`, `repeats` times at first and up to
    `max_repeats` times where they cannot be told apart.
    """

    proxy: str
    keep: int
    repeats: int = 2
    max_repeats: int = 32

    def __post_init__(self) -> None:
        if self.keep < 1 or self.repeats < 1 or self.max_repeats < self.repeats:
            raise UsageError(f"the rung {self} needs keep and repeats of at least 1, and max_repeats >= repeats")

    def __str__(self) -> str:
        return f"{self.proxy}:{self.keep}:{self.repeats}:{self.max_repeats}"


def read_rung(text: str) -> Rung:
    """The rung that a text means: PROXY:KEEP[:REPEATS[:MAX_REPEATS]]."""
    proxy, *numbers = text.rsplit(":", 3) if text.count(":") <= 3 else (text,)
    if not proxy or not 1 <= len(numbers) <= 3 or not all(number.isdigit() for number in numbers):
        raise UsageError(f"{text!r} is no rung; accepted: PROXY:KEEP[:REPEATS[:MAX_REPEATS]], such as zen_mc:32:2:32")
    return Rung(proxy, *map(int, numbers))
