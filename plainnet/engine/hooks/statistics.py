"""Numbers about gradients and intermediate tensors, in the log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from plainnet.engine.hooks.hook import Hook
from plainnet.engine.parameters import named_parameters

if TYPE_CHECKING:
    from plainnet.engine.data.source import Batch
    from plainnet.engine.loop.trainer import Trainer

__all__ = ["GradientStatistics", "WatchHook"]


class GradientStatistics(Hook):
    """Logs the norm of the whole gradient before clipping, and the largest and smallest norms with their parameters."""

    priority = 20

    def optimizer_step(self, trainer: Trainer) -> None:
        """Measure, in the updates that are logged."""
        if not trainer.logs_now:
            return
        gradients = {name: p.grad for name, p in named_parameters(trainer.module).items() if p.grad is not None}
        measured = [trainer.whole(norm) for norm in torch._foreach_norm(list(gradients.values()))]
        norms = dict(zip(gradients, torch.stack(measured).tolist(), strict=True)) if measured else {}
        if norms:
            trainer.extras["gradient/norm"] = sum(norm**2 for norm in norms.values()) ** 0.5
            trainer.extras["gradient/largest"] = max(norms.values())
            trainer.extras["gradient/smallest"] = min(norms.values())


class WatchHook(Hook):
    """Logs the root mean square of every registered tensor and of its gradient."""

    def after_backward(self, trainer: Trainer, batch: Batch, output: Any, result: Mapping[str, Any]) -> None:  # noqa: ARG002
        """Measure, in the updates that are logged."""
        if trainer.logs_now:
            for name, tensor in trainer.tensors.items():
                trainer.extras[f"watch/{name}"] = float(tensor.detach().float().square().mean().sqrt())
                if tensor.grad is not None:
                    trainer.extras[f"watch/{name}.grad"] = float(tensor.grad.float().square().mean().sqrt())
