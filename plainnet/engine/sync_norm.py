"""Batch norm over the batch of all processes, on CPUs too."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["GlooBatchNorm", "synchronize_batch_norm"]


class _AddUp(torch.autograd.Function):
    """The sum over all processes; its gradient is the sum of theirs."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:  # noqa: ARG004
        total = value.clone()
        torch.distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:  # noqa: ARG004
        total = gradients[0].clone()
        torch.distributed.all_reduce(total)
        return total


def add_up(value: Tensor) -> Tensor:
    """The sum of a tensor over all processes, differentiable."""
    call: Any = _AddUp.apply
    total: Tensor = call(value)
    return total


class GlooBatchNorm(nn.BatchNorm2d):
    """`BatchNorm2d` whose training statistics are those of all processes' images together.

    torch's SyncBatchNorm needs GPUs; this one adds up (sum, sum of squared deviations, count) with a differentiable
    all-reduce, in float64, so that N processes compute what one would.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Normalise (N, C, H, W)."""
        if not self.training:
            return super().forward(input)
        wide = input.double()
        count = torch.tensor([float(input.numel() // input.shape[1])], dtype=torch.float64, device=input.device)
        sums = add_up(torch.cat([wide.sum(dim=(0, 2, 3)), count]))
        total = sums[-1].detach()
        mean = sums[:-1] / total
        deviation = wide - mean.view(1, -1, 1, 1)
        variance = add_up(deviation.square().sum(dim=(0, 2, 3))) / total
        self._track(mean.detach(), variance.detach(), total)
        out = deviation * torch.rsqrt(variance + self.eps).view(1, -1, 1, 1)
        if self.weight is not None:
            out = out * self.weight.view(1, -1, 1, 1) + self.bias.view(1, -1, 1, 1)
        return out.to(input.dtype)

    @torch.no_grad()
    def _track(self, mean: Tensor, variance: Tensor, total: Tensor) -> None:
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        momentum = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        unbiased = variance * (total / (total - 1))
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), momentum)
        self.running_var.lerp_(unbiased.to(self.running_var.dtype), momentum)


def synchronize_batch_norm(model: nn.Module, device: torch.device) -> nn.Module:
    """The model with every batch norm computed over all processes; weights and names stay."""
    if device.type == "cuda":
        convert: Any = nn.SyncBatchNorm.convert_sync_batchnorm
        converted: nn.Module = convert(model)
        return converted
    for module in model.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = GlooBatchNorm
    return model
