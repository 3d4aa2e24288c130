"""Widths in a graph: which blocks put out equally many channels because their values are added, and how all blocks follow
when one of them changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from plainnet.blocks.base import PlainNetBasicBlockClass
from plainnet.blocks.rows.layers import Add
from plainnet.blocks.rows.value_names import IN

__all__ = ["Path", "Widths", "followed", "owns_width", "replaced", "taken_places", "tied_places"]

Block = PlainNetBasicBlockClass
Path = tuple[int, ...]
"""Which block is meant: its number in its sequence, then the number of a sequence inside of it, and so on."""
Widths = Mapping[str, int | None]
"""Name -> the channels of the value."""
_TWO = (997, 1009)


def owns_width(block: Block) -> bool:
    """Whether the channels that a block puts out are an argument of its own, beside those that come in."""
    return (
        block.checks_channels
        and not block.children
        and hasattr(block, "in_channels")
        and hasattr(block, "out_channels")
    )


def _keeps_width(block: Block) -> bool:
    """Whether a block puts out what comes in."""
    taken = block.channels_in()
    return (taken is not None and block.channels_out(taken) == taken) or all(
        block.channels_out(each) == each for each in _TWO
    )


def adds(block: Block) -> bool:
    """Whether what the sequences inside of a block put out must be equally wide."""
    return any(True for _ in block.check_outputs(_TWO))


def tied_places(blocks: Sequence[Block]) -> dict[Path, frozenset[Path]]:
    """Block with a width of its own -> all whose width is the same because their values meet in a sum."""
    ties = _Ties()
    ties.chain(blocks, ("in",), {}, ())
    classes: dict[Any, set[Path]] = {}
    for place in ties.places:
        classes.setdefault(ties.find(place), set()).add(place)
    return {place: frozenset(members) for members in classes.values() for place in members}


class _Ties:
    """A union of what is equally wide: places of blocks, and values that are none (what comes in, a concatenation)."""

    def __init__(self) -> None:
        self.places: list[Path] = []
        self._parent: dict[Any, Any] = {}

    def find(self, item: Any) -> Any:
        while item in self._parent:
            item = self._parent[item]
        return item

    def _unite(self, items: Sequence[Any]) -> None:
        for other in items[1:]:
            first, second = self.find(items[0]), self.find(other)
            if first != second:
                self._parent[second] = first

    def chain(self, blocks: Sequence[Block], came: Any, known: Mapping[str, Any], path: Path) -> Any:
        """What is as wide as the end of a sequence."""
        names, value = {**known, IN: came}, came
        for number, block in enumerate(blocks):
            value = self._block(block, value, names, (*path, number))
            if block.label is not None:
                names[block.label] = value
        return value

    def _block(self, block: Block, came: Any, names: Mapping[str, Any], here: Path) -> Any:
        if block.taken_value is not None:
            return names.get(block.taken_value, ("outside", block.taken_value))
        if block.children:
            ends = [self.chain(inside, came, names, (*here, at)) for at, inside in enumerate(block.sequences)]
            if adds(block):
                self._unite(ends)
            elif _adds_what_comes_in(block):
                self._unite([ends[0], came])
            return ends[0] if len(ends) == 1 or adds(block) else ("joined", here)
        if owns_width(block):
            self.places.append(here)
            return here
        return came if _keeps_width(block) else ("fresh", here)


def _adds_what_comes_in(block: Block) -> bool:
    """Whether a residual block has the identity as its shortcut, which it keeps."""
    return any(isinstance(layer, Add) and not layer.skip for layer in block.layers())


def followed(
    blocks: Sequence[Block], came: int | None, known: Widths, wanted: Mapping[Path, int], path: Path
) -> tuple[tuple[Block, ...], int | None]:
    """A sequence inside of a block where `came` channels come in, values around it have the widths `known` and the blocks at some
    places put out the channels `wanted`; and what comes out. `StructureError` where a block cannot follow.
    """
    names, out, found = {**known, IN: came}, came, []
    for number, block in enumerate(blocks):
        changed, out = followed_block(block, out, names, wanted, (*path, number))
        found.append(changed)
        if block.label is not None:
            names[block.label] = out
    return tuple(found), out


def followed_block(
    block: Block, came: int | None, known: Widths, wanted: Mapping[Path, int], here: Path
) -> tuple[Block, int | None]:
    """The same for one block."""
    if block.taken_value is not None:
        return block, known.get(block.taken_value)
    if block.children:
        found = [followed(inside, came, known, wanted, (*here, at)) for at, inside in enumerate(block.sequences)]
        ends = [end for _, end in found]
        changed = _with_sequences(block, [inside for inside, _ in found], came)
        whole = None if None in ends else sum(end for end in ends if end is not None)
        return changed, ends[0] if len(ends) == 1 or adds(block) else whole
    taken = block.channels_in() if block.checks_channels else getattr(block, "out_channels", None)
    if came and taken is not None and taken != came:
        block = block.set_input_channels(came) if block.checks_channels else block.replace(out_channels=came)
    if here in wanted:
        block = block.replace(out_channels=wanted[here])
    return block, block.channels_out(came)


def _with_sequences(block: Block, inside: Sequence[tuple[Block, ...]], came: int | None = None) -> Block:
    """A block with other blocks inside."""
    changes: dict[str, Any] = {}
    for field in block.fields:
        if field.kind.is_children:
            changes[field.name] = tuple(inside) if field.kind.kind == "branches" else inside[0]
        elif field.name == "in_channels" and came:
            changes[field.name] = came
    return block.replace(**changes)


def taken_places(
    blocks: Sequence[Block], around: tuple[str, ...] = (), path: Path = ()
) -> Iterator[tuple[Path, Block, tuple[str, ...]]]:
    """Every block that takes a value by name: its place, the block, and the names that it could take."""
    seen = list(around)
    for number, block in enumerate(blocks):
        here = (*path, number)
        if block.taken_value is not None:
            yield here, block, tuple(dict.fromkeys(seen))
        for at, inside in enumerate(block.sequences if block.children else ()):
            yield from taken_places(inside, tuple(seen), (*here, at))
        if block.label is not None:
            seen.append(block.label)


def replaced(blocks: Sequence[Block], place: Path, block: Block) -> tuple[Block, ...]:
    """A sequence with another block at a place."""
    number, *rest = place
    if rest:
        outer, (at, *further) = blocks[number], rest
        inside = list(outer.sequences)
        inside[at] = replaced(inside[at], tuple(further), block)
        block = _with_sequences(outer, inside)
    return (*blocks[:number], block, *blocks[number + 1 :])
