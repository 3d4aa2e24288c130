"""Whether the channels that come out of each block are those that the next one takes, and names are those of values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from plainnet.blocks.rows.block import Block
from plainnet.blocks.rows.value_names import IN, scope_of
from plainnet.errors import nearest

__all__ = ["BlockProblem", "chain_channels", "chain_problems", "channels_behind", "inner_problems", "name_problems"]

_NONE: Mapping[str, int | None] = MappingProxyType({})

Trail = tuple[int, ...]
"""Which block is meant: its number in each level of nesting."""


Known = Mapping[str, int | None]
"""The channels of the values that have a name; None where they are not known."""


def chain_channels(blocks: Iterable[Block], channels: int | None = None) -> int | None:
    """The number of channels that a sequence puts out; None if it depends on the map, or on values outside."""
    known = {IN: channels}
    for block in blocks:
        channels = channels_behind(block, channels, known)
        if block.label is not None:
            known[block.label] = channels
    return channels


def channels_behind(block: Block, channels: int | None, known: Known) -> int | None:
    """The number of channels behind a block, where values have the channels `known`."""
    return known.get(block.taken_value) if block.taken_value is not None else block.channels_out(channels)


class BlockProblem(NamedTuple):
    """What is wrong with a block, which one, and the way out."""

    trail: Trail
    message: str
    hints: tuple[str, ...] = ()


def chain_problems(
    blocks: tuple[Block, ...], trail: Trail = (), channels: int | None = None, first: int = 0, known: Known = _NONE
) -> Iterator[BlockProblem]:
    """Every place where the channels that come out of a block are not those that the next one takes."""
    known = {**known, IN: channels}
    for number, block in enumerate(blocks, first):
        here = (*trail, number)
        wanted = block.channels_in()
        if channels is not None and wanted is not None and wanted != channels:
            what = "features" if hasattr(block, "in_features") else "channels"
            yield BlockProblem(here, f"{block.name} takes {wanted} {what} and gets {channels}")
        if block.children:
            yield from inner_problems(block, here, known)
        channels = channels_behind(block, wanted if wanted is not None else channels, known)
        if block.label is not None:
            known[block.label] = channels


def inner_problems(block: Block, here: Trail, known: Known = _NONE) -> Iterator[BlockProblem]:
    """The same for the blocks inside of a block, and for what its branches put out together."""
    wanted = block.channels_in()
    first, outs = 0, []
    for chain in block.chains:
        yield from chain_problems(chain, here, wanted, first, known)
        first += len(chain)
        outs.append(_last_channels(chain, wanted, known))
    for message in block.check_outputs(outs):
        yield BlockProblem(here, message)


def _last_channels(chain: tuple[Block, ...], channels: int | None, known: Known) -> int | None:
    """What a chain puts out where values around it are known."""
    last = chain[-1] if chain else None
    if last is not None and last.taken_value is not None and last.taken_value not in {IN, *[b.label for b in chain]}:
        return known.get(last.taken_value)
    return chain_channels(chain, channels)


def name_problems(
    blocks: Sequence[Block],
    around: tuple[str, ...] = (),
    later: tuple[str, ...] = (),
    *,
    network: Sequence[Block] | None = None,
) -> Iterator[BlockProblem]:
    """Every name of a network, or of a sequence in a container, that is not the one of an earlier block there or around it.

    around, later: the names of earlier blocks around the sequence, and of all others there. network: the blocks of the network,
    where the sequence is in a container.
    """
    scope = scope_of(blocks)
    ambiguous = set(scope.ambiguous)
    labels = (*later, *[block.label for block in blocks if block.label is not None])
    before: list[str] = []
    for number, block in enumerate(blocks):
        here = (number,)
        for name in block.taken_names:
            if (number, name) in ambiguous:
                what = "the name of a block and of what comes in" if name == IN else "the name of two blocks before it"
                yield BlockProblem(here, f"{name} is {what}", ("accepted: a name that only one of them has",))
            elif not block.children and name != IN and name not in before and name not in around:
                yield BlockProblem(here, *_unknown(name, labels, [*before, *around], network or blocks))
        if block.name == "Outputs" and (network is not None or number < len(blocks) - 1):
            yield BlockProblem(here, "Outputs is not the last block of the network")
        first = 0
        for sequence in block.sequences if not block.is_plain else ():
            for problem in name_problems(sequence, (*before, *around), labels, network=network or blocks):
                at, *rest = problem.trail
                yield problem._replace(trail=(*here, first + at, *rest))
            first += len(sequence)
        if block.label is not None:
            before.append(block.label)


def _unknown(
    name: str, labels: Sequence[str], seen: Sequence[str], network: Sequence[Block]
) -> tuple[str, tuple[str, ...]]:
    names = list(dict.fromkeys([*seen, IN]))
    accepted = f"accepted: {', '.join(names[:12])}{', ...' if len(names) > 12 else ''}"
    if name in labels:
        return f"{name} is put out here or later, not before", (accepted,)
    holder = next((block.name for block in network if name in _labels_inside(block)), None)
    if holder is not None:
        return f"{name} is a name inside of {holder}, and is not seen here", (accepted,)
    near = nearest(name, names)
    return f"there is no value {name[:40]}", (accepted, *([f"did you mean {near}?"] if near else []))


def _labels_inside(block: Block) -> Iterator[str | None]:
    """The names of all blocks in a block, at any depth."""
    for child in (child for sequence in block.sequences for child in sequence):
        yield child.label
        yield from _labels_inside(child)
