"""A network in parts taken apart: each part as the component that `plainnet.templates.components.compose` takes.

    components = taken_apart(structure)
    components["neck"]        # {"blocks": "From(c3)ConvKXBias(m3|64,24,1,1)...", "from": ["backbone.c3", "backbone.c2"]}
    compose(components["backbone"], neck=components["neck"], heads={"masks": components["heads.masks"]})

What comes out of `compose` is the network again: that is checked before anything is given.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from plainnet.blocks.base import PlainNetBasicBlockClass
from plainnet.blocks.families.references import From, Outputs
from plainnet.blocks.parts import BACKBONE, HEADS, NECK, part_of
from plainnet.blocks.rows.value_names import IN
from plainnet.blocks.structure import Structure, parse
from plainnet.blocks.text.reader import read_blocks
from plainnet.errors import PlainnetError, UsageError
from plainnet.templates.components import RESOLUTION, block_text, compose

__all__ = ["backbone_of", "own_blocks", "taken_apart", "with_sources"]

FIRST = "0"
"""What `compose` calls the first block of a part that has no name."""
Chain = list[PlainNetBasicBlockClass]


def backbone_of(structure: Structure) -> str:
    """The string of the blocks that belong to the backbone, which is all of a network in no parts."""
    groups = _groups(structure)
    if BACKBONE not in groups:
        return str(structure)
    chain = groups[BACKBONE]
    names = _local_names(chain, BACKBONE)
    return "".join(_text(block, BACKBONE, names, first=False) for block in chain)


def own_blocks(structure: Structure, part: str) -> Structure:
    """The blocks of a part under the names that they have, which for a backbone are a network."""
    groups = _groups(structure)
    return Structure(groups[part], limits=structure.limits) if groups else structure


def taken_apart(structure: Structure, resolution: int | tuple[int, int] = RESOLUTION) -> dict[str, dict[str, Any]]:
    """Part -> the component: `blocks`, and `from`, the names of the values that it takes, in the order in which it does.

    resolution: of the images, at which `compose` checks the parts. Raises `UsageError` for a network in no parts, without heads,
    or with parts that could not be put together again.
    """
    groups = _groups(structure)
    if BACKBONE not in groups or not any(part.startswith(f"{HEADS}.") for part in groups):
        raise UsageError(f"the network is in the parts {', '.join(groups) or 'none'}; accepted: a backbone and heads")
    outputs = structure.output_names
    found: dict[str, dict[str, Any]] = {BACKBONE: {"blocks": backbone_of(structure), "from": []}}
    before = groups[BACKBONE][-1].label
    for part, chain in groups.items():
        if part != BACKBONE:
            found[part] = _component(part, chain, before, outputs)
            before = chain[-1].label
    try:
        heads = {part.removeprefix(f"{HEADS}."): each for part, each in found.items() if part.startswith(f"{HEADS}.")}
        again = compose(found[BACKBONE]["blocks"], neck=found.get(NECK), heads=heads, resolution=resolution)
    except PlainnetError as error:
        raise UsageError(f"the parts cannot be put together again: {str(error).splitlines()[0]}") from None
    if _without_idle(parse(again)) != _without_idle(structure):
        raise UsageError("the parts, put together again, are another network: a part takes a name from elsewhere")
    return found


def _without_idle(structure: Structure) -> Chain:
    """The blocks without references to the value that is there anyway: `From(c3)` behind the block `c3`."""
    found: Chain = []
    for block in structure.blocks:
        if not (isinstance(block, From) and found and list(_references([block])) == [found[-1].label]):
            found.append(block)
    return found


def _groups(structure: Structure) -> dict[str, Chain]:
    """Part -> its blocks, with the references that lead to its first one; empty for a network in no parts."""
    groups: dict[str, Chain] = {}
    part: str | None = part_of(structure.blocks[0].label)
    if part is None:
        return {}
    last = part
    for block in structure.blocks:
        if isinstance(block, Outputs):
            continue
        part = part_of(block.label) or last
        if part != last:
            if part in groups:
                raise UsageError(f"the blocks of {part} do not stand together")
            leading: Chain = []
            while groups[last] and isinstance(groups[last][-1], From):
                leading.insert(0, groups[last].pop())
            groups[part] = leading
            last = part
        groups.setdefault(part, []).append(block)
    return groups


def _component(part: str, chain: Chain, before: str | None, outputs: Sequence[str] | None) -> dict[str, Any]:
    own = {block.label for block in chain if block.label is not None}
    takes = [name for name in _references(chain) if name not in own]
    if not isinstance(chain[0], From):
        if before is None:
            raise UsageError(f"what {part} takes has no name")
        takes.insert(0, before)
    takes = list(dict.fromkeys(takes))
    names = _local_names(chain, part)
    for name in takes:
        local = name.rpartition(".")[2]
        if local in names.values():
            raise UsageError(f"{part} takes {name}, and has a value {local} of its own")
        names[name] = local
    text = "".join(_text(block, part, names, first=True) for block in chain)
    if not isinstance(chain[0], From) and len(takes) > 1:
        text = f"From({names[takes[0]]}){text}"
    put_out = [name for name in outputs or () if part_of(name) == part]
    if put_out not in ([], [chain[-1].label]):
        text += f"Outputs({','.join(names[name] for name in put_out)})"
    return {"blocks": text, "from": takes}


def _local_names(chain: Chain, part: str) -> dict[str, str]:
    """The whole names of a part's values -> what they are called in it."""
    return {block.label: block.label.removeprefix(part).lstrip(".") for block in chain if block.label is not None}


def _text(block: PlainNetBasicBlockClass, part: str, names: Mapping[str, str], *, first: bool) -> str:
    label = None if block.label is None else names[block.label]
    return block_text(block, None if not label or (first and label == FIRST) else label, names, part)


def _references(chain: Sequence[PlainNetBasicBlockClass]) -> Iterator[str]:
    """The names of the values that blocks take, but for those inside of one."""
    for block in chain:
        for field in block.fields:
            if field.kind.is_names:
                value = getattr(block, field.name)
                yield from value if isinstance(value, tuple) else (value,)
        inner = {IN, *(child.label for child in block.children)}
        yield from (name for name in _references(block.children) if name not in inner)


def with_sources(part: str, component: Mapping[str, Any], sources: Sequence[str]) -> str:
    """The blocks of a component that takes other values, in the order of its own: its text with their names in it.

    sources: whole names. Raises `UsageError` for another number of them than it takes.
    """
    before = [name.rpartition(".")[2] for name in component["from"]]
    if len(sources) != max(len(before), 1):
        takes = f"{len(before)} values ({', '.join(component['from'])})" if len(before) > 1 else "one value"
        raise UsageError(f"{part} takes {takes}, and `from` names {len(sources)}")
    chain = read_blocks(component["blocks"])
    own = {block.label: block.label for block in chain if block.label is not None}
    names = dict(zip(before, (str(name).rpartition(".")[2] for name in sources), strict=False))
    taken = [name for old, name in names.items() if name in own and old != name]
    if taken:
        raise UsageError(f"{part} has a value {taken[0]} of its own; accepted: from with another name")
    return "".join(block_text(block, block.label, {**names, **own}, part) for block in chain)
