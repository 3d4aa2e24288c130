"""Shapes that flow through a network."""

from __future__ import annotations

from typing import NamedTuple

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
    """The input shape at a resolution given as R or as (H, W)."""
    height, width = (resolution, resolution) if isinstance(resolution, int) else resolution
    return Shape(in_channels, height, width)
