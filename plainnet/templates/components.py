"""Whole networks of components: a backbone, a neck, heads, each a string or one of our templates, and the wires between them.

    compose(
        "ConvKXBNRELU(3,16,3,2)ConvKXBNRELU(16,32,3,2)ConvKXBNRELU(32,64,3,2)",
        neck={"type": "fpn", "from": ["backbone.c2", "backbone.c3"], "channels": 24},
        heads={"masks": {"type": "dense", "from": "neck.p2", "num_classes": 11}},
    )

The result is one network string. Names in it are those of the components behind `backbone.`, `neck.` or `heads.NAME.`, so that
they say which block belongs to what (`plainnet.blocks.parts`).
"""

from __future__ import annotations

import inspect
import itertools
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from plainnet.blocks.base import PlainNetBasicBlockClass
from plainnet.blocks.families.references import From, Outputs
from plainnet.blocks.levels import feature_levels
from plainnet.blocks.parts import BACKBONE, HEADS, NECK, part_of
from plainnet.blocks.rows.shapes import Shape, as_input_shape
from plainnet.blocks.rows.value_names import IN
from plainnet.blocks.structure import Structure, parse
from plainnet.blocks.text.reader import read_blocks
from plainnet.errors import StructureError, UsageError, nearest
from plainnet.templates import necks

__all__ = ["HEAD_TEMPLATES", "NECK_TEMPLATES", "RESOLUTION", "Component", "block_text", "compose"]

NECK_TEMPLATES: dict[str, Callable[..., str]] = {
    "fpn": necks.fpn,
    "pan": necks.pan,
    "unet_decoder": necks.unet_decoder,
}
HEAD_TEMPLATES: dict[str, Callable[..., str]] = {
    "classification": necks.classification_head,
    "dense": necks.dense_head,
    "anchor_free": necks.anchor_free_head,
}
"""What a component's `type` may be: name -> the function that writes it."""
Component = str | Mapping[str, Any]
"""A string, {"blocks": a string, "from": ...} or {"type": a template, "from": ..., its other arguments}."""
Chain = Sequence[PlainNetBasicBlockClass]
RESOLUTION = 224
"""The size at which it is checked that the components fit, where nothing else is said."""
MOST_HEADS = 100
_HEAD_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def compose(
    backbone: str,
    *,
    heads: Mapping[str, Component],
    neck: Component | None = None,
    resolution: int | tuple[int, int] = RESOLUTION,
) -> str:
    """The network string of a backbone, a neck if there is one, and heads.

    backbone: a string. The last block at each stride 2^k is called `ck`, where it has no name of its own.
    neck, heads: components. `from` says what they take: the names of values (`backbone.c3`, `neck.p3`), a list of them for what
        takes several; by default the last value of the neck, or of the backbone. How many channels these have is known, and is
        not said again. A string takes others by the last part of their name: `From(c3)`.
    resolution: of the images, at which it is checked that all fits.

    One head that puts out a vector makes a classifier; all else puts out a dict (`Outputs`), in which the values are called
    `heads.NAME`, or `heads.NAME.VALUE` where a head puts out several. Raises `StructureError` with the component and the block
    that does not fit, and `UsageError` for unknown components, arguments and names of values.
    """
    if not isinstance(heads, Mapping):
        raise UsageError(f"heads are {heads!r:.60}; accepted: a mapping of names to components")
    if not 0 < len(heads) <= MOST_HEADS:
        found = f"there are {len(heads)} heads" if heads else "there is no head"
        raise UsageError(f"{found}; accepted: 1 to {MOST_HEADS}, each with a name")
    for name in heads:
        if not isinstance(name, str) or not _HEAD_NAME.fullmatch(name):
            raise UsageError(f"{name!r} is no name of a head; accepted: letters, digits and _, a letter first")
    network = _Network(resolution, {*([] if neck is None else [NECK]), *(f"{HEADS}.{name}" for name in heads)})
    network.add(BACKBONE, _with_level_names(_read(BACKBONE, backbone), resolution), {})
    if neck is not None:
        network.add_component(NECK, neck, NECK_TEMPLATES)
    trunk = network.last
    outputs: list[str] = []
    for name, head in heads.items():
        outputs += network.add_component(f"{HEADS}.{name}", head, HEAD_TEMPLATES, default=trunk)
    if len(outputs) == 1 and network.values[outputs[0]].is_vector:
        return network.text
    return f"{network.text}Outputs({','.join(outputs)})"


