"""What a record says of a network by itself: its structure, its parts, what it puts out, what it costs by counting."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from plainnet.blocks.parts import HEADS as IN_HEADS
from plainnet.blocks.parts import block_places, part_prefixes
from plainnet.blocks.rows.meaning_hash import meaning_hash
from plainnet.blocks.rows.shapes import Shape
from plainnet.blocks.rows.variants import PLAIN, Variant
from plainnet.blocks.structure import Structure as NetworkStructure
from plainnet.network.published import PublishedNetwork, published_networks
from plainnet.store.record import Cost, Output, Paper, Structure
from plainnet.store.record_names import as_word

__all__ = [
    "Described",
    "channel_meaning",
    "describe_module",
    "describe_network",
    "family_of",
    "parts_of",
    "published_as",
    "resolution_of",
]

HEADS = ("head", "fc", "classifier")
"""What classifiers are called."""
OWN = "plainnet"
"""The family of a network that is nobody's."""


@dataclass(frozen=True)
class Described:
    """The sections of a record that follow from the network. published: the network that it is, where it was published."""

    structure: Structure
    outputs: list[Output]
    cost: Cost
    published: PublishedNetwork | None = None

    def paper_at(self, url: str | None) -> Paper | None:
        """Where it was published: what is known of the network, and what a person says."""
        known = None if self.published is None else Paper(title=self.published.source)
        return known if url is None else (known or Paper()).model_copy(update={"url": url})

    @property
    def family(self) -> str:
        return family_of(None if self.published is None else self.published.name)


def describe_network(
    structure: NetworkStructure,
    size: Sequence[int],
    *,
    classes: Sequence[str] | None,
    num_classes: int | None,
    variant: Variant = PLAIN,
    norm_eps: float | None = None,
) -> Described:
    """A network string. size: (H, W). num_classes: outputs of the classifier, 0 or None for none."""
    shape = Shape(structure.in_channels, size[0], size[1])
    table = structure.at(shape, variant=variant)
    counts = table.counts(num_classes)
    features = counts.feature_shape
    brings_head = features.is_vector
    has_head = bool(num_classes) and not brings_head
    parts = {part: [prefix] for part, prefix in part_prefixes(block_places(structure)).items()}
    parts |= {"head": ["head."]} if has_head else {}
    own = [part for part in parts if part.startswith(f"{IN_HEADS}.")]
    head = "head" if has_head else own[0] if len(own) == 1 else "blocks"
    named = table.named_shapes or {head: counts.output_shape}
    outputs = [
        Output(
            head=name,
            channels=out.channels,
            classes=None if classes is None else list(classes),
            resolution=resolution_of(shape, out),
        )
        for name, out in named.items()
    ]
    about = Structure(
        constructor="PlainNet",
        string=str(structure),
        hash=structure.hash,
        variant=dict(variant.options()),
        norm_eps=norm_eps,
        code_hash=meaning_hash(table.rows(expand=True)),
        parts=parts,
        num_features=features.channels or None,
    )
    return Described(about, outputs, Cost(params=counts.params, macs=counts.macs), published_as(structure))


def resolution_of(image: Shape, out: Shape) -> str:
    """How large what is put out is, beside the image: "1" of a vector, "H,W" of a map as large, "H/4,W/4"."""
    if out.is_vector:
        return "1"
    sides = (("H", image.height, out.height), ("W", image.width, out.width))
    return ",".join(
        name if whole == part else f"{name}/{whole // part}" if whole % part == 0 else str(part)
        for name, whole, part in sides
    )


def describe_module(
    constructor: str,
    arguments: Mapping[str, Any],
    keys: Iterable[str],
    *,
    classes: Sequence[str] | None,
    params: int | None,
) -> Described:
    """A module that is no network string. keys: of its tensors."""
    about = Structure(constructor=constructor, arguments=dict(arguments), parts=parts_of(keys))
    channels = None if classes is None else len(classes)
    outputs = [
        Output(head="head", channels=channels, classes=None if classes is None else list(classes), resolution="1")
    ]
    return Described(about, outputs, Cost(params=params))


def parts_of(keys: Iterable[str]) -> dict[str, list[str]]:
    """The prefixes of tensors' names by part: classifiers are called head, fc or classifier; all else is the backbone."""
    tops = dict.fromkeys(key.partition(".")[0] + "." for key in keys if "." in key)
    head = [top for top in tops if top[:-1] in HEADS]
    return {"backbone": [top for top in tops if top not in head]} | ({"head": head} if head else {})


def published_as(structure: NetworkStructure) -> PublishedNetwork | None:
    """The published network of that string."""
    text = str(structure)
    return next((each for each in published_networks().values() if str(each.structure) == text), None)


def family_of(name: str | None) -> str:
    """The letters that a published name begins with: resnet of resnet18; plainnet for what was not published."""
    found = re.match(r"[A-Za-z]+", name or "")
    return as_word(found.group().lower()) if found else OWN


def channel_meaning(channels: int | None) -> str | None:
    """What the channels of images read from files are."""
    return {1: "grey", 3: "RGB", 4: "RGBA"}.get(channels or 0)
