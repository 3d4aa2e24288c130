"""The parts of a network: which of its blocks are the backbone, the neck and the heads. The labels of its blocks say it.

A label `backbone.NAME`, `neck.NAME`, `heads.HEAD` or `heads.HEAD.NAME` on an outermost block begins that part, or goes on with
it; a block without such a label belongs to the part of the block before it. A network is in parts where its first block has
such a label. Labels are no part of what a network is: they only say what its tensors, and its values, are called.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from plainnet.blocks.structure import Structure

__all__ = [
    "BACKBONE",
    "BLOCKS",
    "HEADS",
    "NECK",
    "block_places",
    "name_at",
    "name_in_blocks",
    "part_of",
    "part_prefixes",
]

BACKBONE, NECK, HEADS, BLOCKS = "backbone", "neck", "heads", "blocks"
_LABEL = re.compile(r"((?:backbone|neck)(?=\..)|heads\.[A-Za-z][A-Za-z0-9_]*(?=\..|$))")
_PLACED = re.compile(r"((?:backbone|neck|heads\.[A-Za-z0-9_]+)\.[0-9]{1,6})\.(.+)")
_NUMBERED = re.compile(r"(backbone|blocks)\.([0-9]{1,6})\.(.+)")


def part_of(label: str | None) -> str | None:
    """The part that a label names: "heads.masks" of `heads.masks` and of `heads.masks.c3`; None for other labels."""
    found = _LABEL.match(label or "")
    return found[1] if found else None


def block_places(structure: Structure) -> tuple[str, ...]:
    """How the names of each block's tensors begin: "backbone.0", "backbone.1", "neck.0", ...; "blocks.0", "blocks.1", ... where
    the network is in no parts.
    """
    part = part_of(structure.blocks[0].label)
    if part is None:
        return tuple([f"{BLOCKS}.{number}" for number in range(len(structure))])
    counts: dict[str, int] = {}
    places = []
    for block in structure.blocks:
        part = part_of(block.label) or part
        counts[part] = counts.get(part, -1) + 1
        places.append(f"{part}.{counts[part]}")
    return tuple(places)


def part_prefixes(places: Sequence[str]) -> dict[str, str]:
    """Part -> how the names of its tensors begin: {"backbone": "backbone.", "neck": "neck.", "heads.masks": "heads.masks."};
    {"backbone": "blocks."} where the network is in no parts.
    """
    tops = dict.fromkeys(place.rpartition(".")[0] for place in places)
    return {BACKBONE if top == BLOCKS else top: f"{top}." for top in tops}


def name_at(name: str, places: Sequence[str]) -> str:
    """A tensor's name in the network of these places: one without the parts (`blocks.12.conv1.weight`) gets its part, and one of
    a backbone stands in a network without parts as what its first blocks are; any other stays.
    """
    found = _NUMBERED.fullmatch(name)
    if found is None:
        return name
    kind, number, rest = found[1], int(found[2]), found[3]
    in_parts = not places[0].startswith(f"{BLOCKS}.")
    if number >= len(places) or in_parts == (kind == BACKBONE):
        return name
    return f"{places[number]}.{rest}"


def name_in_blocks(name: str, places: Sequence[str]) -> str:
    """A tensor's name in a network of these places without its parts: `blocks.12.conv1.weight`; the other way round."""
    found = _PLACED.fullmatch(name)
    return f"{BLOCKS}.{places.index(found[1])}.{found[2]}" if found and found[1] in places else name
