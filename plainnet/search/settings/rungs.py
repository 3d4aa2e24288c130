"""The rungs of a ladder of fidelity: what each costs more, fewer candidates reach."""

from __future__ import annotations

from dataclasses import dataclass

from plainnet.errors import UsageError
from plainnet.proxies.calibrated.names import is_calibrated
from plainnet.search.candidates.training_names import is_training, training_length

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
        if is_training(self.proxy):
            training_length(self.proxy)
        if self.keep < 1 or self.repeats < 1 or self.max_repeats < self.repeats:
            raise UsageError(f"the rung {self} needs keep and repeats of at least 1, and max_repeats >= repeats")

    def __str__(self) -> str:
        return f"{self.proxy}:{self.keep}:{self.repeats}:{self.max_repeats}"


def read_rung(text: str) -> Rung:
    """The rung that a text means: PROXY:KEEP[:REPEATS[:MAX_REPEATS]]. A training is done once where nothing is said."""
    parts, numbers = text.split(":"), list[int]()
    while len(parts) > 1 and len(numbers) < 3 and parts[-1].isascii() and parts[-1].isdigit() and len(parts[-1]) < 10:
        numbers.insert(0, int(parts.pop()))
    proxy = ":".join(parts)
    if not proxy or not numbers or (":" in proxy and not is_calibrated(proxy)):
        raise UsageError(
            f"{text!r} is no rung; accepted: PROXY:KEEP[:REPEATS[:MAX_REPEATS]], such as zen_mc:32:2:32 or train@10:8"
        )
    if is_training(proxy):
        keep, repeats = numbers[0], numbers[1] if len(numbers) > 1 else 1
        return Rung(proxy, keep, repeats, numbers[2] if len(numbers) > 2 else repeats)
    return Rung(proxy, *numbers)
