"""Variants of a whole network, as the field uses them."""

from __future__ import annotations

from dataclasses import dataclass

from plainnet.blocks.layers import ACTIVATIONS
from plainnet.errors import UsageError, nearest

__all__ = ["PLAIN", "Variant"]


@dataclass(frozen=True)
class Variant:
    """How every block of a network is read.

    use_se: squeeze-excite after the last spatial convolution of every residual unit (the ImageNet ZenNets by MACs were
        trained so).
    no_reslink: residual units without their shortcuts and projections (what the Zen-score is defined on).
    no_bn: no batch norm (a squeeze-excite gate keeps its own).
    activation: in place of every ReLU outside of gates; one of `plainnet.blocks.layers.ACTIVATIONS`.
    """

    use_se: bool = False
    no_reslink: bool = False
    no_bn: bool = False
    activation: str = "relu"

    def __post_init__(self) -> None:
        if self.activation not in ACTIVATIONS:
            near = nearest(self.activation, ACTIVATIONS)
            raise UsageError(
                f"unknown activation {self.activation!r}; accepted: {', '.join(ACTIVATIONS)}"
                + (f"; did you mean {near}?" if near else "")
            )

    def options(self) -> dict[str, bool | str]:
        """The options that differ from the plain network, by name."""
        return {name: value for name, value in vars(self).items() if value != getattr(PLAIN, name)}

    def __str__(self) -> str:
        return " ".join(name if value is True else f"{name}={value}" for name, value in self.options().items())


PLAIN = Variant()
