"""Modules without parameters that torch does not have."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from plainnet.blocks.rows.shapes import Shape

__all__ = ["Narrow", "Shift", "Zero", "ZeroMap"]


class Narrow(nn.Module):
    """The channels first .. first + channels - 1."""

    def __init__(self, first: int, channels: int) -> None:
        super().__init__()
        self.first, self.channels = first, channels

    def forward(self, x: Tensor) -> Tensor:
        return x[:, self.first : self.first + self.channels]

    def extra_repr(self) -> str:
        return f"{self.first}, {self.channels}"


class Shift(nn.Module):
    """A map without its first row and column."""

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :, 1:, 1:]


class Zero(nn.Module):
    """Zeros in the shape that a window of a stride would leave."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros_like(x[:, :, :: self.stride, :: self.stride])

    def extra_repr(self) -> str:
        return f"stride={self.stride}"


class ZeroMap(nn.Module):
    """Zeros of a fixed shape, for as many images as come in: where no other value has the shape that they are to have. They fit
    images of the size that the network was built for.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = tuple(shape)

    def forward(self, x: Tensor) -> Tensor:
        return x.new_zeros((x.shape[0], *self.shape))

    def extra_repr(self) -> str:
        return "x".join(map(str, self.shape))
