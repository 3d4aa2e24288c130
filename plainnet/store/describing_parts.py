"""What a record says of a neck or a head by itself: its string, what it takes, what it puts out, what it costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from plainnet.blocks.parts import BACKBONE, NECK
from plainnet.blocks.rows.meaning_hash import meaning_hash
from plainnet.blocks.rows.shapes import Shape
from plainnet.blocks.rows.variants import Variant
from plainnet.blocks.structure import Structure as NetworkStructure
from plainnet.blocks.structure import parse
from plainnet.errors import RunError, StructureError, UsageError
from plainnet.store.describing import Described, resolution_of
from plainnet.store.record import Cost, Output, Record, Structure
from plainnet.templates.part_alone import CLASSIFIER, lone_part, part_alone, stand_in
from plainnet.templates.taken_apart import backbone_of

__all__ = ["COMPONENT", "Taken", "Wiring", "component_in", "described_part", "kind_of_part", "lone_string", "wiring_of"]

COMPONENT = "component"
"""The constructor of what is no network by itself."""
SIDE = 1 << 16


class Taken(BaseModel):
    """A value that a part takes."""

    model_config = ConfigDict(strict=True, extra="forbid")
    channels: int = Field(ge=1, le=1 << 20)
    stride: int = Field(ge=1, le=SIDE, description="Pixels of the image for one of the map.")


class Wiring(BaseModel):
    """The arguments of a part's record. source: where it took its values in the network that it is from, by their whole names,
    none for the last one; takes: by the names that its string has for them; gives: what others take of a neck.
    """

    model_config = ConfigDict(strict=True, extra="forbid")
    source: list[str]
    takes: dict[str, Taken]
    gives: list[str] = []

    def maps(self) -> dict[str, tuple[int, int]]:
        """Name -> (channels, stride)."""
        return {name: (each.channels, each.stride) for name, each in self.takes.items()}


def kind_of_part(part: str) -> str:
    """neck of "neck", head of "head" and "heads.masks"."""
    return NECK if part == NECK else "head"


def wiring_of(record: Record) -> Wiring:
    """What the record of a neck or a head says of its place; `RunError` for what cannot be."""
    try:
        found: Wiring = Wiring.model_validate(record.structure.arguments)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        name = f"{record.identity.name}.{record.identity.tag}"
        raise RunError(f"{name} is damaged: structure.arguments.{where}: {first['msg']}") from None
    return found


def lone_string(record: Record) -> str:
    """The string of a neck or a head as a network by itself (`plainnet.templates.part_alone`); `RunError` for a record that
    gives none.
    """
    wiring, size = wiring_of(record), record.input.trained_at
    name = f"{record.identity.name}.{record.identity.tag}"
    if record.structure.string is None or size is None or len(size) != 2:
        raise RunError(f"{name} is damaged: it has no string, or no size")
    try:
        return part_alone(record.structure.string, wiring.maps(), gives=wiring.gives, resolution=(size[0], size[1]))
    except (StructureError, UsageError) as error:
        raise RunError(f"the string of {name} cannot be used: {error}") from None


def described_part(
    network: NetworkStructure,
    part: str,
    size: tuple[int, int],
    *,
    variant: Variant,
    norm_eps: float,
    outputs: Sequence[Output],
    prefixes: Sequence[str],
) -> Described:
    """The sections of the record of a part ("neck", "heads.masks", "head") of a network.

    outputs, prefixes: of the network's record. Raises `UsageError` for a part that the network does not have, or that is nothing
    by itself.
    """
    shape = Shape(network.in_channels, *size)
    found = lone_part(network, part, size, variant=variant, num_classes=_classes(outputs))
    takes = {name: Taken(channels=channels, stride=stride) for name, (channels, stride) in found.takes.items()}
    wiring = Wiring(source=list(found.source), takes=takes, gives=list(found.gives))
    own = [each for each in outputs if part == CLASSIFIER or each.head == part or each.head.startswith(f"{part}.")]
    gives = own if part != NECK else _levels(network, shape, variant, wiring)
    alone = parse(found.alone(size))
    before = parse(stand_in(found.takes)).at(Shape(alone.in_channels, *size), variant=variant).counts(0)
    table = alone.at(Shape(alone.in_channels, *size), variant=variant)
    whole = table.counts(0)
    about = Structure(
        constructor=COMPONENT,
        arguments=wiring.model_dump(mode="json"),
        string=found.blocks,
        variant=dict(variant.options()),
        norm_eps=norm_eps,
        code_hash=meaning_hash(table.rows(expand=True)),
        parts={part: list(prefixes)},
    )
    return Described(about, gives, Cost(params=whole.params - before.params, macs=whole.macs - before.macs))


def component_in(
    network: NetworkStructure, part: str, size: tuple[int, int], variant: Variant, outputs: Sequence[Output]
) -> dict[str, Any]:
    """A part of a network as a component: `blocks`, and `from`. outputs: of the network's record."""
    if part == BACKBONE:
        return {"blocks": backbone_of(network), "from": []}
    found = lone_part(network, part, size, variant=variant, num_classes=_classes(outputs))
    return {"blocks": found.blocks, "from": list(found.source)}


def _classes(outputs: Sequence[Output]) -> int | None:
    return outputs[0].channels if outputs else None


def _levels(network: NetworkStructure, shape: Shape, variant: Variant, wiring: Wiring) -> list[Output]:
    """What others take of a neck."""
    walked = network.trace(shape, variant=variant)
    named: Mapping[Any, Shape] = {
        block.label: out for block, out in zip(network.blocks, walked.shapes, strict=True) if block.label is not None
    }
    return [
        Output(head=f"{NECK}.{name}", channels=out.channels, resolution=resolution_of(shape, out))
        for name in wiring.gives
        for out in (named[f"{NECK}.{name}"],)
    ]
