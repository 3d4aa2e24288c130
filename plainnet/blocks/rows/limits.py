"""What is still called a network: totals over which no machine is asked to build it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DEFAULT_LIMITS", "MOST_SIDE", "Limits"]

MOST_SIDE = 65_536
"""Pixels of a side of an image: nothing is built, counted or searched for larger ones."""


@dataclass(frozen=True)
class Limits:
    """Totals that a structure must not exceed. Raise them with `parse(text, limits=Limits(max_params=...))`."""

    max_params: int = 10_000_000_000
    """Learnable scalars: ten thousand millions, 40 GB in single precision."""
    max_layers: int = 10_000
    """Layers of the network, as the published work counts them."""


DEFAULT_LIMITS = Limits()