def _with_level_names(chain: Chain, resolution: int | tuple[int, int]) -> Chain:
    """A backbone whose last block at each stride 2^k is called `ck`, where it has no name and no other block has that one."""
    try:
        structure = Structure(chain)
        levels = feature_levels(structure, as_input_shape(structure.in_channels, resolution))
    except StructureError as error:
        raise _of_component(BACKBONE, error) from None
    named, taken = list(chain), {block.label for block in chain}
    for level in levels:
        stride = level.reduction
        if stride is not None and stride & (stride - 1) == 0 and named[level.block].label is None:
            name = f"c{stride.bit_length() - 1}"
            if name not in taken:
                named[level.block] = named[level.block].with_label(name)
    return named


class _Network:
    """What was put together so far. parts: the neck and the heads that there will be; values: the shape of each value that has
    a name, by its whole name.
    """

    def __init__(self, resolution: int | tuple[int, int], parts: Collection[str]) -> None:
        self.resolution, self.parts = resolution, parts
        self.text, self.last = "", ""
        self.values: dict[str, Shape] = {}

    def add_component(
        self, part: str, component: Component, templates: Mapping[str, Callable[..., str]], *, default: str = ""
    ) -> list[str]:
        """Put a component behind what is there; the names of what it puts out."""
        said = {"blocks": component} if isinstance(component, str) else component
        if not isinstance(said, Mapping) or not all(isinstance(key, str) for key in said):
            raise UsageError(
                f"{part} is {component!r}; accepted: a network string, or a mapping with `type` or `blocks`"
            )
        arguments = {key: value for key, value in said.items() if key not in ("type", "blocks", "from")}
        wires = self._wires(part, said.get("from", default or self.last))
        if ("type" in said) == ("blocks" in said):
            raise UsageError(f"{part} has {', '.join(said) or 'nothing'}; accepted: either `type` or `blocks`")
        if "type" in said:
            text = self._written(part, said["type"], templates, wires, arguments)
        elif arguments:
            raise UsageError(f"{part}: a string takes no {', '.join(arguments)}; accepted beside `blocks`: from")
        else:
            text = said["blocks"]
        return self.add(part, _read(part, text), wires)

    def _wires(self, part: str, said: Any) -> dict[str, str]:
        """The last part of each name of a value -> the whole name."""
        names = [said] if isinstance(said, str) else said
        if not isinstance(names, Sequence) or not names or not all(isinstance(name, str) for name in names):
            raise UsageError(f"{part}: from is {said!r}; accepted: the name of a value, or a list of names")
        wires: dict[str, str] = {}
        for name in names:
            if name not in self.values:
                raise UsageError(f"{part}: {self._no_value(name)} (there are {', '.join(self.values)})")
            local = name.rpartition(".")[2]
            if local in wires:
                raise UsageError(f"{part}: {wires[local]} and {name} are both called {local}; accepted: other names")
            wires[local] = name
        return wires

    def _no_value(self, name: str) -> str:
        """What is wrong with a name: the component that puts it out is not there yet, or nothing is called so."""
        part = part_of(name)
        if part not in {None, *(part_of(value) for value in self.values)}:
            if part not in self.parts:
                return f"there is no value {name}, as there is no {part}"
            return f"{name} is not there yet: a component takes values of those before it, the backbone first, then the neck"
        near = nearest(name, self.values)
        return f"there is no value {name}" + (f"; did you mean {near}?" if near else "")

    def _check_pyramid(self, part: str, kind: str, names: Sequence[str]) -> None:
        """The maps of a neck's levels, each of which meets the next one made twice as large."""
        shapes = [self.values[name] for name in names]
        for large, small in itertools.pairwise(shapes):
            if (large.height, large.width) != (2 * small.height, 2 * small.width):
                said = ", ".join(
                    f"{name} of {shape.height}x{shape.width}" for name, shape in zip(names, shapes, strict=True)
                )
                wanted = "the largest map first, each twice as high and wide as the next"
                raise UsageError(f"{part}: the levels of {kind} are {said}; accepted: {wanted}")

    def _written(
        self,
        part: str,
        kind: Any,
        templates: Mapping[str, Callable[..., str]],
        wires: dict[str, str],
        said: dict[str, Any],
    ) -> str:
        """What a template writes."""
        if not isinstance(kind, str) or kind not in templates:
            near = nearest(str(kind), templates)
            hint = f"; did you mean {near}?" if near else ""
            raise UsageError(
                f"{part}: there is no template {kind!r}{hint}; accepted: {', '.join(templates)}, or `blocks`"
            )
        first, *others = inspect.signature(templates[kind]).parameters.values()
        accepted = {each.name: each for each in others}
        for name in said:
            if name not in accepted:
                near = nearest(name, accepted)
                hint = f"; did you mean {near}?" if near else ""
                raise UsageError(f"{part}: {kind} takes no {name}{hint}; accepted: {', '.join([*accepted, 'from'])}")
        missing = [each.name for each in others if each.default is each.empty and each.name not in said]
        if missing:
            raise UsageError(f"{part}: {kind} needs {', '.join(missing)}")
        widths = {local: self.values[name].channels for local, name in wires.items()}
        if first.name != "levels" and len(wires) != 1:
            raise UsageError(f"{part}: {kind} takes one value; `from` names {', '.join(wires.values())}")
        if part == NECK and first.name == "levels":
            self._check_pyramid(part, kind, list(wires.values()))
        try:
            return templates[kind](widths if first.name == "levels" else next(iter(widths.values())), **said)
        except UsageError as error:
            raise UsageError(f"{part}: {error}") from None

    def add(self, part: str, chain: Chain, wires: dict[str, str]) -> list[str]:
        """Put blocks behind what is there; the names of what they put out."""
        *inner, last = chain
        wanted = last.values if isinstance(last, Outputs) else None
        body = list(chain if wanted is None else inner)
        if not body or isinstance(body[-1], (From, Outputs)):
            raise UsageError(f"{part} ends in nothing that has a value of its own; accepted: blocks")
        if wires and not isinstance(body[0], From):
            if len(wires) != 1:
                raise UsageError(f"{part}: its first block takes one value; `from` names {', '.join(wires.values())}")
            (source,) = wires.values()
            if source != self.last:
                self.text += f"From({source})"
        body = _with_marks(body, part)
        known = self._last_parts() | wires | {name: name for name in self.values}
        if wires:
            known[IN] = next(iter(wires.values())) if len(wires) == 1 else IN
        text, names = _renamed(body, part, known)
        self._take(part, self.text + text)
        outputs = [names[body[-1].label or ""]] if wanted is None else [_known(part, each, names) for each in wanted]
        self.last = names[body[-1].label or ""]
        return outputs

    def _last_parts(self) -> dict[str, str]:
        """The last part of each name -> the whole name, where no other has the same."""
        lasts = [name.rpartition(".")[2] for name in self.values]
        return {last: name for last, name in zip(lasts, self.values, strict=True) if lasts.count(last) == 1}

    def _take(self, part: str, text: str) -> None:
        """The text with a new part at its end; what has a name in it, and its shape."""
        try:
            structure = parse(text)
            walked = structure.trace(as_input_shape(structure.in_channels, self.resolution))
        except StructureError as error:
            raise _of_component(part, error) from None
        self.text = text
        pairs = zip(structure.blocks, walked.shapes, strict=True)
        self.values = {block.label: shape for block, shape in pairs if block.label is not None}


