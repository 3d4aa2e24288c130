"""The rungs of a ladder of fidelity: what each costs more, fewer candidates reach."""

from __future__ import annotations

from dataclasses import dataclass

from plainnet.errors import UsageError
from plainnet.proxies.calibrated.names import is_calibrated

__all__ = ["TRAIN", "Rung", "is_training", "read_rung", "training_length"]

TRAIN = "train"
"""The rung that trains; train@10: for ten epochs (or iterations, where the configuration counts those)."""


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


def is_training(proxy: str) -> bool:
    """Whether a rung trains its candidates."""
    return proxy == TRAIN or proxy.startswith(f"{TRAIN}@")


def training_length(proxy: str) -> int | None:
    """How long a rung trains; None for as long as the configuration says. `UsageError` for what is no length."""
    _, mark, text = proxy.partition("@")
    if not mark:
        return None
    if not (text.isascii() and text.isdigit() and int(text[:9]) >= 1 and len(text) < 9):
        raise UsageError(f"{proxy!r} has no length; accepted: {TRAIN}@N with N epochs of at least 1, or {TRAIN} alone")
    return int(text)
