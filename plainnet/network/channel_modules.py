"""Modules with weights for each channel that torch does not have for maps (N, C, H, W)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from plainnet.blocks.rows.channel_layers import LAYER_NORM_EPS, LAYER_SCALE_START

__all__ = ["ChannelScale", "LayerNorm"]


class LayerNorm(nn.Module):
    """Layer norm over the channels of each place of a map (N, C, H, W), or of a vector (N, C)."""

    def __init__(self, channels: int, eps: float = LAYER_NORM_EPS) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.empty(channels))
        self.bias = nn.Parameter(torch.empty(channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """A scale of 1, a shift of 0."""
        nn.init.ones_(self.weight)
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        last = x.movedim(1, -1)
        return functional.layer_norm(last, self.weight.shape, self.weight, self.bias, self.eps).movedim(-1, 1)

    def extra_repr(self) -> str:
        return f"{len(self.weight)}, eps={self.eps}"


class ChannelScale(nn.Module):
    """x * weight, a number for each channel of (N, C, H, W) or (N, C)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Next to nothing: a residual unit begins as the identity."""
        nn.init.constant_(self.weight, LAYER_SCALE_START)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight.view(-1, *[1] * (x.dim() - 2))

    def extra_repr(self) -> str:
        return str(len(self.weight))
