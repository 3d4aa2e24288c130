"""Batch norm over the batch of all processes, on CPUs too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from plainnet.errors import UsageError

__all__ = ["GlooBatchNorm", "counted_once", "synchronize_batch_norm"]

_COPIES: ContextVar[int] = ContextVar("plainnet_batch_copies", default=1)


@contextmanager
def counted_once(copies: int) -> Iterator[None]:
    """Inside, that many processes have the same batch, which is one batch to the statistics."""
    token = _COPIES.set(copies)
    try:
        yield
    finally:
        _COPIES.reset(token)


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


class GlooBatchNorm(_BatchNorm):
    """A batch norm whose training statistics are those of all processes' images together.

    torch's SyncBatchNorm needs GPUs; this one adds up (sum, sum of squared deviations, count) with a differentiable
    all-reduce, in float64, so that N processes compute what one would. It is put in front of the class of a module
    (`BatchNorm1d`, `2d`, `3d`, or a subclass), which keeps its own checks and its computation outside training.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Normalise (N, C) or (N, C, ...)."""
        if not self.training:
            return super().forward(input)
        self._check_input_dim(input)  # type: ignore[no-untyped-call]
        others, shape = [0, *range(2, input.ndim)], (1, -1, *[1] * (input.ndim - 2))
        wide = input.double()
        count = torch.tensor([float(input.numel() // input.shape[1])], dtype=torch.float64, device=input.device)
        sums = add_up(torch.cat([wide.sum(dim=others), count]))
        total = sums[-1].detach()
        mean = sums[:-1] / total
        deviation = wide - mean.view(shape)
        variance = add_up(deviation.square().sum(dim=others)) / total
        self._track(mean.detach(), variance.detach(), total / _COPIES.get())
        out = deviation * torch.rsqrt(variance + self.eps).view(shape)
        if self.weight is not None:
            out = out * self.weight.view(shape) + self.bias.view(shape)
        return out.to(input.dtype)

    @torch.no_grad()
    def _track(self, mean: Tensor, variance: Tensor, total: Tensor) -> None:
        if float(total) == 1:  # as torch says it
            raise ValueError("Expected more than 1 value per channel when training, got one over all processes")
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        momentum = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        unbiased = variance * (total / (total - 1))
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), momentum)
        self.running_var.lerp_(unbiased.to(self.running_var.dtype), momentum)


@cache
def _gloo_class(kind: Any) -> Any:
    return type(f"Gloo{kind.__name__}", (GlooBatchNorm, kind), {})


def synchronize_batch_norm(model: nn.Module, device: torch.device) -> nn.Module:
    """The model with every batch norm computed over all processes; weights and names stay.

    Raises `UsageError` for a subclass that computes in its own way, which cannot be synchronised.
    """
    for name, module in model.named_modules():
        kind: Any = type(module)
        if not isinstance(module, _BatchNorm) or isinstance(module, GlooBatchNorm | nn.SyncBatchNorm):
            continue
        if kind.forward is not _BatchNorm.forward:
            raise UsageError(
                f"{name} is a {kind.__name__} with a forward of its own, which cannot be synchronised over processes: set "
                "train.sync_batch_norm=false (sync_batch_norm=False), so that each process normalises its part of the batch"
            )
        if device.type != "cuda":
            module.__class__ = _gloo_class(kind)
    if device.type == "cuda":
        convert: Any = nn.SyncBatchNorm.convert_sync_batchnorm
        converted: nn.Module = convert(model)
        return converted
    return model
