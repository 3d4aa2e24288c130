"""The moving average of the weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from plainnet.engine.hooks.hook import Hook
from plainnet.errors import UsageError

if TYPE_CHECKING:
    from torch import nn

    from plainnet.engine.loop.trainer import Trainer

__all__ = ["AveragingHook"]


class AveragingHook(Hook):
    """average = decay average + (1 - decay) weights after each update, the first too; validated and saved in the weights' place.

    Buffers (the statistics of batch norms) are the trained model's. torch's `AveragedModel` does the work. The average begins
    as a copy of `model`, which must be made before the model is registered if training is sharded.
    """

    priority = 55

    def __init__(self, model: nn.Module, *, decay: float) -> None:
        if not 0 <= decay < 1:
            raise UsageError(f"decay is {decay}; accepted: 0 to below 1")
        moving: Any = get_ema_multi_avg_fn  # untyped in torch
        self.average = AveragedModel(model, multi_avg_fn=moving(decay), use_buffers=False)
        self.average.n_averaged.fill_(1)  # it is a copy already, so that its first update is one like the others

    def attach(self, trainer: Trainer) -> None:
        """Make the trainer validate and save the average."""
        trainer.averaged = self.average.module = trainer.placed(self.average.module)
        trainer.register_hook(self)

    def optimizer_step(self, trainer: Trainer) -> None:
        """Move the average."""
        self.average.update_parameters(trainer.module)

    @torch.no_grad()
    def before_val_epoch(self, trainer: Trainer) -> None:
        """Take the buffers over."""
        for own, other in zip(self.average.module.buffers(), trainer.module.buffers(), strict=True):
            own.copy_(other)

    def state_dict(self) -> dict[str, object]:
        """How many updates it has seen; the weights are saved with the trainer."""
        return {"seen": int(self.average.n_averaged)}

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Take up where `state_dict` left off."""
        self.average.n_averaged.fill_(int(str(state["seen"])))
