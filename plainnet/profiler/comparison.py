"""Two analysed networks side by side: which blocks correspond, and how the counts differ."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from plainnet.profiler.analysis import Analysis, BlockAnalysis

__all__ = ["COUNTS", "Pair", "corresponding", "counts_of"]

COUNTS = {
    "params": "learnable scalars",
    "macs": "multiply-accumulates of one image",
    "layers": "as the published work counts them",
    "activations": "elements that convolutions and linear layers put out",
    "weight_bytes": "bytes of the weights",
    "peak_activation_bytes": "bytes of activations that are alive at once",
    "receptive_field": "pixels",
    "stride": "pixels",
}
"""What is compared, with what it means."""


@dataclass(frozen=True)
class Pair:
    """A block of one network and the one that it corresponds to in the other; None for a block that the other has not."""

    first: BlockAnalysis | None
    second: BlockAnalysis | None
    of_equals: bool = False
    """whether both networks are the same, but for the names of values"""

    @property
    def is_equal(self) -> bool:
        """Whether both are there, and are the same block at the same place with the same input."""
        one, other = self.first, self.second
        if one is None or other is None or one.in_shape != other.in_shape:
            return False
        return self.of_equals or one.name == other.name

    def difference(self, name: str) -> int | None:
        """What the second block has more of a count, a missing block having none of it; None where it is not counted."""
        values = [0 if block is None else getattr(block, name) for block in (self.second, self.first)]
        return None if None in values else int(values[0] - values[1])

    def as_dict(self) -> dict[str, Any]:
        """The pair as plain data."""
        sides = {"first": self.first, "second": self.second}
        found: dict[str, Any] = {
            key: None if block is None else {"index": block.index, "name": block.name} for key, block in sides.items()
        }
        return {**found, "equal": self.is_equal, "params": self.difference("params"), "macs": self.difference("macs")}


def corresponding(first: Analysis, second: Analysis) -> list[Pair]:
    """The blocks of two networks in their order: those of a kind correspond, as few as possible being left over.

    A kind is a block's name; its arguments (widths, strides) may differ. What is left over between two that correspond is
    paired in order where both sides have something.
    """
    if first.hash is not None and first.hash == second.hash:
        return [Pair(one, other, of_equals=True) for one, other in zip(first.blocks, second.blocks, strict=True)]
    return list(_pairs(first.blocks, second.blocks))


def _pairs(first: list[BlockAnalysis], second: list[BlockAnalysis]) -> Iterator[Pair]:
    kinds, others = ([block.name.partition("(")[0] for block in blocks] for blocks in (first, second))
    for _, start, stop, other_start, other_stop in SequenceMatcher(a=kinds, b=others, autojunk=False).get_opcodes():
        ours, theirs = first[start:stop], second[other_start:other_stop]
        shared = min(len(ours), len(theirs))
        yield from map(Pair, ours[:shared], theirs[:shared])
        yield from (Pair(block, None) for block in ours[shared:])
        yield from (Pair(None, block) for block in theirs[shared:])


def counts_of(result: Analysis) -> dict[str, int | None]:
    """The counts of a network that are compared."""
    return {name: getattr(result, name) for name in COUNTS}
