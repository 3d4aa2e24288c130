"""Which way a metric is better."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

__all__ = ["is_made_small", "loss_names"]


def is_made_small(metric: str, *, mode: str = "auto", losses: Collection[str] = ()) -> bool:
    """Whether less of it is better: as `mode` says ("min", "max"), and with "auto" where it is a loss: one of `losses`, the names
    of a task's own, or with `loss` in its name.
    """
    if mode != "auto":
        return mode == "min"
    return metric in losses or "loss" in metric.lower()


def loss_names(model: Any) -> tuple[str, ...]:
    """The names that a task's losses have among the metrics; none of what is no `Task`."""
    return tuple(loss.name for loss in getattr(model, "named_losses", ()))
