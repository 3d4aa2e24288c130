"""Shapes that flow through a network."""

from __future__ import annotations

from typing import NamedTuple

from plainnet.blocks.arguments import whole_number
from plainnet.errors import UsageError

__all__ = ["Shape", "as_input_shape"]


class Shape(NamedTuple):
    """The shape of one image's tensor, without the batch: a map (C, H, W), or a vector (C,) written with height and
    width 0.
    """

    channels: int
    height: int
    width: int

    @property
    def is_vector(self) -> bool:
        return self.height == 0

    @property
    def elements(self) -> int:
        return self.channels * self.height * self.width if self.height else self.channels

    def as_list(self) -> list[int]:
        """[C, H, W], or [C] for a vector."""
        return [self.channels, self.height, self.width] if self.height else [self.channels]

    def __str__(self) -> str:
        return "x".join(map(str, self.as_list()))


def as_input_shape(in_channels: int, resolution: int | tuple[int, int]) -> Shape:
    """The input shape at a resolution given as R or as (H, W).

    Raises `UsageError` for what is no positive integer, or no pair of them; integers of NumPy are integers.
    """
    if type(resolution) is int and type(in_channels) is int and resolution > 0 and in_channels > 0:  # the usual case
        return Shape(in_channels, resolution, resolution)
    sides = tuple(resolution) if isinstance(resolution, (tuple, list)) else (resolution, resolution)
    accepted = "a positive integer R, or a pair (H, W) of them"
    if len(sides) != 2:
        raise UsageError(f"resolution is {resolution!r}; accepted: {accepted}")
    channels = whole_number("in_channels", in_channels)
    height, width = (whole_number("resolution", side, accepted=accepted) for side in sides)
    return Shape(channels, height, width)
