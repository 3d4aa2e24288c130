"""Variants of a whole network, as the field uses them."""

from __future__ import annotations

from dataclasses import dataclass

from plainnet.blocks.rows.layers import ACTIVATIONS
from plainnet.errors import UsageError, nearest

__all__ = ["PLAIN", "Variant", "as_variant"]


@dataclass(frozen=True)
class Variant:
    """How every block of a network is read.

    use_se: squeeze-excite after the last spatial convolution of every residual unit (the ImageNet ZenNets by MACs were
        trained so).
    no_reslink: residual units without their shortcuts and projections (what the Zen-score is defined on).
    no_bn: no batch norm (a squeeze-excite gate keeps its own).
    activation: in place of every ReLU outside of gates; one of `plainnet.blocks.rows.layers.ACTIVATIONS`.
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
        if self is PLAIN:  # the usual case
            return {}
        return {name: value for name, value in vars(self).items() if value != getattr(PLAIN, name)}

    def __str__(self) -> str:
        return " ".join(name if value is True else f"{name}={value}" for name, value in self.options().items())


PLAIN = Variant()


def as_variant(
    variant: object,
    *,
    use_se: bool = False,
    no_reslink: bool = False,
    no_bn: bool = False,
    activation: str = "relu",
) -> Variant:
    """The variant that a function is called with: a `Variant` (or None for the plain network), or its options by name.

    `UsageError` for what is no variant, and for a variant together with options.
    """
    if use_se or no_reslink or no_bn or activation != "relu":
        options = Variant(use_se, no_reslink, no_bn, activation)
        if variant is None or variant == PLAIN:
            return options
        raise UsageError(f"variant is {variant!r}, and {options} is given by name; accepted: one of the two")
    if variant is None:
        return PLAIN
    if not isinstance(variant, Variant):
        raise UsageError(f"variant is {variant!r}; accepted: a plainnet.Variant, such as Variant(use_se=True)")
    return variant
