"""Whether the channels that come out of each block are those that the next one takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from plainnet.blocks.rows.block import Block

__all__ = ["chain_channels", "chain_problems", "inner_problems"]

Trail = tuple[int, ...]
"""Which block is meant: its number in each level of nesting."""


def chain_channels(blocks: Iterable[Block], channels: int | None = None) -> int | None:
    """The number of channels that a sequence puts out; None if it depends on the map."""
    for block in blocks:
        channels = block.channels_out(channels)
    return channels


def chain_problems(
    blocks: tuple[Block, ...], trail: Trail = (), channels: int | None = None, first: int = 0
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


def inner_problems(block: Block, here: Trail) -> Iterator[tuple[Trail, str]]:
    """The same for the blocks inside of a block, and for what its branches put out together."""
    wanted = block.channels_in()
    first, outs = 0, []
    for chain in block.chains:
        yield from chain_problems(chain, here, wanted, first)
        first += len(chain)
        outs.append(chain_channels(chain, wanted))
    for message in block.check_outputs(outs):
        yield here, message
