"""The class that every block derives from: a plain value, and on it what the walk, the counts and the reader give."""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING, Self

import plainnet
from plainnet.blocks.chain import inner_problems, name_problems
from plainnet.blocks.registry import find_block
from plainnet.blocks.rows.block import Block
from plainnet.blocks.rows.counts import Totals, block_params, block_totals, count_plain_layers, nominal_shape
from plainnet.blocks.rows.layers import LayerError
from plainnet.blocks.rows.walk import block_layers
from plainnet.blocks.text.reader import first_name, read_first
from plainnet.errors import StructureError

if TYPE_CHECKING:
    from torch import nn

    from plainnet.blocks.rows.shapes import Shape

LARGE = 10**10
"""Blocks whose arguments leave room for so many params are counted as soon as they are read."""

__all__ = ["PlainNetBasicBlockClass"]


class PlainNetBasicBlockClass(Block, abstract=True):
    """A block of a network, as it stands in the string.

        class SuperResK3K3(PlainNetBasicBlockClass):
            in_channels: Channels
            out_channels: Channels
            ...
            def layers(self): ...

    See `Block` for the class attributes that a block may set.
    """

    @cached_property
    def is_closed(self) -> bool:
        """Whether all names that are taken inside are those of values inside, so that there is nothing to check around it."""
        return self.is_plain or not (self.taken_names or any(True for _ in name_problems((self,))))

    @cached_property
    def wiring(self) -> tuple[int | None, int | None, int, int, bool]:
        """What checking a structure asks of every block: (channels in, channels out, layers, params, the inside fits).

        The params are 0 where they cannot be many: then they are counted when the network is (`Structure.totals`).
        """
        wanted, out = self.said_channels
        fits = not self.children or next(inner_problems(self, ()), None) is None
        params = block_params(self) if self._may_be_large else 0
        return wanted, out, self.num_layers(), params, fits

    @cached_property
    def _may_be_large(self) -> bool:
        """Whether the arguments of the block, or of one inside, leave room for many params: the widest one squared, times all
        but two, and a margin.
        """
        values = [getattr(self, name) for name in self.__dataclass_fields__]  # type: ignore[attr-defined]
        numbers = sorted([value for value in values if isinstance(value, int)])
        own = bool(numbers) and 64 * math.prod(numbers[:-2]) * numbers[-1] ** 2 > LARGE
        return own or any(child._may_be_large for child in self.children)

    def num_layers(self) -> int:
        """How many layers the published work counts here: the sub-layers of a super block, 1 for a convolution or
        linear layer.
        """
        return self._num_layers

    @cached_property
    def _num_layers(self) -> int:
        depths = [getattr(self, field.name) for field in self.fields if field.kind.kind == "depth"]
        if depths:
            return int(depths[0])
        try:
            return count_plain_layers(block_layers(self))
        except RecursionError:
            raise LayerError(f"{self.name} is made of itself: blocks are made of blocks more than 64 deep") from None

    # The contract that users of the field know --------------------------------------------------

    @classmethod
    def is_instance_from_str(cls, text: str) -> bool:
        """Whether `text` begins with a block of this class."""
        found = find_block(first_name(text) or "")
        return found is not None and issubclass(found[0], cls)

    @classmethod
    def create_from_str(cls, text: str) -> tuple[Self, str]:
        """Read one block from the front of `text`: (block, the rest of the text); `StructureError` if it is no block of
        this class.
        """
        return read_first(text, cls)

    def get_FLOPs(self, resolution: int) -> int:
        """Multiply-accumulates for one image whose map is resolution x resolution here (what the field calls FLOPs)."""
        return self._totals(resolution).sums.macs

    def get_model_size(self) -> int:
        """The number of learnable scalars; `StructureError` where the block takes values from outside, by name."""
        self._need_closed()
        return block_params(self)

    def get_num_layers(self) -> int:
        """See `num_layers`."""
        return self.num_layers()

    def get_output_resolution(self, resolution: int) -> int:
        """The side of the map that comes out where a resolution x resolution map goes in."""
        return self._totals(resolution).out_shape.height

    def set_input_channels(self, channels: int) -> Self:
        """This block with another number of input channels (a new block: blocks are values)."""
        if not any(field.name == "in_channels" for field in self.fields):
            raise StructureError(f"{self.name} declares no number of input channels")
        return self.replace(in_channels=channels)

    def build(self, in_shape: Shape | None = None) -> nn.Module:
        """This block as a torch module (imports torch: the builder is a lazy name of the package)."""
        return plainnet.build_block(self, in_shape)

    def _need_closed(self) -> None:
        if self.taken_names:
            names = ", ".join(self.taken_names)
            raise StructureError(f"{self} takes {names} from outside of it: it is counted in its network")

    def _totals(self, resolution: int) -> Totals:
        self._need_closed()
        return block_totals(self, nominal_shape(self, resolution))