def _read(part: str, text: Any) -> Chain:
    if not isinstance(text, str):
        raise UsageError(f"{part}: blocks are {text!r}; accepted: a network string")
    try:
        return read_blocks(text)
    except StructureError as error:
        raise _of_component(part, error) from None


def _of_component(part: str, error: StructureError) -> StructureError:
    first, *others = error.problems
    return StructureError([replace(first, message=f"{part}: {first.message}"), *others], text=error.text)


def _with_marks(chain: list[PlainNetBasicBlockClass], part: str) -> list[PlainNetBasicBlockClass]:
    """Names for the first block, which begins the part, and for the last one, whose value is taken, where they have none."""
    first = next(number for number, block in enumerate(chain) if not isinstance(block, From))
    if chain[-1].label is None:
        chain[-1] = chain[-1].with_label("" if part.startswith(HEADS) else "out")
    if chain[first].label is None:
        chain[first] = chain[first].with_label("0")
    return chain


def _renamed(chain: Chain, part: str, known: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """The text of the blocks of a part, and the whole names of what they put out, by their own; known: other values."""
    names, texts = dict(known), []
    own: dict[str, str] = {}
    for block in chain:
        label = None if block.label is None else f"{part}.{block.label}".removesuffix(".")
        texts.append(block_text(block, label, names, part))
        if block.label is not None and label is not None:
            names[block.label] = own[block.label] = label
    return "".join(texts), own


def block_text(block: PlainNetBasicBlockClass, label: str | None, names: Mapping[str, str], part: str) -> str:
    """The text of a block of a part under another label, with the values that it takes called as `names` says."""

    def inside(chain: Sequence[PlainNetBasicBlockClass]) -> str:
        seen, texts = {**names, IN: IN}, []
        for each in chain:
            texts.append(block_text(each, each.label, seen, part))
            if each.label is not None:
                seen[each.label] = each.label
        return "".join(texts)

    written = block.written_arguments(
        inside, lambda name: name if name == IN not in names else _known(part, name, names)
    )
    return f"{block.name}({f'{label}|' if label else ''}{written})"


def _known(part: str, name: str, names: Mapping[str, str]) -> str:
    if name in names:
        return names[name]
    near = nearest(name, names)
    hint = f"; did you mean {near}?" if near else ""
    raise UsageError(f"{part}: there is no value {name}{hint}; accepted: {', '.join(names)}")
