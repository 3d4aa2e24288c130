"""Which network is meant in Python, by a text of any kind or by a value, for the rooms that know nothing of runs and files."""

from __future__ import annotations

from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plainnet.blocks.rows.limits import DEFAULT_LIMITS, Limits
from plainnet.blocks.rows.variants import PLAIN, Variant
from plainnet.blocks.structure import Structure
from plainnet.errors import UsageError
from plainnet.names import resolved

if TYPE_CHECKING:
    from torch import nn

__all__ = ["NamedNetwork", "as_network", "is_name"]


@dataclass(frozen=True)
class NamedNetwork:
    """A network with what goes with it; None, and the plain variant, for what nobody knows.

    structure: None for a module that is none. module: that one, and a PlainNet that is there already.
    weights: the file of its trained weights. notes: what a reader should know of the reading.
    """

    structure: Structure | None
    module: nn.Module | None = None
    name: str | None = None
    resolution: int | tuple[int, int] | None = None
    num_classes: int | None = None
    variant: Variant = PLAIN
    norm_eps: float | None = None
    weights: Path | None = None
    with_se: bool = False
    notes: tuple[str, ...] = ()

    def as_structure(self) -> Structure:
        """The structure; `UsageError` for a module, which has none."""
        if self.structure is None:
            raise UsageError(f"{self.name} is a module, no structure; accepted here: what has a structure")
        return self.structure

    def varied(self, variant: Variant) -> Variant:
        """The network's own variant with what a caller says; the plain variant says nothing."""
        if variant == PLAIN:
            return self.variant
        said: dict[str, Any] = dict(variant.options())
        return replace(self.variant, **said)


def is_name(network: object) -> bool:
    """Whether a network is named: by a text, a path, or what `plainnet.resolve` made of one."""
    return isinstance(network, (str, PathLike)) or hasattr(network, "saying")


def as_network(network: Any, *, limits: Limits = DEFAULT_LIMITS) -> NamedNetwork:
    """The network of whatever `plainnet.resolve` takes; it raises the errors."""
    if isinstance(network, Structure):
        return NamedNetwork(network)
    subject = resolved(network, limits=limits)

    def known(value: Any) -> Any:
        return None if value.is_default else value.value

    return NamedNetwork(
        subject.structure,
        None if subject.structure is not None else subject.network,
        subject.name,
        known(subject.resolution),
        known(subject.num_classes),
        subject.variant.value,
        known(subject.norm_eps),
        subject.weights,
        subject.with_se,
        subject.notes,
    )
