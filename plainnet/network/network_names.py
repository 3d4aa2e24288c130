"""Which network is meant in Python, by a text of any kind or by a value, for the rooms that know nothing of runs and files."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plainnet.blocks.rows.limits import DEFAULT_LIMITS, Limits
from plainnet.blocks.rows.variants import PLAIN, Variant
from plainnet.blocks.structure import Structure, parse
from plainnet.errors import StructureError, UsageError
from plainnet.names import resolved

if TYPE_CHECKING:
    from torch import nn

__all__ = ["NamedNetwork", "as_network", "at_its_size", "is_name"]

Size = int | tuple[int, int]


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


def at_its_size(
    network: Any, resolution: Size | None, *, otherwise: int, variant: Variant = PLAIN
) -> tuple[Structure, Size, Variant]:
    """The structure of a network that is named in any way, the input size at which it is asked about, and its variant: what
    the caller says, then what is known of the network, then the size `otherwise` and the plain variant.

    A network string is read without a look at the disk: a closed form takes microseconds. Raises what `plainnet.resolve`
    raises, and `UsageError` for a module that is no structure.
    """
    if isinstance(network, str) and "(" in network:
        with suppress(
            StructureError
        ):  # it may name a file, or be written in another form; if not, the same is said again
            network = parse(network)
    if isinstance(network, Structure):
        return network, otherwise if resolution is None else resolution, variant
    named = as_network(network)
    known = named.resolution if resolution is None else resolution
    return named.as_structure(), otherwise if known is None else known, named.varied(variant)
