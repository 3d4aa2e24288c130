"""Names of values: what they mean, and what a network is called when its names do not matter.

`name|` on a block names the value that it puts out. A block takes values by name (`From(name)`, `Outputs(name,...)`); a
name is that of an earlier block in the same sequence or in one around it, the innermost first. `in` is what came into the
container around the block. So a block is *closed* if all that it takes by name is inside of it, and *open* otherwise.

Names are given by people; the value that one stands for is what counts. The canonical text calls the values that are
taken `v1`, `v2`, ... in the order of the string, and leaves all other names out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from plainnet.blocks.rows.block import Block

__all__ = ["IN", "Scope", "canonical_block", "canonical_chain", "scope_of"]

IN = "in"
"""The name of what came into the container around a block."""
FREE = "^"
"""Stands before a name that means nothing inside of a block."""


class Scope(NamedTuple):
    """What the names mean that the blocks of one sequence take."""

    free: tuple[str, ...]
    """names of no earlier block of the sequence, `in` among them, in the order of first use"""
    links: tuple[tuple[int, int], ...]
    """(the block that takes a value, the block that puts it out), by number"""
    ambiguous: tuple[tuple[int, str], ...]
    """(the block that takes a name, the name) where two earlier blocks have it"""


def scope_of(chain: Sequence[Block]) -> Scope:
    """The meaning of all names that a sequence of blocks takes."""
    bound: dict[str, int] = {}
    twice: set[str] = set()
    free: dict[str, None] = {}
    links: list[tuple[int, int]] = []
    ambiguous: list[tuple[int, str]] = []
    for number, block in enumerate(chain):
        for name in block.taken_names:
            if name in twice or (name == IN and name in bound):
                ambiguous.append((number, name))
            elif name in bound:
                links.append((number, bound[name]))
            else:
                free[name] = None
        if block.label is not None:
            twice.update({block.label} & bound.keys())
            bound[block.label] = number
    return Scope(tuple(free), tuple(links), tuple(ambiguous))


def canonical_chain(chain: Sequence[Block]) -> str:
    """The canonical text of a sequence of blocks that is a network of its own."""
    return _chain(chain, {}, count(1))


def canonical_block(block: Block) -> str:
    """The canonical text of one block; what it takes from outside keeps its name behind `^`."""
    return _block(block, "", {}, count(1))


def _chain(chain: Sequence[Block], names: dict[str, str], numbers: Iterator[int]) -> str:
    taken = {number for _, number in scope_of(chain).links}
    names, parts = dict(names), []
    for number, block in enumerate(chain):
        name = f"v{next(numbers)}" if number in taken else ""
        parts.append(_block(block, f"{name}|" if name else "", names, numbers))
        if name:
            assert block.label is not None
            names[block.label] = name
    return "".join(parts)


def _block(block: Block, label: str, names: dict[str, str], numbers: Iterator[int]) -> str:
    if block.is_plain:
        return block.text if not label else f"{block.name}({label}{block.text[len(block.name) + 1 :]}"
    inside = block.written_arguments(
        lambda chain: _chain(chain, names, numbers),
        lambda name: name if name == IN else names.get(name, FREE + name),
    )
    return f"{block.name}({label}{inside})"
