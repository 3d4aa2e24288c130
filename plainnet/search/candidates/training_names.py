"""What a measurement that trains is called: train, and train@10 for ten epochs."""

from __future__ import annotations

from plainnet.errors import UsageError

__all__ = ["TRAIN", "is_training", "training_length"]

TRAIN = "train"
"""As long as the configuration says; train@10: for ten epochs (or iterations, where the configuration counts those)."""


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
