"""Which network is meant by a text in Python: a structure in any form that is read, or the name of a published one."""

from __future__ import annotations

from typing import NamedTuple

from plainnet.blocks.formats.foreign import read_network
from plainnet.blocks.rows.limits import DEFAULT_LIMITS, Limits
from plainnet.blocks.structure import Structure, parse
from plainnet.network.published import PublishedNetwork, named_network

__all__ = ["NamedNetwork", "as_network"]


class NamedNetwork(NamedTuple):
    """A network, with the settings that it was published with if it was, and what a reader should know of the reading."""

    structure: Structure
    published: PublishedNetwork | None = None
    notes: tuple[str, ...] = ()


def as_network(network: str | Structure, *, limits: Limits = DEFAULT_LIMITS) -> NamedNetwork:
    """The network of a string, a name or a structure; `StructureError` for what is none."""
    if isinstance(network, Structure):
        return NamedNetwork(network)
    published = named_network(network)
    if published is not None:
        return NamedNetwork(parse(published.structure, limits=limits), published)
    read = read_network(network, limits=limits)
    return NamedNetwork(read.structure, None, read.notes)
