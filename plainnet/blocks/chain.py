"""Whether the channels that come out of each block are those that the next one takes."""

from __future__ import annotations

from collections.abc import Iterator

from plainnet.blocks.base import PlainNetBasicBlockClass
from plainnet.blocks.containers import MultiCatBlock, MultiSumBlock, chain_channels

__all__ = ["chain_problems", "inner_problems"]

Trail = tuple[int, ...]
"""Which block is meant: its number in each level of nesting."""


def chain_problems(
    blocks: tuple[PlainNetBasicBlockClass, ...], trail: Trail = (), channels: int | None = None, first: int = 0
) -> Iterator[tuple[Trail, str]]:
    """Every place where the channels that come out of a block are not those that the next one takes."""
    for number, block in enumerate(blocks, first):
        here = (*trail, number)
        wanted = block.channels_in()
        if channels is not None and wanted is not None and wanted != channels:
            what = "features" if hasattr(block, "in_features") else "channels"
            yield here, f"{block.name} takes {wanted} {what} and gets {channels}"
        if block.children:
            yield from inner_problems(block, here)
        channels = block.channels_out(wanted if wanted is not None else channels)


def inner_problems(block: PlainNetBasicBlockClass, here: Trail) -> Iterator[tuple[Trail, str]]:
    """The same for the blocks inside of a block, and for the branches of a sum."""
    wanted = block.channels_in()
    if not isinstance(block, (MultiSumBlock, MultiCatBlock)):
        yield from chain_problems(block.children, here, wanted)
        return
    first, outs = 0, []
    for branch in block.branches:
        yield from chain_problems(branch, here, wanted, first)
        first += len(branch)
        outs.append(chain_channels(branch, wanted))
    known = {out for out in outs if out is not None}
    if isinstance(block, MultiSumBlock) and len(known) > 1:
        yield here, f"the branches of {block.name} put out {' and '.join(map(str, sorted(known)))} channels"
