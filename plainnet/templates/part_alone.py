"""A neck or a head as a network by itself: behind convolutions that give it maps of the channels and strides that it takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from plainnet.blocks.families.references import Outputs
from plainnet.blocks.levels import feature_levels, strides_of
from plainnet.blocks.parts import HEADS, NECK, part_of
from plainnet.blocks.rows.shapes import Shape, as_input_shape
from plainnet.blocks.rows.variants import PLAIN, Variant
from plainnet.blocks.structure import Structure, parse
from plainnet.blocks.text.reader import read_blocks
from plainnet.errors import UsageError, nearest
from plainnet.templates.components import compose
from plainnet.templates.necks import classification_head
from plainnet.templates.taken_apart import taken_apart

__all__ = ["CLASSIFIER", "PART", "LonePart", "lone_part", "part_alone", "stand_in"]

CLASSIFIER = "head"
"""The linear layer that PlainNet puts behind a network in no parts."""

PART = f"{HEADS}.part"
"""What the part is called in its network."""
IN_CHANNELS = 3


def stand_in(takes: Mapping[str, tuple[int, int]]) -> str:
    """1x1 convolutions in place of a backbone. takes: name -> (channels, stride) of each map.

    >>> stand_in({"c4": (64, 16), "c3": (32, 8)})
    'ConvKXBias(c3|3,32,1,8)ConvKXBias(c4|32,64,1,2)'
    """
    text, width, before = "", IN_CHANNELS, 1
    for name, (channels, stride) in sorted(takes.items(), key=lambda item: item[1][1]):
        if stride % before:
            raise UsageError(f"{name} has the stride {stride} behind one of {before}; accepted: a multiple of it")
        text += f"ConvKXBias({name}|{width},{channels},1,{stride // before})"
        width, before = channels, stride
    return text


def part_alone(
    blocks: str, takes: Mapping[str, tuple[int, int]], *, gives: Sequence[str] = (), resolution: tuple[int, int]
) -> str:
    """The network string. What it puts out is one tensor in which every value has a share: a vector as it is, one map, or the
    means of several maps beside each other. The part's blocks are `heads.part`.

    blocks, takes: of a component. gives: names of values that it puts out, where its string does not end with `Outputs`; its last
    one by default. Raises `UsageError` for a part that puts out vectors beside others, and what `compose` raises.
    """
    *_, last = read_blocks(blocks)
    if gives and not isinstance(last, Outputs):
        blocks += f"Outputs({','.join(gives)})"
    component = {"blocks": blocks, "from": [f"backbone.{name}" for name in takes]}
    text = compose(stand_in(takes), heads={"part": component}, resolution=resolution)
    structure = parse(text)
    names = structure.output_names
    if not names:
        return text
    text = "".join(map(str, structure.blocks[:-1]))
    walked = structure.trace(as_input_shape(structure.in_channels, resolution))
    shapes = {block.label: shape for block, shape in zip(structure.blocks, walked.shapes, strict=True) if block.label}
    if any(shapes[name].is_vector for name in names):
        raise UsageError(f"it puts out {', '.join(names)}, and vectors among them; accepted: maps, or one vector")
    if len(names) == 1:
        return text if structure.blocks[-2].label == names[0] else f"{text}From({names[0]})"
    means = ";".join(f"From({name})AdaptiveAvgPool({shapes[name].channels},1)" for name in names)
    return f"{text}MultiCatBlock({means})"


@dataclass(frozen=True)
class LonePart:
    """A neck or a head as a component. source: the whole names of the values that it takes in its network, none for the last one.
    takes: by the names that its string has for them, (channels, stride). gives: what others take of a neck.
    """

    blocks: str
    source: tuple[str, ...]
    takes: Mapping[str, tuple[int, int]]
    gives: tuple[str, ...] = ()

    def alone(self, resolution: tuple[int, int]) -> str:
        """The string of the part as a network by itself, see `part_alone`."""
        return part_alone(self.blocks, self.takes, gives=self.gives, resolution=resolution)


def lone_part(
    network: Structure,
    part: str,
    size: tuple[int, int],
    *,
    variant: Variant = PLAIN,
    num_classes: int | None = None,
    components: Mapping[str, Mapping[str, object]] | None = None,
) -> LonePart:
    """A part of a network: "neck", "heads.masks", or "head", the classifier behind a network in no parts.

    size: of the images. num_classes: of the classifier. components: what `taken_apart` made of the network. Raises `UsageError`
    for a part that the network does not have, or that takes no maps of a stride.
    """
    shape = Shape(network.in_channels, *size)
    if part == CLASSIFIER:
        last = feature_levels(network, shape, variant=variant)[-1]
        if last.reduction is None or not num_classes:
            raise UsageError("the classifier is behind a map of a fixed size, and is nothing by itself")
        blocks = classification_head(last.channels, num_classes)
        return LonePart(blocks, (), {"out": (last.channels, last.reduction)})
    known = taken_apart(network, size) if components is None else components
    if part not in known:
        near = nearest(part, known)
        hint = f"; did you mean {near}?" if near else ""
        raise UsageError(f"the network has no part {part!r}; it has {', '.join(known)}{hint}")
    source = _sources(known[part])
    wanted = [name for head, each in known.items() if head.startswith(f"{HEADS}.") for name in _sources(each)]
    gives = dict.fromkeys(name.removeprefix(f"{NECK}.") for name in wanted if part_of(name) == NECK)
    takes = _maps(network, part, source, shape, variant)
    return LonePart(str(known[part]["blocks"]), source, takes, tuple(gives) if part == NECK else ())


def _sources(component: Mapping[str, object]) -> tuple[str, ...]:
    found = component["from"]
    return tuple(map(str, found)) if isinstance(found, list | tuple) else ()


def _maps(
    network: Structure, part: str, source: Sequence[str], shape: Shape, variant: Variant
) -> dict[str, tuple[int, int]]:
    """(channels, stride) of the values that a part takes, by the last part of their names."""
    walked = network.trace(shape, variant=variant)
    strides, found = strides_of(walked.rows), dict[str, tuple[int, int]]()
    for block, out, value in zip(network.blocks, walked.shapes, walked.values, strict=True):
        if block.label is not None and block.label in source and value is not None:
            stride = strides[value]
            if out.is_vector or stride is None:
                raise UsageError(f"{part} takes {block.label}, which is no map of a stride, and is nothing by itself")
            found[block.label] = (out.channels, stride)
    return {name.rpartition(".")[2]: found[name] for name in source}
