"""Parameters that are not trained for a while."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import nn

from plainnet.engine.hooks.base import Hook
from plainnet.engine.parameters import NORMS, matching, named_parameters

if TYPE_CHECKING:
    from plainnet.engine.trainer import Trainer

__all__ = ["FreezingHook"]


class FreezingHook(Hook):
    """From epoch `start` on (counted from 0) and before epoch `until`, the matching parameters keep their values.

    Their gradients are dropped before clipping and update, so that momentum and weight decay leave them alone; a batch norm
    whose own parameters are all frozen keeps its statistics too.
    """

    priority = 10

    def __init__(self, match: str | Sequence[str], *, start: int = 0, until: int | None = None) -> None:
        self.match, self.start, self.until = match, start, until
        self.frozen: list[nn.Parameter] = []

    def before_train_epoch(self, trainer: Trainer) -> None:
        """Freeze or release."""
        active = self.start <= trainer.epoch and (self.until is None or trainer.epoch < self.until)
        parameters = named_parameters(trainer.module)
        names = matching(trainer.module, self.match)
        self.frozen = [parameters[name] for name in parameters if name in names] if active else []
        known = {id(parameter) for parameter in self.frozen}
        for module in trainer.module.modules():
            own = list(module.parameters(recurse=False))
            if isinstance(module, NORMS) and own and all(id(parameter) in known for parameter in own):
                module.eval()

    def optimizer_step(self, trainer: Trainer) -> None:  # noqa: ARG002
        """Drop the gradients."""
        for parameter in self.frozen:
            parameter.grad = None
