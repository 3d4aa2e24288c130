"""Blocks that hold blocks: sequences, residual blocks, sums and concatenations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Self

from plainnet.blocks.base import PlainNetBasicBlockClass
from plainnet.blocks.chain import chain_channels
from plainnet.blocks.fields import Blocks, Branches, Channels, Stride
from plainnet.blocks.rows.layers import Add, Concat, Conv, Layers, Norm, Sum
from plainnet.blocks.rows.memo import shared
from plainnet.blocks.rows.receptive_field import receptive_field
from plainnet.blocks.rows.shapes import Shape
from plainnet.blocks.rows.value_names import IN
from plainnet.blocks.rows.walk import WalkError, walk
from plainnet.errors import StructureError

__all__ = ["MultiCatBlock", "MultiSumBlock", "ResBlock", "ResBlockProj", "Sequential", "first_channels", "projection"]

AnyBlock = PlainNetBasicBlockClass


@shared
def projection(out_channels: int, stride: int) -> Layers:
    """The projection of the published networks: a 1x1 convolution with bias, and batch norm."""
    return (Conv(out_channels, 1, stride, bias=True), Norm())


def first_channels(blocks: Iterable[AnyBlock]) -> int | None:
    """The number of channels that the first block with an opinion takes, of those that what comes in goes through."""
    for block in blocks:
        if block.taken_value not in (None, IN):
            return None
        if (found := block.channels_in()) is not None:
            return found
        if block.taken_value is None and (block.channels_out(1), block.channels_out(2)) != (1, 2):
            return None  # what comes out has other channels than what came in
    return None


class _Container(PlainNetBasicBlockClass, abstract=True):
    """A block whose number of layers is that of the blocks inside."""

    def num_layers(self) -> int:
        return sum(child.num_layers() for child in self.children)


def _with_input_channels(blocks: tuple[AnyBlock, ...], channels: int) -> tuple[AnyBlock, ...]:
    """The blocks with other channels coming in, up to the first block that puts out what it always did."""
    changed = list(blocks)
    current: int | None = channels
    for number, block in enumerate(blocks):
        if current is None or (block.channels_in() is not None and block.channels_in() == current):
            break
        if block.channels_in() is not None:
            changed[number] = block.set_input_channels(current)
        current = changed[number].channels_out(current)
    return tuple(changed)


class Sequential(_Container):
    """Blocks one after the other."""

    blocks: Blocks

    def set_input_channels(self, channels: int) -> Self:
        return self.replace(blocks=_with_input_channels(self.blocks, channels))

    def channels_in(self) -> int | None:
        return first_channels(self.blocks)

    def channels_out(self, channels: int | None) -> int | None:
        return chain_channels(self.blocks, channels)

    def layers(self) -> Layers:
        return self.blocks


class _Residual(_Container, abstract=True):
    """blocks(x) + shortcut(x). The input channels default to those of the first block, the stride to that of all blocks
    together.
    """

    in_channels: Channels = 0
    stride: Stride = 0
    blocks: Blocks = ()

    def __post_init__(self) -> None:
        if not self.in_channels and self.blocks:
            object.__setattr__(self, "in_channels", first_channels(self.blocks) or 0)
        if not self.stride and self.in_channels and self.blocks:
            object.__setattr__(self, "stride", _stride(self.blocks, self.in_channels))
        if self.blocks and not self.in_channels:
            raise StructureError(
                f"{self.name}: nothing says how many channels come in; write {self.name}(in_channels,stride,...)"
            )
        super().__post_init__()

    def channels_out(self, channels: int | None) -> int | None:  # noqa: ARG002
        return chain_channels(self.blocks, self.in_channels)

    def set_input_channels(self, channels: int) -> Self:
        return self.replace(in_channels=channels, blocks=_with_input_channels(self.blocks, channels))


class ResBlock(_Residual):
    """A residual block: the shortcut is the identity where the shape stays, and a projection where it changes."""

    def layers(self) -> Layers:
        out_channels = self.channels_out(None)
        if out_channels is None or (self.stride == 1 and out_channels == self.in_channels):
            return (Add(self.blocks),)
        return (Add(self.blocks, projection(out_channels, self.stride)),)


class ResBlockProj(_Residual):
    """A residual block whose shortcut is always a projection."""

    def check(self) -> Iterator[str]:
        if self.blocks and self.channels_out(None) is None:
            yield "the channels that come out of its blocks are not known, so there is no projection to them"

    def layers(self) -> Layers:
        return (Add(self.blocks, projection(self.channels_out(None) or 1, self.stride)),)


class _Parallel(_Container, abstract=True):
    """Branches on the same input, separated by ; in the string."""

    branches: Branches

    @property
    def chains(self) -> tuple[tuple[AnyBlock, ...], ...]:
        return self.branches

    def set_input_channels(self, channels: int) -> Self:
        return self.replace(branches=tuple(_with_input_channels(branch, channels) for branch in self.branches))

    def channels_in(self) -> int | None:
        return next((found for branch in self.branches if (found := first_channels(branch)) is not None), None)


class MultiSumBlock(_Parallel):
    """The sum of its branches."""

    def check_outputs(self, outs: Sequence[int | None]) -> Iterator[str]:
        known = sorted({out for out in outs if out is not None})
        if len(known) > 1:
            yield f"the branches of {self.name} put out {' and '.join(map(str, known))} channels"

    def channels_out(self, channels: int | None) -> int | None:
        return next((out for branch in self.branches if (out := chain_channels(branch, channels)) is not None), None)

    def layers(self) -> Layers:
        return (Sum(self.branches),)


class MultiCatBlock(_Parallel):
    """The concatenation of its branches along the channels."""

    def channels_out(self, channels: int | None) -> int | None:
        outs = [chain_channels(branch, channels) for branch in self.branches]
        return None if None in outs else sum(out for out in outs if out is not None)

    def layers(self) -> Layers:
        return (Concat(self.branches),)


def _stride(blocks: tuple[AnyBlock, ...], in_channels: int) -> int:
    """The stride of blocks one after the other, read from their layers."""
    try:
        rows, _ = walk(blocks, Shape(in_channels, 1024, 1024), expand=True)
    except WalkError:  # reported with its place when the whole structure is checked
        return 1
    found = receptive_field(rows)
    return found.stride if found is not None else 1
