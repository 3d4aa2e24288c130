"""Modules without parameters that torch does not have."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["Narrow", "Shift", "Zero"]


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
