"""Parts and blocks of networks as networks by themselves, for the table of support: what fails says where.

A backbone is a network. A neck or a head is put behind convolutions that give it the maps that it takes
(`plainnet.templates.part_alone`). A block of each kind is a network of that block alone, as it occurs most often.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from plainnet.blocks.base import PlainNetBasicBlockClass
from plainnet.blocks.families.references import From, Outputs
from plainnet.blocks.parts import BACKBONE, NECK, block_places, part_prefixes
from plainnet.blocks.rows.shapes import Shape
from plainnet.blocks.rows.variants import PLAIN
from plainnet.blocks.structure import Structure, parse
from plainnet.errors import PlainnetError
from plainnet.network.published import NORM_EPS, published_networks
from plainnet.platforms.support import Kind, Listed, PartWeights
from plainnet.templates.part_alone import CLASSIFIER, PART, lone_part
from plainnet.templates.taken_apart import own_blocks, taken_apart

__all__ = ["BLOCKS", "backbone_name", "blocks_alone", "head_names", "parts_alone"]

BLOCKS = "blocks/"
"""What the names of single blocks begin with."""


def backbone_name(structure: Structure) -> str:
    """Which backbone a network has: the published network whose blocks it has, else #HASH of its blocks."""
    own = own_blocks(structure, BACKBONE)
    for name, network in published_networks().items():
        if network.structure == own:
            return name
    return f"#{own.hash}"


def head_names(structure: Structure, num_classes: int) -> str:
    """What a network ends with: its heads, or its classes."""
    try:
        heads = [part for part in taken_apart(structure) if part not in (BACKBONE, NECK)]
    except PlainnetError:
        heads = []
    return ", ".join(heads) or (f"{num_classes:,} classes" if num_classes else "none")


def parts_alone(listed: Listed) -> list[Listed]:
    """The parts of a network, each called NETWORK/PART; of one in no parts its backbone, and its classifier. A part that is
    nothing by itself is left out: it takes a vector, or a value of the middle of another part that has no name.
    """
    structure = listed.structure
    components: Mapping[str, Mapping[str, Any]]
    try:
        components = taken_apart(structure, listed.size)
    except PlainnetError:
        components = {part: {} for part in (BACKBONE, CLASSIFIER) if part == BACKBONE or listed.num_classes}
    found = []
    for part in components:
        try:
            if part == BACKBONE:
                own = own_blocks(structure, BACKBONE)
            else:
                lone = lone_part(
                    structure,
                    part,
                    listed.size,
                    variant=listed.variant,
                    num_classes=listed.num_classes,
                    components=components,
                )
                own = parse(lone.alone(listed.size), limits=structure.limits)
        except PlainnetError:
            continue
        kind: Kind = "backbone" if part == BACKBONE else "neck" if part == NECK else "head"
        found.append(
            replace(
                listed,
                name=f"{listed.name}/{part}",
                structure=own,
                num_classes=0,
                part=_weights_of(structure, part, own),
                kind=kind,
                backbone="" if kind != "backbone" else listed.backbone,
                head="" if kind != "head" else part,
            )
        )
    return found


def _weights_of(structure: Structure, part: str, own: Structure) -> PartWeights:
    """Where a part's weights are in its network, and in the network that it is by itself."""
    places = block_places(structure)
    source = {**part_prefixes(places), CLASSIFIER: f"{CLASSIFIER}."}[part]
    target = part_prefixes(block_places(own))[BACKBONE] if part == BACKBONE else f"{PART}."
    return PartWeights(source, target, places)


def blocks_alone(networks: Sequence[Listed]) -> list[Listed]:
    """A network of each kind of block that the networks are made of, the most frequent kind first: as the block occurs most
    often, at the size that it has there in the first network that it is in, in the plain variant.
    """
    kinds = Counter[str]()
    texts: dict[str, Counter[str]] = {}
    first: dict[str, tuple[Structure, tuple[int, int]]] = {}
    for listed in networks:
        for block, shape in _placed(listed):
            kinds[block.name] += 1
            alone = _alone(block, shape)
            if alone is not None:
                text = str(alone)
                texts.setdefault(block.name, Counter())[text] += 1
                size = (shape.height, shape.width) if not shape.is_vector else listed.size
                first.setdefault(text, (alone, size))
    ordered = sorted(texts, key=lambda name: (-kinds[name], name))
    found = []
    for name in ordered:
        (text, _), *_ = texts[name].most_common(1)
        alone, size = first[text]
        found.append(Listed(f"{BLOCKS}{name}", text, alone, size, 0, NORM_EPS, PLAIN, kind="block"))
    return found


def _placed(listed: Listed) -> Iterator[tuple[PlainNetBasicBlockClass, Shape]]:
    """The outermost blocks of a network that are more than references, each with what it is given."""
    structure = listed.structure
    before = Shape(structure.in_channels, *listed.size)
    walked = structure.trace(before, variant=listed.variant)
    for block, out in zip(structure.blocks, walked.shapes, strict=True):
        if not isinstance(block, From | Outputs):
            yield block, before
        before = out


def _alone(block: PlainNetBasicBlockClass, given: Shape) -> Structure | None:
    """A network of one block; None for one that takes values of elsewhere."""
    bare = str(block.with_label(None))
    before = f"AdaptiveAvgPool({given.channels},1)Flatten({given.channels})" if given.is_vector else ""
    try:
        return parse(before + bare)
    except PlainnetError:
        return None
